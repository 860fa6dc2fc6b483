"""One life of a sidecar, to be killed: all that `vecferry run` starts but its ports, between two databases in another process.

Clients and the operator speak with it over a Unix socket that the next life inherits, so what nobody has taken yet waits.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop
from fakes.databases import Remote, RemoteUpstream, read_message, write_message
from fakes.sidecar import TalkingFrontend, begin, see

from proxy import app
from proxy.clock import SystemClock
from proxy.config import Config, Phase, SideConfig, parse
from proxy.control.operator import Operator, Standing
from proxy.control.parts import Parts
from proxy.errors import ProxyError
from proxy.listening import OwnPorts
from proxy.mirror import tables
from proxy.model.place import Place
from proxy.model.schema import Product
from proxy.ports import Catalog
from proxy.store.state_dir import Identity, StateDir
from proxy.telemetry import logs

LINGER: Final = 0.1
"""Seconds; twice what the databases keep to."""
PLACES: Final = {Product.MILVUS: Place.SOURCE, Product.QDRANT: Place.TARGET}
SQLITE_LOG: Final = 64 * 2**10
"""So that a short life checkpoints it."""
LOG: Final = 2 * 2**10
"""So that a short life fills it again and again."""


@dataclass(frozen=True, slots=True)
class Born:
    """What a life is given. `number` of this life; `databases`: their socket."""

    folder: Path
    number: int
    databases: Path


def settings(folder: Path) -> Config:
    config = parse(
        {
            "source": {"product": "milvus", "url": "http://source:1"},
            "target": {"product": "qdrant", "url": "http://target:1"},
            "listen": {},
            "admin": {"address": "127.0.0.1:0"},
            "state": str(folder / "state"),
            "routing": {"phase": "mirror", "shadow": 0.5},
            "mirror": {"linger": LINGER, "retry_max": 0.05, "batch_points": 8},
            "backfill": {"page": 5, "latency_limit": 100},
            "verify": {"page": 5, "recheck_delay": 0.01},
            "cutover": {"max_hold": 3},
            "relay": {"bridge": 0.5},
        }
    )
    return config.model_copy(update={"journal": config.journal.model_copy(update={"log_bytes": LOG})})


def live(born: Born, listening: socket.socket) -> None:
    """Until it is killed, or asked to stop."""
    logs.set_up("warning", "text")
    tables.LOG_LIMIT = SQLITE_LOG  # type: ignore[misc]
    uvloop.run(_live(born, listening))


async def _live(born: Born, listening: socket.socket) -> None:
    config, clock, frontend = settings(born.folder), SystemClock(), TalkingFrontend()
    state = StateDir(config.state, clock)
    app.BACKENDS = {product: _backend(born) for product in PLACES}  # type: ignore[misc]
    await state.acquire(Identity.of(config.source, config.target))
    async with app._sidecar(born.folder / "none.yaml", config, frontend, state, OwnPorts({}), clock) as parts:
        state.begin()
        parts.sides.source.upstreams["rest"] = RemoteUpstream(born.databases, born.number, Place.SOURCE)  # type: ignore[index]
        await _Talk(parts, Standing(config, started=True)).serve(listening)
    state.release()


def _backend(born: Born) -> Any:
    def made(side: SideConfig, _catalog: Catalog, _clients: Product) -> Remote:
        return Remote(born.databases, born.number, PLACES[side.product])

    return made


class _Talk:
    def __init__(self, parts: Parts, standing: Standing) -> None:
        self._parts = parts
        self._operator = Operator(parts, standing)
        self._stop = asyncio.Event()
        self._calls: set[asyncio.Task[Any] | None] = set()
        """Kept, as the web server of the admin API does: a call whose other end left would be collected half-way."""

    async def serve(self, listening: socket.socket) -> None:
        server = await asyncio.start_unix_server(self._serve, sock=listening)
        await self._stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._calls.add(asyncio.current_task())
        with suppress(EOFError, ConnectionError):
            call, *given = await read_message(reader)
            await write_message(writer, await self._do(call, given))
        writer.close()
        self._calls.discard(asyncio.current_task())

    async def _do(self, call: str, given: list[Any]) -> object:
        try:
            match call:
                case "ask":
                    return await see(begin(self._parts.router, given[0]), given[0])
                case "drained":
                    return await self._parts.mirror.drained()
                case "change":
                    return await self._change(*given)
                case "stop":
                    return self._stop.set()
                case _:
                    return await getattr(self._operator, call)(*given)
        except ProxyError as error:
            return error

    async def _change(self, phase: str) -> object:
        """Whatever the gates say: they are another test's."""
        command = self._operator.cutover if Phase(phase) is Phase.CUTOVER else self._operator.rollback
        closed = tuple(gate["name"] for gate in (await self._operator.status())["gates"] if gate["ok"] is not True)
        return await command("test", "test", closed)
