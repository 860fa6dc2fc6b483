"""Real worker processes, with the test as their core and a small HTTP server as the source."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proxy.clock import SystemClock
from proxy.config import Config, parse
from proxy.errors import ConfigError, Refused
from proxy.ports import Exchange, Kind, Reply, Request, Route
from proxy.routing.grant import Grant, Grants
from proxy.routing.plan import Action
from proxy.workers.opening import Inside, open_workers, tidy
from proxy.workers.workers import Workers

SEARCH = "/milvus.proto.milvus.MilvusService/Search"
UPSERT = "/milvus.proto.milvus.MilvusService/Upsert"
READS = Grant({Kind.READ: Action.RELAY})


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


class Says:
    """ports.Handler that answers with a word."""

    def __init__(self, word: str) -> None:
        self._word = word.encode()

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.serve(self._reply)

    async def _reply(self, request: Request) -> Reply:
        return Reply(200, (), self._word)


class Router:
    """What the workers need of one."""

    def __init__(self) -> None:
        self.grants = Grants()
        self.noted: Counter[tuple[str, Action]] = Counter()

    def note(self, route: Route, action: Action, times: int) -> None:
        self.noted[route.name, action] += times


async def source(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsource")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


class Stage:
    """A source, workers, and the router that they obey."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.router = Router()
        self.workers: Workers
        self._stack = stack

    def config(self, port: int, **settings: Any) -> Config:
        side = {"product": "milvus", "url": f"http://127.0.0.1:{port}"}
        listen = {"grpc": "127.0.0.1:0"}
        telemetry = {"log_format": "text"}
        return parse({"source": side, "listen": listen, "state": str(self.folder), "telemetry": telemetry} | settings)

    async def open(self, **settings: Any) -> Workers:
        server = await asyncio.start_server(source, "127.0.0.1", 0)
        self._stack.callback(server.close)
        config = self.config(server.sockets[0].getsockname()[1], **settings)
        inside = Inside(Says("core"), Says("drawn"))
        self.workers = await open_workers(config, inside, 2**20, {"grpc": config.source.url}, SystemClock(), self._stack)
        tidy(config, self.workers)
        self.workers.serve(self.router)
        return self.workers

    @property
    def pids(self) -> list[int]:
        return [status.pid for status in self.workers.statuses()]

    async def ask(self, path: str) -> str:
        """On a connection of its own: who answered."""
        host, _, port = self.workers.ports["grpc"].address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(10):
            reply = await reader.read()
        writer.close()
        assert reply.startswith(b"HTTP/1.1 200"), reply
        return reply.rpartition(b"\r\n\r\n")[2].decode()

    async def grant(self, grant: Grant) -> None:
        self.router.grants.set(grant)
        await self.workers.acknowledged()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110  for what nobody rings a bell for
                await asyncio.sleep(0.02)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(tmp_path / ("deep" * 30), stack)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_worker_does_what_it_is_granted_over_all_its_lives(stage) -> None:
    stage.folder.mkdir(mode=0o700)
    (stage.folder / "core-grpc-dead.sock").touch()
    workers = await stage.open()
    assert [path.suffix for path in stage.folder.iterdir()] == [".sock", ".sock"]
    assert [await stage.ask(path) for path in (SEARCH, UPSERT)] == ["core", "core"]

    await stage.grant(READS)
    assert [await stage.ask(path) for path in (SEARCH, UPSERT)] == ["source", "core"]
    await stage.grant(Grant({Kind.READ: Action.SAMPLE}, shadow=1.0))
    assert await stage.ask(SEARCH) == "drawn"
    await stage.grant(Grant({Kind.READ: Action.SAMPLE}, shadow=0.0))
    assert await stage.ask(SEARCH) == "source"
    await stage.until(lambda: stage.router.noted == {("Search", Action.RELAY): 1, ("Search", Action.SAMPLE): 1})
    assert (workers.ports["grpc"].stats().accepted, workers.statuses()[0].requests) == (6, 6)

    before = stage.pids[0]
    os.kill(before, signal.SIGKILL)
    await stage.until(lambda: not workers.accepting())
    await stage.until(workers.accepting)
    assert (stage.pids != [before], workers.statuses()[0].restarts) == (True, 1)
    await workers.acknowledged()
    assert await stage.ask(SEARCH) == "source"
    await stage.until(lambda: workers.ports["grpc"].stats().accepted == 7)

    await workers.drain(5.0)
    assert not alive(stage.pids[0] or before)
    assert workers.statuses()[0].pid == 0


async def test_a_worker_that_hangs_is_known_not_to_have_heard(stage, monkeypatch) -> None:
    monkeypatch.setattr("proxy.workers.workers.ACKNOWLEDGE", 0.3)
    stage.folder.mkdir()
    workers = await stage.open(workers=2)
    await stage.grant(READS)
    hanging, other = stage.pids
    os.kill(hanging, signal.SIGSTOP)
    with pytest.raises(Refused, match=rf"the worker with pid {hanging} did not acknowledge .* nothing has changed"):
        await stage.router.grants.withdraw()
    os.kill(hanging, signal.SIGCONT)
    await workers.acknowledged()
    assert await stage.ask(SEARCH) == "core"

    os.kill(hanging, signal.SIGSTOP)
    monkeypatch.setattr("proxy.workers.workers.SILENT", 0.0)  # so is the other one, as far as that goes
    await stage.until(lambda: not {hanging, other} & set(stage.pids))
    assert not alive(hanging)
    assert workers.ports["grpc"].stats().connections == 0


async def test_what_a_worker_cannot_use_stops_the_start_with_its_key(stage, tmp_path) -> None:
    stage.folder.mkdir()
    nothing = str(tmp_path / "nothing.pem")
    with pytest.raises(ConfigError, match="cannot be used") as raised:
        await stage.open(listen_tls={"cert_file": nothing, "key_file": nothing})
    assert raised.value.path == "listen_tls.cert_file"


async def test_a_port_that_cannot_be_had_stops_the_start(stage) -> None:
    stage.folder.mkdir()
    with pytest.raises(ConfigError, match=r"listen.grpc: cannot listen on 192.0.2.1:1"):
        await stage.open(listen={"grpc": "192.0.2.1:1"})
