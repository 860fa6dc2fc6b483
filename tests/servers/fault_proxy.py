"""A TCP relay before a server that can be told to fail, as networks do.

Owns: one listening port over all its moods, its thread. Not: what is said on the connections, what a mood is (moods).
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, Final, Self
from urllib.parse import urlsplit

from tests.servers.moods import CHUNK, PASS, Mood, Way

JOURNEY: Final = 64
"""Chunks that may be under way at a time, each way of a connection."""
NO_LINGER: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: a close becomes a reset."""


class _Over(Exception):
    """The connection has carried what it may."""


class FaultProxy:
    """`with FaultProxy(url) as proxy: ...`; `proxy.url` stands for the server."""

    def __init__(self, upstream: str, *, seed: int = 0) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname, parts.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._turned = asyncio.Event()
        self.chance = random.Random(seed)
        self.mood = PASS
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._turn(Mood(listens=False)))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def failing(self, mood: Mood) -> Iterator[None]:
        self._do(self._turn(mood))
        try:
            yield
        finally:
            self._do(self._turn(PASS))

    def reset(self) -> None:
        """All that is open now; the next connection is welcome."""
        self._do(self._reset())

    # ---- on its own loop ----

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _turn(self, mood: Mood) -> None:
        before, self.mood = self.mood, mood
        for connection in self._connections:
            connection.carried = dict.fromkeys(Way, 0)
        self._turned.set()
        self._turned = asyncio.Event()
        if not mood.listens and self._server is not None:
            self._server.close()
            self._server = None
        if not mood.listens or before.swallows:
            await self._reset()
        if mood.listens and self._server is None:
            await self._listen()

    async def turned(self) -> None:
        """When the mood changes."""
        await self._turned.wait()

    async def _reset(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.reset()
        await asyncio.gather(*(connection.task for connection in connections), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(self, task, writer)
        self._connections.add(connection)
        try:
            behind, to = await asyncio.open_connection(*self._upstream)
            connection.writers.append(to)
            await connection.carry({Way.UP: (reader, to), Way.DOWN: (behind, writer)})
        except* (OSError, _Over, asyncio.CancelledError):
            pass  # a connection that ends so is this proxy's trade
        finally:
            self._connections.discard(connection)
            for each in connection.writers:
                each.close()


class _Connection:
    def __init__(self, proxy: FaultProxy, task: asyncio.Task[None], client: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self.task = task
        self.writers = [client]
        self.carried = dict.fromkeys(Way, 0)

    def reset(self) -> None:
        self._abort()
        self.task.cancel()

    def _abort(self) -> None:
        for writer in self.writers:
            found: socket.socket = writer.get_extra_info("socket")
            if found.fileno() >= 0:  # the other side may have closed it in this moment
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()

    async def carry(self, ways: dict[Way, tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
        """Until both ways have ended."""
        async with asyncio.TaskGroup() as group:
            for way, (reader, writer) in ways.items():
                journey: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(JOURNEY)
                group.create_task(self._depart(way, reader, journey))
                group.create_task(self._arrive(way, journey, writer))

    async def _depart(self, way: Way, reader: asyncio.StreamReader, journey: asyncio.Queue[tuple[float, bytes]]) -> None:
        """Empty bytes: the end."""
        due, chunk = 0.0, b"-"
        while chunk:
            chunk = await reader.read(CHUNK)
            mood, now = self._proxy.mood, asyncio.get_running_loop().time()
            # What left later does not arrive earlier.
            due = max(due, now + mood.latency + self._proxy.chance.uniform(0, mood.jitter) + (0 if chunk else mood.linger))
            await journey.put((due, chunk))

    async def _arrive(self, way: Way, journey: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, chunk = await journey.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not chunk:
                writer.write_eof()
                return
            while chunk:
                chunk = await self._move(way, chunk, writer)

    async def _move(self, way: Way, chunk: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Some of it; what is left."""
        mood = self._proxy.mood
        if way in mood.stopped:
            await self._proxy.turned()
            return chunk
        if mood.swallows:
            return b""
        room = min((limit - self.carried[way] for which, limit in mood.limits if which is way), default=inf)
        piece = self._proxy.chance.randint(1, mood.piece) if mood.piece < CHUNK else CHUNK
        size = int(min(piece, room, len(chunk)))
        writer.write(chunk[:size])
        await writer.drain()
        self.carried[way] += size
        if size == room:
            await self._end(mood)
        await asyncio.sleep(size / mood.rate)
        return chunk[size:]

    async def _end(self, mood: Mood) -> None:
        if mood.resets:
            self._abort()
        else:
            _, server = self.writers
            server.write_eof()
            await asyncio.sleep(mood.linger)
        raise _Over
