"""A request that one upstream does not answer well goes to another, and its client sees one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import h2.events
import pytest
from net_h2_peers import GRPC, Peer, Upstream, echo
from net_ports import Port

from proxy.config import RelayConfig, TlsConfig
from proxy.net import upstream as net
from proxy.net.ends import Version
from proxy.net.upstream import Credentials
from proxy.ports import Exchange, Otherwise, RelayTo, Reply, Request

MESSAGE = b"\0" + (3).to_bytes(4) + b"abc"


def saying(name: str, status: str = "200", body: bytes = b"") -> Callable[[Peer, h2.events.Event], None]:
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", status), ("x-from", name)])
            peer.h2.send_data(event.stream_id, body or peer.body(event.stream_id), end_stream=True)

    return on


def silent(peer: Peer, event: h2.events.Event) -> None:
    """Never answers."""


def resetting(peer: Peer, event: h2.events.Event) -> None:
    if isinstance(event, h2.events.StreamEnded):
        peer.h2.reset_stream(event.stream_id, 2)


class Raw(Port):
    """Answers the first request of a connection as it is told."""

    def __init__(self, until: bytes, answer: bytes) -> None:
        super().__init__()
        self.came = b""
        self._until, self._answer = until, answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came = await reader.readuntil(self._until)
        writer.write(self._answer)
        await reader.read()


@pytest.fixture
async def raw() -> AsyncIterator[Callable[[bytes, bytes], Any]]:
    running: list[Raw] = []

    async def make(until: bytes, answer: bytes) -> Raw:
        running.append(made := Raw(until, answer))
        await made.start()
        return made

    yield make
    for server in running:
        server.stop()


class Trying:
    """Every request is tried at `first`, and goes to the proxy's own upstream where that is no good."""

    def __init__(self, proxy: Any, url: str) -> None:
        self.first = net.Upstream("first", url, TlsConfig(), RelayConfig(bridge=30))
        self.limit, self.patience = 2**20, 5.0
        self.judged: list[Reply] = []
        self._proxy = proxy
        proxy.handler.act = self._act

    def _act(self, exchange: Exchange) -> None:
        exchange.serve(self._work)

    async def _work(self, request: Request) -> RelayTo:
        otherwise = Otherwise(lambda: RelayTo(self._proxy.upstream), self._good, self.limit, self.patience)
        return RelayTo(self.first, otherwise=otherwise)

    def _good(self, reply: Reply) -> bool:
        self.judged.append(reply)
        return reply.status == 200


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Upstream, Upstream]]:
    both = Upstream(), Upstream()
    for server, name in zip(both, ("first", "second"), strict=True):
        server.on = saying(name)
        await server.start()
    yield both
    for server in both:
        server.stop()


@pytest.fixture
async def trying(servers, start) -> AsyncIterator[Trying]:
    made = Trying(await start(servers[1].url), servers[0].url)
    yield made
    await made.first.close()


@pytest.fixture
async def client(trying) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection(trying._proxy.host, trying._proxy.port), client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        yield peer
        peer.writer.transport.abort()


async def answer(client: Peer, stream_id: int = 1) -> tuple[str, bytes]:
    """(who, the body)"""
    await client.first(h2.events.StreamEnded, stream_id)
    heads = client.of(h2.events.ResponseReceived, stream_id)
    assert len(heads) == 1
    return dict(heads[0].headers)["x-from"], client.body(stream_id)


async def test_a_good_answer_is_the_clients(client, trying, servers):
    client.request(1, MESSAGE)
    assert await answer(client) == ("first", MESSAGE)
    assert len(trying.judged) == 1
    assert not servers[1].peers


async def test_a_bad_answer_is_never_seen(client, trying, servers):
    servers[0].on = saying("first", "503")
    client.request(1, MESSAGE, extra=GRPC)
    assert await answer(client) == ("second", MESSAGE)
    assert [reply.status for reply in trying.judged] == [503]
    client.request(3, MESSAGE)
    assert await answer(client, 3) == ("second", MESSAGE)


async def test_a_reset_is_never_seen(client, servers):
    servers[0].on = resetting
    client.request(1, MESSAGE)
    assert await answer(client) == ("second", MESSAGE)


async def test_an_upstream_that_is_down_costs_a_moment(client, trying, servers):
    servers[0].stop()
    begun = asyncio.get_running_loop().time()
    client.request(1, MESSAGE)
    assert await answer(client) == ("second", MESSAGE)
    assert asyncio.get_running_loop().time() - begun < 2


