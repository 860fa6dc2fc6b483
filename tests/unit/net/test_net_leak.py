"""Thousands of exchanges leave nothing behind: neither objects nor memory. The long form: `python -m benchmarks leak`."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import psutil
import pytest
from net_ports import Port

from proxy.net.http2 import frames

Work: TypeAlias = Callable[[int], Awaitable[None]]
"""Does so many exchanges."""
WARM, EXCHANGES = 2_000, 8_000
AT_ONCE = 50
OBJECTS = 200
"""Of all that the garbage collector knows; a leak of one for each exchange would be 8,000."""
MEMORY = 4 * 2**20
"""Bytes, for pages that the allocator keeps; a leak of 1 KiB for each exchange would be 8 MiB."""

REQUEST = b"POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 300\r\n\r\n" + b"x" * 300
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
POST = b"\x83\x86\x04\x04/t/e\x01\x01h\x0f\x10\x10application/grpc"
"""A block of headers: static fields and literals that are not indexed."""
OK = b"\x88"
SETTLED = frames.settings({}) + frames.frame(frames.SETTINGS, frames.ACK, 0) + frames.window_update(0, 2**30)


def whole(stream_id: int, block: bytes, body: bytes) -> bytes:
    head = frames.frame(frames.HEADERS, frames.END_HEADERS, stream_id, block)
    return head + frames.frame(frames.DATA, frames.END_STREAM, stream_id, body)


async def ended(reader: asyncio.StreamReader) -> int:
    """The id of the stream that ended next."""
    while True:
        head = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(head[:3]))
        if head[3] in (frames.HEADERS, frames.DATA) and head[4] & frames.END_STREAM:
            return int.from_bytes(head[5:])


class Http1Upstream(Port):
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readexactly(len(REQUEST))
            writer.write(REPLY)


class Http2Upstream(Port):
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(frames.PREFACE))
        writer.write(SETTLED)
        while True:
            stream_id = await ended(reader)
            writer.write(whole(stream_id, OK, b"ok"))


@asynccontextmanager
async def http1_work(proxy) -> AsyncIterator[Work]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

    async def work(count: int) -> None:
        for _ in range(count // AT_ONCE):
            writer.write(REQUEST * AT_ONCE)
            await reader.readexactly(len(REPLY) * AT_ONCE)

    yield work
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def http2_work(proxy) -> AsyncIterator[Work]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(frames.PREFACE + SETTLED)
    following = iter(range(1, 2**30, 2))

    async def work(count: int) -> None:
        for _ in range(count // AT_ONCE):
            ids = [next(following) for _ in range(AT_ONCE)]
            writer.writelines(whole(n, POST, b"x" * 300) for n in ids)
            for _ in ids:
                await ended(reader)

    yield work
    writer.close()
    await writer.wait_closed()


def counted() -> tuple[int, int]:
    gc.collect()
    return len(gc.get_objects()), psutil.Process(os.getpid()).memory_info().rss


WAYS = {"HTTP/1.1": (Http1Upstream, http1_work), "HTTP/2": (Http2Upstream, http2_work)}


@pytest.mark.parametrize(("kind", "opened"), WAYS.values(), ids=WAYS)
async def test_exchanges_leave_nothing_behind(start, kind, opened):
    upstream = kind()
    await upstream.start()
    proxy = await start(upstream.url)
    async with opened(proxy) as work:
        await work(WARM)
        proxy.handler.begun.clear()
        objects, memory = counted()
        for _ in range(EXCHANGES // WARM):
            await work(WARM)
            proxy.handler.begun.clear()  # the test's own notes
        more_objects, more_memory = counted()
    assert more_objects - objects < OBJECTS
    assert more_memory - memory < MEMORY
    upstream.stop()


async def test_the_count_sees_what_is_kept(start):
    """A guard over the test above: its own notes are kept here, one for each exchange."""
    upstream = Http1Upstream()
    await upstream.start()
    proxy = await start(upstream.url)
    async with http1_work(proxy) as work:
        before, _ = counted()
        await work(WARM)
        after, _ = counted()
    assert after - before >= WARM
    upstream.stop()
