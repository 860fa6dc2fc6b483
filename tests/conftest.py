from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from proxy.net.form import COMPILED, form

if TYPE_CHECKING:
    from servers.milvus import MilvusServer
    from servers.milvus_lite import MilvusLiteServer

# A busy machine is slow at any example. The ordinary run tries the same examples each time, the nightly form others.
settings.register_profile(
    "vecferry", deadline=None, derandomize="VECFERRY_NIGHTLY" not in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("vecferry")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Beside other workers files that take long come first: begun last, they would leave the others without work. By name, so
    that those which wait for a server and those which compute are mixed.
    """
    if hasattr(config, "workerinput"):
        long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("milvus")}
        items.sort(key=lambda item: (item.path not in long, item.path.name if item.path in long else ""))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What passed, and took longer than it must."""
    for report in terminalreporter.getreports("passed"):
        for name, why in report.user_properties:
            if name == "stale":
                terminalreporter.write_line(f"STALE {report.nodeid} - {why}")


@pytest.fixture(scope="session")
def milvus() -> Iterator[MilvusServer]:
    """One real Milvus for the whole session, started by the first test that asks; tests use collections of their own."""
    pytest.importorskip("milvus", reason="the wheel milvus==2.3.5 does not install here (it is for x86_64 Linux)")
    from servers.milvus import MilvusServer

    with MilvusServer() as server:
        yield server


@pytest.fixture(scope="session")
def milvus_lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusLiteServer]:
    """Stands in for newer servers; shared as `milvus` is."""
    from servers.milvus_lite import MilvusLiteServer

    with MilvusLiteServer(tmp_path_factory.mktemp("milvus-lite")) as server:
        yield server


@pytest.fixture
def set_limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """A named limit of a module is another, as far as the module looks it up."""

    def set_limit(name: str, value: float) -> None:
        if form(name.rpartition(".")[0]) == COMPILED:
            pytest.skip(f"{name} is part of the machine code, and a test does not wait for it")
        monkeypatch.setattr(name, value)

    return set_limit
