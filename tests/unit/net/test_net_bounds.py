"""Clients that are slow on purpose, or ask for more than they read: what they hold is bounded, in time and in bytes."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from net_frames import PREFACE, frame
from net_h2_peers import Upstream

from proxy.net.ends import Rewrite
from proxy.net.http1 import heads
from proxy.net.http2 import fields
from proxy.net.http2.fields import encode
from proxy.net.limits import Budget
from proxy.ports import RelayTo, Reply, Request

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HEAD = encode([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x")])
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    server = Upstream()
    server.on = lambda peer, event: None
    await server.start()
    yield server
    server.stop()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ended_while_trickling(self, byte: bytes) -> None:
        """Returns when the relay has closed a connection that sends this byte again and again."""
        closed = asyncio.ensure_future(self._until_closed())
        async with asyncio.timeout(10):
            while not (await asyncio.wait([closed], timeout=0.02))[0]:
                self.writer.write(byte)

    async def _until_closed(self) -> None:
        with suppress(ConnectionError):
            while await self.reader.read(2**20):
                """What it says before."""


@pytest.fixture
async def connect() -> AsyncIterator[object]:
    clients: list[Client] = []

    async def connect(proxy) -> Client:
        clients.append(Client(*await asyncio.open_connection(proxy.host, proxy.port)))
        return clients[-1]

    yield connect
    for client in clients:
        client.writer.transport.abort()


@pytest.fixture
def hasty(set_limit) -> None:
    """Heads must come within a moment."""
    set_limit("proxy.net.http1.inbound.HEAD_TIMEOUT", 0.3)
    set_limit("proxy.net.http2.inbound.HEAD_TIMEOUT", 0.3)
    set_limit("proxy.net.listener._SWEEP", 0.05)


TRICKLES = {
    "a head of HTTP/1.1": (b"GET / HTTP/1.1\r\nX: ", b"y"),
    "a head behind an answered one": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET ", b"/"),
    "a connection without SETTINGS": (PREFACE, b"\0"),
    "a head in HTTP/2": (PREFACE + SETTINGS + frame(1, 0, 1, HEAD[:5])[:-2], b""),
    "a head without its end": (PREFACE + SETTINGS + frame(1, 0, 1, HEAD), b""),
}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("begun", "more"), TRICKLES.values(), ids=TRICKLES)
async def test_a_head_that_trickles_is_not_waited_for(server, start, connect, begun: bytes, more: bytes) -> None:
    proxy = await start(server.url)
    proxy.handler.act = lambda exchange: exchange.serve(_at_once)
    client = await connect(proxy)
    client.writer.write(begun)
    await client.ended_while_trickling(more)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "begun", [PREFACE + SETTINGS + frame(1, 4, 1, HEAD), b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"]
)
async def test_a_body_may_take_its_time(server, start, connect, begun: bytes) -> None:
    proxy = await start(server.url)
    proxy.handler.act = lambda exchange: None
    client = await connect(proxy)
    client.writer.write(begun)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.8):
            await client.ended_while_trickling(frame(0, 0, 1, b"x") if begun.startswith(b"PRI") else b"x")


async def test_answers_that_nobody_reads_stop_the_next_requests(server, start, connect) -> None:
    proxy = await start(server.url)
    answered = 0

    async def large(request: Request) -> Reply:
        nonlocal answered
        answered += 1
        return Reply(200, (), bytes(2**20))

    proxy.handler.act = lambda exchange: exchange.serve(large)
    client = await connect(proxy)
    client.writer.write(GET * 500)
    before = -1
    async with asyncio.timeout(30):
        while before != answered or not answered:
            before = answered
            await asyncio.sleep(0.2)
    assert answered < 50, "what the sockets hold, and one more"
    async with asyncio.timeout(20):
        for _ in range(500):
            await client.reader.readuntil(b"\r\n\r\n")
            await client.reader.readexactly(2**20)
    assert answered == 500


async def test_heads_are_counted_among_the_bytes_that_wait(server, start, connect) -> None:
    proxy = await start(server.url, budget=Budget(1_000_000), max_streams=100)
    proxy.handler.act = lambda exchange: None
    client = await connect(proxy)
    large = HEAD + encode([(b"x", b"y" * 50_000)])
    client.writer.write(PREFACE + SETTINGS)
    for number in range(30):
        block = [large[at : at + 16_000] for at in range(0, len(large), 16_000)]
        client.writer.write(frame(1, 0, 1 + 2 * number, block[0]))
        client.writer.write(b"".join(frame(9, 4 * (part is block[-1]), 1 + 2 * number, part) for part in block[1:]))
    refused = 0
    async with asyncio.timeout(30):
        while refused < 10:
            head = await client.reader.readexactly(9)
            payload = await client.reader.readexactly(int.from_bytes(head[:3]))
            refused += head[3] == 1 and b"503" in payload
    assert proxy.listener.stats().buffered <= 1_000_000
    client.writer.transport.abort()
    await _until_nothing_waits(proxy)


async def test_answers_of_ours_are_counted_until_they_are_read(server, start, connect) -> None:
    proxy = await start(server.url, budget=Budget(1_000_000))

    async def large(request: Request) -> Reply:
        return Reply(200, (), bytes(300_000))

    proxy.handler.act = lambda exchange: exchange.serve(large)
    client = await connect(proxy)
    client.writer.write(PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\0"))
    client.writer.write(b"".join(frame(1, 5, 1 + 2 * number, HEAD) for number in range(5)))
    seen = b""
    async with asyncio.timeout(30):
        while seen.count(b"503") < 2:
            seen += await client.reader.read(2**16)
    assert 900_000 <= proxy.listener.stats().buffered <= 1_000_000
    client.writer.transport.abort()
    await _until_nothing_waits(proxy)


async def test_a_small_answer_is_given_whatever_waits(server, start, connect) -> None:
    budget = Budget(1000)
    budget.take(900)
    proxy = await start(server.url, budget=budget)

    async def small(request: Request) -> Reply:
        return Reply(200, (), b"done" * 100)

    proxy.handler.act = lambda exchange: exchange.serve(small)
    client = await connect(proxy)
    client.writer.write(PREFACE + SETTINGS + frame(1, 5, 1, HEAD))
    async with asyncio.timeout(20):
        await client.reader.readuntil(b"done" * 100)


async def test_a_connection_that_we_end_does_not_wait_for_its_reader(server, start, connect, set_limit) -> None:
    set_limit("proxy.net.http2.connection.LINGER", 0.1)
    proxy = await start(server.url)

    async def large(request: Request) -> Reply:
        return Reply(200, (), bytes(2**25))

    proxy.handler.act = lambda exchange: exchange.serve(large)
    client = await connect(proxy)
    client.writer.transport.pause_reading()
    wide = frame(4, 0, 0, b"\0\4\x7f\xff\xff\xff") + frame(8, 0, 0, b"\x7f\xff\0\0")
    client.writer.write(PREFACE + wide + frame(1, 5, 1, HEAD))
    await _until(lambda: proxy.listener.stats().buffered > 2**24)
    client.writer.write(frame(6, 0, 1, bytes(8)))  # breaks a rule: the connection is ended
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(_write_on(client), 30)


async def _write_on(client: Client) -> None:
    while True:
        client.writer.write(bytes(2**16))
        await client.writer.drain()
        await asyncio.sleep(0.01)


LARGE = b"y" * 5000
REMEMBERING = {
    "a block": lambda: fields.walk(HEAD + fields.encode([(b"x", LARGE)])),
    "a head": lambda: fields.request_head(HEAD + fields.encode([(b"x", LARGE)])),
    "a head to another host": lambda: fields.rewritten(HEAD + fields.encode([(b"x", LARGE)]), Rewrite(b"host")),
    "a head of HTTP/1.1": lambda: heads.request(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + LARGE + b"\r\n\r\n"),
    "one to another host": lambda: heads.rewritten(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + LARGE + b"\r\n\r\n", Rewrite(b"y")),
    "a reply's": lambda: heads.reply(b"HTTP/1.1 200 OK\r\nX: " + LARGE + b"\r\n\r\n", bodiless=True),
    "a last reply's": lambda: heads.closing(b"HTTP/1.1 200 OK\r\nX: " + LARGE + b"\r\n\r\n"),
}


@pytest.mark.parametrize("read", REMEMBERING.values(), ids=REMEMBERING)
def test_caches_are_filled_with_nothing_large(read) -> None:
    for module in (fields, heads):
        for cache in _caches(module):
            cache.cache_clear()
    read()
    kept = [held for module in (fields, heads) for cache in _caches(module) for held in gc.get_referents(cache)]
    assert not any(LARGE in bytes(repr(held), "utf-8") for held in kept)


def _caches(module):
    return [found for found in vars(module).values() if hasattr(found, "cache_clear")]


async def _at_once(request: Request) -> Reply | RelayTo:
    return Reply(200, (), b"")


async def _until_nothing_waits(proxy) -> None:
    await _until(lambda: proxy.listener.stats().buffered == 0)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  for what nobody rings a bell for
            await asyncio.sleep(0.01)
