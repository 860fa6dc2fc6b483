"""The databases of the demo: a real Milvus (milvus-lite where its wheel does not install) and a local Qdrant."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.servers.milvus import MilvusServer
from tests.servers.process import dying_with_parent
from tests.servers.qdrant import QdrantServer

START_SECONDS = 30
END_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Started:
    """`settings`: as a side of a sidecar. `what`: for people. `ended`: its exit code, None while it lives."""

    settings: Mapping[str, str]
    what: str
    ended: Callable[[], int | None]

    @property
    def product(self) -> str:
        return self.settings["product"]

    @property
    def url(self) -> str:
        return self.settings["url"]

    def __str__(self) -> str:
        return f"{self.what}, at {self.url}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start(product: str, stack: ExitStack, folder: Path) -> Started:
    folder.mkdir()
    return _STARTS[product](stack, folder)


def _milvus(stack: ExitStack, folder: Path) -> Started:
    if importlib.util.find_spec("milvus"):
        server = stack.enter_context(MilvusServer(folder))
        return Started(server.settings, "Milvus 2.3.5, a real standalone server", server.ended)
    port = free_port()
    command = ["milvus-lite", "server", "--data-dir", str(folder / "data"), "--host", "127.0.0.1", "--port", str(port)]
    process = child(stack, [str(Path(sys.executable).parent / command[0]), *command[1:]], folder / "milvus.log")
    wait_for_port(port)
    what = "milvus-lite (the wheel of the real server does not install on this platform)"
    return Started({"product": "milvus", "url": f"http://127.0.0.1:{port}"}, what, process.poll)


def _qdrant(stack: ExitStack, folder: Path) -> Started:
    server = QdrantServer(folder).start()
    stack.callback(server.kill)  # not `stop`, which would complain of one that is dead already
    return Started(server.settings, "local Qdrant on Qdrant's own engine", server.ended)


_STARTS: Final[Mapping[str, Callable[[ExitStack, Path], Started]]] = {"milvus": _milvus, "qdrant": _qdrant}


def child(stack: ExitStack, command: list[str], log: Path, **given: Any) -> subprocess.Popen[str]:
    """A process that ends with us, whatever happens to us; a Ctrl-C is ours alone, so that it cannot end before we say so."""
    with log.open("ab") as output:
        given = {"stdout": output, "stderr": output, "text": True, "stdin": subprocess.DEVNULL} | given
        process: subprocess.Popen[str] = subprocess.Popen(dying_with_parent(command), start_new_session=True, **given)
    stack.callback(end, process)
    return process


def program(command: list[str]) -> int:
    """Runs it to its end, with our terminal; like `child`, it ends with us. Returns its exit code."""
    return subprocess.run(dying_with_parent(command), start_new_session=True).returncode


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port} after {START_SECONDS} s")