async def test_an_upstream_that_is_silent_is_waited_for_so_long(client, trying, servers):
    servers[0].on = silent
    trying.patience = 0.1
    client.request(1, MESSAGE)
    assert await answer(client) == ("second", MESSAGE)
    assert (await servers[0].peers[0].first(h2.events.StreamReset)).error_code == 8  # given up there


async def test_a_large_answer_is_shown_as_it_comes(client, trying, servers):
    body = bytes(3 * 2**20)
    servers[0].on = lambda peer, event: _large(peer, event, body)
    trying.limit = 2**16
    client.request(1, MESSAGE)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == body
    assert not trying.judged


def _large(peer: Peer, event: h2.events.Event, body: bytes) -> None:
    """As far as the window goes, and on whenever it opens."""
    if isinstance(event, h2.events.StreamEnded):
        peer.left = body  # type: ignore[attr-defined]
        peer.h2.send_headers(event.stream_id, [(":status", "200"), ("x-from", "first")])
    while getattr(peer, "left", b"") and (room := min(peer.h2.local_flow_control_window(1), 16_384)) > 0:
        piece, peer.left = peer.left[:room], peer.left[room:]  # type: ignore[attr-defined]
        peer.h2.send_data(1, piece, end_stream=not peer.left)  # type: ignore[attr-defined]


async def test_an_answer_as_large_as_its_window_is_held_whole(client, trying, servers):
    body = bytes(3 * 2**20)
    servers[0].on = lambda peer, event: _large(peer, event, body)
    trying.limit = 4 * 2**20
    client.request(1, MESSAGE)
    assert await answer(client) == ("first", body)
    assert [len(reply.body) for reply in trying.judged] == [len(body)]


async def test_a_client_that_leaves_meanwhile_leaves_nothing(client, trying, servers):
    servers[0].on = silent
    client.request(1, MESSAGE)
    await asyncio.wait_for(servers[0].came.wait(), 5)
    await servers[0].peers[0].first(h2.events.StreamEnded)
    client.send(lambda c: c.reset_stream(1, 8))
    await servers[0].peers[0].first(h2.events.StreamReset)
    assert trying._proxy.listener.stats().buffered == 0
    assert not servers[1].peers


@pytest.mark.parametrize("status", [b"200 OK", b"500 No"])
async def test_over_http1_too(start, raw, status):
    first = await raw(b"abc", b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nfirst")
    second = await raw(b"abc", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
    proxy = await start(second.url)
    trying = Trying(proxy, first.url)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    expected = b"first" if status == b"200 OK" else b"second"
    assert (await asyncio.wait_for(reader.readuntil(expected), 5)).startswith(b"HTTP/1.1 200 OK")
    writer.transport.abort()
    await trying.first.close()


async def test_credentials_of_ours_replace_the_clients(start, servers):
    ours = Credentials(frozenset({b"authorization"}), {Version.HTTP2: ((b"authorization", b"ours"),)})
    proxy = await start(servers[1].url)
    upstream = net.Upstream("first", servers[0].url, TlsConfig(), RelayConfig(), credentials=ours)
    servers[0].on = echo
    proxy.handler.to = RelayTo(upstream)
    peer = Peer(*await asyncio.open_connection(proxy.host, proxy.port), client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        peer.request(1, MESSAGE, extra=[("authorization", "theirs"), ("x-own", "1")])
        await peer.first(h2.events.StreamEnded, 1)
        peer.writer.transport.abort()
    head = (await servers[0].peers[0].first(h2.events.RequestReceived)).headers
    assert [value for name, value in head if name == "authorization"] == ["ours"]
    assert ("x-own", "1") in head
    await upstream.close()


async def test_the_clients_credentials_stay_away_where_we_have_none(start, raw):
    server = await raw(b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    proxy = await start(server.url)
    none = Credentials(frozenset({b"api-key"}))
    upstream = net.Upstream("t", server.url, TlsConfig(), RelayConfig(), credentials=none)
    proxy.handler.to = RelayTo(upstream)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nApi-Key: theirs\r\nX-Own: 1\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"ok"), 5)
    writer.transport.abort()
    await upstream.close()
    assert b"theirs" not in server.came
    assert b"x-own: 1" in server.came.lower()
