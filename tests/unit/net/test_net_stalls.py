"""Clients that ask and then do not read: for a while what they asked for waits, then it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import h2.events
import h2.exceptions
import psutil
import pytest
from net_frames import PREFACE, frame
from net_h2_peers import Peer, Upstream
from net_ports import Port

from proxy.net.http2.fields import encode
from proxy.net.limits import Budget
from proxy.ports import Reply, Request

HEAD = encode([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x")])
LIMIT = 0.4
SIZE = 30_000_000


class Pouring(Port):
    """An upstream of HTTP/1.1 with a large reply."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + bytes(SIZE))
        await writer.drain()


@pytest.fixture
async def server() -> AsyncIterator[Pouring]:
    server = Pouring()
    await server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def impatient(set_limit) -> None:
    set_limit("proxy.net.http1.inbound.UNREAD_REPLY", LIMIT)
    set_limit("proxy.net.http2.inbound.UNREAD_REPLY", LIMIT)
    set_limit("proxy.net.listener._SWEEP", 0.05)


async def until_nothing_waits(proxy) -> None:
    async with asyncio.timeout(10):
        while proxy.listener.stats().buffered:  # noqa: ASYNC110  nobody rings a bell
            await asyncio.sleep(0.02)


async def large(request: Request) -> Reply:
    return Reply(200, (), bytes(SIZE))


async def test_a_stream_without_a_window_is_given_up_and_its_connection_lives_on(server, start):
    proxy = await start(server.url)
    proxy.handler.act = lambda exchange: exchange.serve(large)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\0") + frame(1, 5, 1, HEAD))
    async with asyncio.timeout(5):
        while proxy.listener.stats().buffered < SIZE:  # noqa: ASYNC110  nobody rings a bell
            await asyncio.sleep(0.01)
    await until_nothing_waits(proxy)
    writer.write(frame(6, 0, 0, b"stillfit"))
    async with asyncio.timeout(5):
        said = await reader.readuntil(b"stillfit")
    assert frame(3, 0, 1, (8).to_bytes(4)) in said
    writer.transport.abort()


async def test_a_stream_whose_window_grows_slowly_is_not_given_up(server, start):
    proxy = await start(server.url)
    proxy.handler.act = lambda exchange: exchange.serve(large)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\0") + frame(1, 5, 1, HEAD))
    for _ in range(10):
        await asyncio.sleep(LIMIT / 4)
        writer.write(frame(8, 0, 1, (100).to_bytes(4)))
    async with asyncio.timeout(5):
        said = b""
        while said.count(frame(0, 0, 1, bytes(100))) < 10:
            said += await reader.read(2**16)
    assert frame(3, 0, 1, (8).to_bytes(4)) not in said
    writer.transport.abort()


async def test_a_reply_of_http_1_that_nobody_reads_is_given_up(server, start):
    proxy = await start(server.url)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port, limit=1000)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(5):
        while not proxy.listener.stats().buffered:  # noqa: ASYNC110  nobody rings a bell
            await asyncio.sleep(0.01)
    await until_nothing_waits(proxy)
    assert proxy.listener.stats().connections == 0
    writer.transport.abort()


async def test_a_reply_of_http_1_that_is_read_slowly_is_not_given_up(server, start):
    proxy = await start(server.url)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port, limit=1000)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    for _ in range(10):
        await asyncio.sleep(LIMIT / 4)
        await reader.readexactly(2_000_000)
    assert len(await asyncio.wait_for(reader.readexactly(SIZE - 20_000_000), 5)) == SIZE - 20_000_000
    writer.transport.abort()


async def test_many_streams_without_a_window_hold_no_more_than_the_budget(start):
    """Each holds a megabyte of its reply; together they may not."""

    def pour(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
        for ended in peer.of(h2.events.StreamEnded):
            with suppress(h2.exceptions.ProtocolError):  # given up meanwhile
                while room := min(peer.h2.local_flow_control_window(ended.stream_id), 16_384):
                    peer.h2.send_data(ended.stream_id, bytes(room))

    upstream = Upstream()
    upstream.on = pour
    await upstream.start()
    proxy = await start(upstream.url, budget=Budget(8_000_000))
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    before = psutil.Process().memory_info().rss
    writer.write(PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\0"))
    writer.write(b"".join(frame(1, 5, 1 + 2 * number, HEAD) for number in range(60)))
    resets, most = 0, 0
    async with asyncio.timeout(20):
        while resets < 50:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3]))
            resets += head[3] == 3
            most = max(most, proxy.listener.stats().buffered)
    assert most <= 8_000_000 + 2**17, "the piece that is too much is given up with its stream"
    assert psutil.Process().memory_info().rss - before < 64 * 2**20
    writer.transport.abort()
    upstream.stop()
