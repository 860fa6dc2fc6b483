"""Who asked to hear of a relay's end hears of it once, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import h2.events
import pytest
from h2.errors import ErrorCodes
from net_h2_peers import Peer, Upstream

from proxy.ports import RelayTo


class Heard:
    def __init__(self) -> None:
        self.times = 0
        self.came = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self.came.set()

    async def once(self) -> None:
        await asyncio.wait_for(self.came.wait(), 5)
        await asyncio.sleep(0.02)
        assert self.times == 1


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def proxy(server, start):
    return await start(server.url, bridge=0.3)


@pytest.fixture
async def client(proxy) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection(proxy.host, proxy.port), client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        yield peer
        peer.writer.transport.abort()


@pytest.fixture
def heard(proxy) -> Heard:
    heard = Heard()
    proxy.handler.to = RelayTo(proxy.upstream, ended=heard)
    return heard


def silent(peer: Peer, event: h2.events.Event) -> None:
    """An upstream that never answers."""


def hasty(peer: Peer, event: h2.events.Event) -> None:
    """One that answers a head."""
    if isinstance(event, h2.events.RequestReceived):
        peer.h2.send_headers(event.stream_id, [(":status", "200")], end_stream=True)


async def test_when_the_reply_has_gone(client, heard):
    client.request(1, b"abc")
    await heard.once()
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == b"abc"


async def test_when_the_client_gives_up(client, server, heard):
    server.on = silent
    client.request(1, b"abc")
    await asyncio.wait_for(server.came.wait(), 5)
    await server.peers[-1].first(h2.events.StreamEnded)
    assert heard.times == 0
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    await heard.once()


async def test_when_the_upstream_is_away(client, server, heard):
    server.stop()
    client.request(1, b"abc")
    await heard.once()


async def test_when_the_reply_came_though_the_request_has_not_ended(client, server, heard):
    server.on = hasty
    client.request(1, None)
    await heard.once()
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    await heard.once()


async def test_when_the_client_left_before_the_decision(client, proxy, heard):
    proxy.handler.act = lambda exchange: None
    client.request(1, b"abc")
    await asyncio.wait_for(proxy.handler.came.wait(), 5)
    client.writer.transport.abort()
    await asyncio.wait_for(proxy.listener.drain(5), 5)
    proxy.handler.begun[-1].relay(proxy.handler.to)
    await heard.once()
