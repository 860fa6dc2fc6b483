"""Runs each case on each pair, and holds the declarations to be true: what is ABSENT must be refused by that name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from conformance.gaps import GAPS
from conformance.registry import PAIRS, Pair
from conformance.world import World
from fakes.plain_parts import PlainCatalog
from servers.qdrant import QdrantServer

from proxy.errors import Unsupported
from proxy.model.feature import Feature
from proxy.model.operation import DropCollection

HERE = Path(__file__).parent


def needs_of(node: Any) -> frozenset[Feature]:
    return frozenset(feature for mark in node.iter_markers("needs") for feature in mark.args)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pair" in metafunc.fixturenames:
        marked = [pytest.param(p, marks=[getattr(pytest.mark, m) for m in p.backend.marks], id=p.name) for p in PAIRS]
        metafunc.parametrize("pair", marked, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if isinstance(item, pytest.Function) and HERE in item.path.parents]
    unspoken = [item for item in ours if (pair := pair_of(item)) and not _is_made(item, pair)]
    if unspoken:
        config.hook.pytest_deselected(items=unspoken)
        items[:] = [item for item in items if item not in unspoken]
    for item in filter(pytest_asyncio.is_async_test, ours):
        # channels live in one event loop, and servers outlive a case
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    _apply_gaps(ours)


def _is_made(item: pytest.Item, pair: Pair) -> bool:
    return needs_of(item) <= pair.frontend.speaks and item.path.name not in pair.backend.leaves_out


def _apply_gaps(items: list[pytest.Function]) -> None:
    for gap in GAPS:
        candidates = [item for item in items if (pair := pair_of(item)) and pair.name == gap.pair]
        matching = [item for item in candidates if case_name(item) == gap.case]
        if not matching and any(item.originalname == gap.case.partition("[")[0] for item in candidates):
            raise pytest.UsageError(f"the gap {gap.case} of {gap.pair} names no case")
        for item in matching:
            item.add_marker(pytest.mark.xfail(strict=True, raises=gap.raises, reason=f"{gap.owner}: {gap.see}"))


def pair_of(item: pytest.Function) -> Pair | None:
    return item.callspec.params.get("pair") if hasattr(item, "callspec") else None


def case_name(item: pytest.Function) -> str:
    """The test's name without the pair."""
    name = item.originalname or item.name
    own = "-".join(part for part in item.callspec.id.split("-") if part) if hasattr(item, "callspec") else ""
    pair = pair_of(item)
    rest = own.replace(pair.name, "").strip("-") if pair else own
    return f"{name}[{rest}]" if rest else name


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Where the backend declares a needed feature ABSENT, passing means refusing it."""
    pair = pair_of(pyfuncitem)
    if pair is None or HERE not in pyfuncitem.path.parents:
        return (yield)
    absent = pair.absent(needs_of(pyfuncitem))
    try:
        result = yield
    except Unsupported as refusal:
        if refusal.feature in absent:
            return True
        raise
    if absent:
        pytest.fail(f"{pair.backend.name} declares {', '.join(sorted(absent))} absent, but the case succeeded")
    return result


@pytest.fixture(scope="session")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture(scope="session")
def server(pair: Pair, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(pair.backend.server) if pair.backend.server else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(pair: Pair, server: Any) -> AsyncIterator[World]:
    catalog = PlainCatalog()
    async with pair.frontend.drive(lambda known: pair.backend.build(server, known, pair.frontend.product), catalog) as side:
        yield World(pair, side, catalog)
        for name in catalog.collections():  # the server is shared with other pairs
            await side.apply(DropCollection(name))
