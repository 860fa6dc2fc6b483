"""Hostile peers: each costs its own connection, and no more memory than a limit allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import h2.events
import psutil
import pytest
from net_frames import PREFACE, frame
from net_h2_peers import Peer, Upstream

from proxy.net.http2.fields import encode
from proxy.net.limits import FLOODS, Budget, Flood
from proxy.ports import Reply, Request

HEAD = encode([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x")])
CALM, PROTOCOL, FLOW, SIZE, CLOSED, COMPRESSION = 11, 1, 3, 6, 5, 9


class Seen(NamedTuple):
    kind: int
    stream_id: int
    payload: bytes


class Raw:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def until(self, kind: int) -> Seen:
        while (seen := await self.next()).kind != kind:
            pass
        return seen

    async def next(self) -> Seen:
        async with asyncio.timeout(5):
            head = await self.reader.readexactly(9)
            return Seen(head[3], int.from_bytes(head[5:]), await self.reader.readexactly(int.from_bytes(head[:3])))

    async def goaway_code(self) -> int:
        return int.from_bytes((await self.until(7)).payload[4:8])

    async def reset_code(self, stream_id: int) -> int:
        while (seen := await self.until(3)).stream_id != stream_id:
            pass
        return int.from_bytes(seen.payload)


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def proxy(server, start):
    return await start(server.url, max_streams=50)


@pytest.fixture
async def raw(proxy) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(PREFACE + frame(4, 0, 0))
    yield Raw(reader, writer)
    writer.transport.abort()


FLOODING = {
    Flood.PING: frame(6, 0, 0, bytes(8)),
    Flood.SETTINGS: frame(4, 0, 0),
    Flood.EMPTY: frame(0, 0, 1),
    Flood.IDLE: frame(2, 0, 5, bytes(5)),
}


@pytest.mark.parametrize("flood", FLOODING)
async def test_a_flood_of_cheap_frames_ends_its_connection(raw, flood):
    raw.writer.write(frame(1, 4, 1, HEAD) + FLOODING[flood] * (FLOODS[flood] + 2))
    assert await raw.goaway_code() == CALM


async def test_rapid_resets_end_their_connection(raw):
    count = FLOODS[Flood.RESET] + 2
    raw.writer.write(b"".join(frame(1, 4, 1 + 2 * n, HEAD) + frame(3, 0, 1 + 2 * n, bytes(4)) for n in range(count)))
    assert await raw.goaway_code() == CALM


async def test_a_head_in_endless_frames_ends_its_connection(raw):
    raw.writer.write(frame(1, 0, 1, HEAD) + frame(9, 0, 1, b"") * 100)
    assert await raw.goaway_code() == CALM


async def test_a_head_that_is_too_large_ends_its_connection(raw):
    raw.writer.write(frame(1, 0, 1, HEAD) + frame(9, 0, 1, b"\0\1a\x7f\xff\x00" + b"x" * 16_000) * 5)
    assert await raw.goaway_code() == CALM


async def test_a_small_block_that_expands_is_no_bomb(raw):
    insert = b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000  # one large field in the table, then many references to it
    raw.writer.write(frame(1, 4, 1, HEAD + insert + b"\xbe" * 1000))
    assert await raw.goaway_code() == CALM


async def test_streams_above_the_limit_are_refused(raw, server):
    server.on = lambda peer, event: None
    raw.writer.write(b"".join(frame(1, 4, 1 + 2 * n, HEAD) for n in range(51)))
    assert await raw.reset_code(101) == 7


async def test_one_client_that_floods_leaves_the_others_alone(raw, proxy, server):
    peer = Peer(*await asyncio.open_connection(proxy.host, proxy.port), client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        raw.writer.write(frame(1, 4, 1, HEAD + b"\xff\xff\xff\xff\xff\xff\xff"))
        assert await raw.goaway_code() == COMPRESSION
        peer.request(1, b"fine")
        await peer.first(h2.events.StreamEnded, 1)
        peer.writer.transport.abort()
    assert peer.body(1) == b"fine"
    assert len(server.peers) == 1


BREAKING = {
    "a body on no stream": (frame(0, 0, 0, b"x"), PROTOCOL),
    "a body on a stream never opened": (frame(0, 0, 9, b"x"), PROTOCOL),
    "a head on no stream": (frame(1, 4, 0, HEAD), PROTOCOL),
    "a head on an even stream": (frame(1, 4, 2, HEAD), PROTOCOL),
    "a frame inside a head": (frame(1, 0, 1, HEAD) + frame(6, 0, 0, bytes(8)), PROTOCOL),
    "a continuation of nothing": (frame(9, 4, 1, HEAD), PROTOCOL),
    "a promise": (frame(5, 4, 1, bytes(4)), PROTOCOL),
    "too large a frame": (frame(0, 0, 1, bytes(2**16 + 1)), SIZE),
    "settings of odd length": (frame(4, 0, 0, bytes(5)), SIZE),
    "settings of a stream": (frame(4, 0, 1), PROTOCOL),
    "an acknowledgement with content": (frame(4, 1, 0, bytes(6)), SIZE),
    "a window beyond its end": (frame(4, 0, 0, b"\0\4\xff\xff\xff\xff"), FLOW),
    "a frame size out of bounds": (frame(4, 0, 0, b"\0\5\0\0\0\1"), PROTOCOL),
    "push neither on nor off": (frame(4, 0, 0, b"\0\2\0\0\0\2"), PROTOCOL),
    "a window update of nothing": (frame(8, 0, 0, bytes(4)), PROTOCOL),
    "a window that overflows": (frame(8, 0, 0, b"\x7f\xff\xff\xff"), FLOW),
    "a short window update": (frame(8, 0, 0, bytes(3)), SIZE),
    "a ping of a stream": (frame(6, 0, 1, bytes(8)), PROTOCOL),
    "a short ping": (frame(6, 0, 0, bytes(7)), SIZE),
    "a reset of a stream never opened": (frame(3, 0, 9, bytes(4)), PROTOCOL),
    "a short reset": (frame(1, 4, 1, HEAD) + frame(3, 0, 1, bytes(3)), SIZE),
    "a short GOAWAY": (frame(7, 0, 0, bytes(7)), PROTOCOL),
    "padding longer than its frame": (frame(1, 4, 1, HEAD) + frame(0, 8, 1, b"\xff1"), PROTOCOL),
    "a reference to an empty table": (frame(1, 4, 1, HEAD + b"\xbe"), COMPRESSION),
    "a table larger than our settings allow": (frame(4, 1, 0) + frame(1, 4, 1, b"\x21" + HEAD), COMPRESSION),
    "such a table behind none": (frame(4, 1, 0) + frame(1, 4, 1, b"\x20\x3f\xe1\x1f" + HEAD), COMPRESSION),
    "a block cut short": (frame(1, 4, 1, HEAD + b"\0\5ab"), COMPRESSION),
    "a preface without settings": (b"", None),
}


@pytest.mark.parametrize(("wire", "code"), BREAKING.values(), ids=BREAKING)
async def test_a_broken_rule_ends_its_connection_with_the_standards_code(raw, wire, code):
    raw.writer.write(wire)
    if code is None:
        raw.writer.write(frame(6, 0, 0, bytes(8)))
        assert (await raw.until(6)).payload == bytes(8)
    else:
        assert await raw.goaway_code() == code


def block(*fields: tuple[bytes, bytes]) -> bytes:
    return encode(list(fields))


METHOD, SCHEME, PATH = (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")
MALFORMED = {
    "a name in upper case": block(METHOD, SCHEME, PATH, (b"X-Y", b"1")),
    "a line break in a value": block(METHOD, SCHEME, PATH, (b"x", b"1\r\ny: 2")),
    "a space before a value": block(METHOD, SCHEME, PATH, (b"x", b" 1")),
    "a field for one hop": block(METHOD, SCHEME, PATH, (b"connection", b"close")),
    "a coding": block(METHOD, SCHEME, PATH, (b"transfer-encoding", b"chunked")),
    "another te": block(METHOD, SCHEME, PATH, (b"te", b"gzip")),
    "no path": block(METHOD, SCHEME),
    "an empty path": block(METHOD, SCHEME, (b":path", b"")),
    "a blank in the path": block(METHOD, SCHEME, (b":path", b"/a b")),
    "a line break in the path": block(METHOD, SCHEME, (b":path", b"/a\r\nb: c")),
    "a fragment": block(METHOD, SCHEME, (b":path", b"/a#b")),
    "a star": block(METHOD, SCHEME, (b":path", b"*")),
    "a whole address": block(METHOD, SCHEME, (b":path", b"http://x/")),
    "a method that is no word": block((b":method", b"GET /x"), SCHEME, PATH),
    "a scheme that is no word": block(METHOD, (b":scheme", b"http://x"), PATH),
    "a user in the authority": block(METHOD, SCHEME, PATH, (b":authority", b"x@y")),
    "a path in the authority": block(METHOD, SCHEME, PATH, (b":authority", b"x/y")),
    "another host than the authority": block(METHOD, SCHEME, PATH, (b":authority", b"x"), (b"host", b"y")),
    "two hosts": block(METHOD, SCHEME, PATH, (b"host", b"x"), (b"host", b"y")),
    "the same host twice": block(METHOD, SCHEME, PATH, (b"host", b"x"), (b"host", b"x")),
    "two paths": block(METHOD, SCHEME, PATH, PATH),
    "a path after a field": block(METHOD, SCHEME, (b"x", b"1"), PATH),
    "a status in a request": block(METHOD, SCHEME, PATH, (b":status", b"200")),
    "a length with no body": block(METHOD, SCHEME, PATH, (b"content-length", b"5")),
    "two lengths": block(METHOD, SCHEME, PATH, (b"content-length", b"0"), (b"content-length", b"5")),
    "a length that is none": block(METHOD, SCHEME, PATH, (b"content-length", b"+5")),
}


@pytest.mark.parametrize("head", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_request_is_reset_and_reaches_nobody(raw, server, head):
    raw.writer.write(frame(1, 5, 1, head))
    assert await raw.reset_code(1) == PROTOCOL
    assert not any(peer.of(h2.events.RequestReceived) for peer in server.peers)


async def test_a_body_longer_than_declared_is_reset(raw):
    raw.writer.write(frame(1, 4, 1, HEAD + encode([(b"content-length", b"3")])) + frame(0, 0, 1, b"abcd"))
    assert await raw.reset_code(1) == PROTOCOL


async def test_more_than_the_window_is_reset(raw, proxy):
    proxy.handler.act = lambda exchange: None
    raw.writer.write(frame(1, 4, 1, HEAD) + frame(0, 0, 1, bytes(2**16)) * 17)
    assert await raw.reset_code(1) == FLOW


async def test_frames_after_the_end_are_reset(raw, proxy):
    proxy.handler.act = lambda exchange: None
    raw.writer.write(frame(1, 5, 1, HEAD) + frame(0, 0, 1, b"x"))
    assert await raw.reset_code(1) == CLOSED


async def test_bytes_beyond_the_budget_are_refused(server, start):
    proxy = await start(server.url, budget=Budget(100_000))
    proxy.handler.act = lambda exchange: None
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(PREFACE + frame(4, 0, 0) + frame(1, 4, 1, HEAD) + frame(0, 0, 1, bytes(60_000)) * 2)
    reply = await Raw(reader, writer).until(1)
    assert reply.stream_id == 1
    assert proxy.listener.stats().buffered == 0
    writer.transport.abort()


async def test_connections_above_the_limit_are_closed(server, start):
    proxy = await start(server.url, max_connections=2)
    writers = [(await asyncio.open_connection(proxy.host, proxy.port))[1] for _ in range(2)]
    await asyncio.sleep(0.05)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert proxy.listener.stats().refused == 1
    for open_writer in (*writers, writer):
        open_writer.transport.abort()


async def test_an_upstream_that_breaks_the_rules_is_left_and_told(server, start):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.raw(1, 4, 1, b"\xff\xff\xff\xff\xff\xff")

    server.on = on
    proxy = await start(server.url, bridge=0.2)
    peer = Peer(*await asyncio.open_connection(proxy.host, proxy.port), client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        peer.request(1, b"x")
        await peer.first(h2.events.StreamEnded, 1)
        peer.writer.transport.abort()
    assert dict(peer.of(h2.events.ResponseReceived, 1)[0].headers)[":status"] == "502"


async def test_a_body_in_frames_of_one_byte_costs_about_its_bytes(raw, proxy):
    proxy.handler.act = lambda exchange: None
    raw.writer.write(frame(1, 4, 1, HEAD) + frame(1, 4, 3, HEAD))
    before, count = psutil.Process().memory_info().rss, 200_000
    for _ in range(0, count, 1000):
        raw.writer.write((frame(0, 0, 1, b"x") + frame(0, 0, 3, b"y")) * 1000)
        await raw.writer.drain()
    async with asyncio.timeout(30):
        while proxy.listener.stats().buffered < 2 * count:  # noqa: ASYNC110  nobody rings a bell
            await asyncio.sleep(0.01)
    grown = psutil.Process().memory_info().rss - before
    assert grown < 15 * 2**20


async def test_small_frames_keep_their_order_before_large_ones_and_trailers(raw, server):
    parts = [b"a", b"b", b"L" * 5000, b"c", b"d", b"e"]
    bodies = b"".join(frame(0, 0, stream, part) for part in parts for stream in (1, 3))
    raw.writer.write(frame(1, 4, 1, HEAD) + frame(1, 4, 3, HEAD) + bodies)
    raw.writer.write(frame(1, 5, 1, encode([(b"x", b"y")])) + frame(0, 1, 3, b"f"))
    await asyncio.wait_for(server.came.wait(), 5)
    await server.peers[0].until(lambda: len(server.peers[0].of(h2.events.StreamEnded)) == 2)
    assert server.peers[0].body(1) == b"".join(parts)
    assert server.peers[0].body(3) == b"".join(parts) + b"f"


async def test_settings_are_acknowledged_before_what_they_set_free(proxy, raw) -> None:
    """RFC 9113, 6.5.3: immediately. A client that waits for the acknowledgement need not look at what came before it."""

    async def answer(request: Request) -> Reply:
        return Reply(200, (), b"answer")

    proxy.handler.act = lambda exchange: exchange.serve(answer)
    raw.writer.write(frame(4, 0, 0, b"\0\4\0\0\0\0") + frame(1, 5, 1, HEAD))
    assert (await raw.until(1)).stream_id == 1
    raw.writer.write(frame(4, 0, 0, b"\0\4\0\0\0\1"))
    kinds = [(await raw.next()).kind for _ in range(2)]
    assert kinds == [4, 0]
