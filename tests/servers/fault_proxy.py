"""A TCP relay between the sidecar and a database that can be told to fail, as networks do.

Owns: one listening port over all its moods, its thread. Not: what is said on the connections.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import urlsplit

CHUNK: Final = 1 << 16
NO_LINGER: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: a close becomes a reset."""


class Mood(StrEnum):
    PASS = "pass"
    REFUSE = "refuse"
    """Nothing listens, and what was open is reset."""
    SILENT = "silent"
    """Connections stand, and not a byte moves."""


class FaultProxy:
    """`with FaultProxy(url) as proxy: ...`; `proxy.url` stands for the database."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname, parts.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        self._do(self._set_open(True))
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def failing(self, mood: Mood) -> Iterator[None]:
        self._do({Mood.REFUSE: self._refuse, Mood.SILENT: self._silence, Mood.PASS: self._pass}[mood]())
        try:
            yield
        finally:
            self._do(self._pass())

    def reset(self) -> None:
        """All that is open now; the next connection is welcome."""
        self._do(self._reset())

    # ---- on its own loop ----

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _pass(self) -> None:
        if self._server is None:
            await self._listen()
        await self._set_open(True)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _silence(self) -> None:
        await self._set_open(False)

    async def _set_open(self, is_open: bool) -> None:
        (self._open.set if is_open else self._open.clear)()

    async def _reset(self) -> None:
        for writer in [each for each in self._writers if not each.is_closing()]:
            found: socket.socket = writer.get_extra_info("socket")
            if found.fileno() >= 0:  # the other side may have closed it in this moment
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            behind, to = await asyncio.open_connection(*self._upstream)
            self._writers.add(to)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, to))
                group.create_task(self._copy(behind, writer))
        except* (OSError, asyncio.CancelledError):
            pass  # a connection that ends so is this proxy's trade
        finally:
            self._tasks.discard(task)
            self._close(writer)

    def _close(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            self._writers.discard(writer)
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self._open.wait()
            writer.write(chunk)
            await writer.drain()
        self._close(writer)
