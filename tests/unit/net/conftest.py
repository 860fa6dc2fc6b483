"""A relay between a test's client and a test's upstream, on free ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import h2.events
import pytest
import uvloop
from net_h1_peers import Client as Http1Client
from net_h1_peers import Server as Http1Server
from net_h2_peers import Peer
from net_h2_peers import Upstream as Http2Server

from proxy.config import ListenTls, RelayConfig, TlsConfig
from proxy.net.limits import Budget
from proxy.net.listener import Listener, listen
from proxy.net.upstream import Upstream
from proxy.ports import Exchange, RelayTo, Reply, Request, Retry, Tap


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


class Everything:
    """Relays all; `to` may be exchanged by a test, `act` replaces the relaying."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.to = RelayTo(upstream)
        self.act: Callable[[Exchange], None] | None = None
        self.begun: list[Exchange] = []
        self.came = asyncio.Event()

    def begin(self, exchange: Exchange, role: str) -> None:
        self.begun.append(exchange)
        self.came.set()
        if self.act is not None:
            self.act(exchange)
        else:
            exchange.relay(self.to)

    def watch(self, tap: Tap, retry: Retry = Retry.NEVER) -> None:
        self.to = RelayTo(self.upstream, retry, tap)


class Proxy:
    def __init__(self, listener: Listener, handler: Everything) -> None:
        self.listener = listener
        self.handler = handler
        self.host, _, port = listener.address.rpartition(":")
        self.port = 0 if self.host == "unix" else int(port)

    @property
    def address(self) -> str:
        return self.listener.address

    @property
    def upstream(self) -> Upstream:
        return self.handler.upstream


Start = Callable[..., Awaitable[Proxy]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[Proxy] = []

    async def start(
        url: str,
        *,
        address: str = "127.0.0.1:0",
        tls: TlsConfig | None = None,
        listen_tls: ListenTls | None = None,
        max_body: int = 2**20,
        budget: Budget | None = None,
        **settings: Any,
    ) -> Proxy:
        relay = RelayConfig(**settings)
        handler = Everything(Upstream("source", url, tls or TlsConfig(), relay))
        proxy = Proxy(await listen(address, "any", handler, relay, listen_tls, max_body, budget=budget), handler)
        running.append(proxy)
        return proxy

    yield start
    for proxy in running:
        await proxy.listener.close()
        await proxy.upstream.close()
    await asyncio.sleep(0.01)  # transports close in the next loop turns


class Notes:
    """A tap that writes down its calls, and holds back where told to."""

    def __init__(self, *, limit: int = 2**20, hold_request: bool = False, hold_reply: bool = False) -> None:
        self.limit = limit
        self.holds_reply = hold_reply
        self.hold_request = hold_request
        self.calls: list[str] = []
        self.seen_request: Request | None = None
        self.seen_reply: Reply | None = None
        self.sent: bool | None = None
        self.go_request: Callable[[Reply | None], None] | None = None
        self.go_reply: Callable[[Reply | None], None] | None = None
        self.changed = asyncio.Event()

    def request(self, request: Request | None, go: Callable[[Reply | None], None]) -> None:
        self._note("request")
        self.seen_request = request
        self.go_request = go
        if not self.hold_request:
            go(None)

    def reply(self, reply: Reply | None, go: Callable[[Reply | None], None]) -> None:
        self._note("reply")
        self.seen_reply = reply
        self.go_reply = go
        if not self.holds_reply:
            go(None)

    def done(self, reply: Reply | None) -> None:
        self._note("done")

    def failed(self, error: Exception, *, sent: bool) -> None:
        self._note("failed")
        self.sent = sent

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.changed.set()

    async def until(self, call: str) -> None:
        async with asyncio.timeout(5):
            while call not in self.calls:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def notes() -> type[Notes]:
    return Notes


@pytest.fixture
async def h1_server() -> AsyncIterator[Http1Server]:
    server = Http1Server()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def h1_proxy(h1_server: Http1Server, start: Start) -> Proxy:
    return await start(h1_server.url, bridge=0.5)


@pytest.fixture
async def h1_client(h1_proxy: Proxy) -> AsyncIterator[Http1Client]:
    reader, writer = await asyncio.open_connection(h1_proxy.host, h1_proxy.port)
    yield Http1Client(reader, writer)
    writer.close()


@pytest.fixture
async def h2_server() -> AsyncIterator[Http2Server]:
    server = Http2Server()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def h2_connect() -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """The h2 library as a client of a proxy, when it has read the proxy's SETTINGS."""
    peers: list[Peer] = []
    tasks: set[asyncio.Task[None]] = set()

    async def connect(proxy: Proxy, *, stubborn: bool = False) -> Peer:
        peer = Peer(*await asyncio.open_connection(proxy.host, proxy.port), client=True, stubborn=stubborn)
        peers.append(peer)
        tasks.add(asyncio.get_running_loop().create_task(peer.run()))
        await peer.first(h2.events.RemoteSettingsChanged)
        return peer

    yield connect
    for peer in peers:
        peer.writer.transport.abort()
    await asyncio.gather(*tasks)
