"""One index's port: HTTP/1.1 and HTTP/2 on it, told apart by a connection's first bytes, and passed on to a server of each.

Owns: the port, the two servers behind it. Not: what they answer (rest, grpc_server).
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from aiohttp import web

from proxy.errors import Unavailable
from proxy.local.pinecone import grpc_server, rest
from proxy.local.pinecone.config import STOP_SECONDS, LocalPineconeConfig
from proxy.local.pinecone.records import Records

_PREFACE: Final = b"PRI * HTTP/2.0"
_CHUNK: Final = 2**18
_PORTS: Final = 200
"""Tried, from the first on, until one is free."""


class DataPort:
    """`await DataPort(records, config).start()`; then `port`."""

    def __init__(self, records: Records, config: LocalPineconeConfig) -> None:
        self.port = 0
        self._records = records
        self._config = config
        self._open = AsyncExitStack()
        self._streams: set[asyncio.StreamWriter] = set()

    async def start(self) -> Self:
        folder = Path(self._open.enter_context(TemporaryDirectory(prefix="pinecone-")))
        key = self._config.api_key
        runner = web.AppRunner(rest.application(self._records, key), access_log=None)
        await runner.setup()
        self._open.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, str(folder / "rest")).start()
        behind = grpc_server.server(self._records, key, f"unix:{folder / 'grpc'}")
        await behind.start()
        self._open.push_async_callback(behind.stop, STOP_SECONDS)
        server = await self._listen(folder)
        self._open.push_async_callback(self._leave, server)
        self.port = int(server.sockets[0].getsockname()[1])
        return self

    async def close(self) -> None:
        await self._open.aclose()

    async def _listen(self, folder: Path) -> asyncio.Server:
        first = self._config.data_port

        async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(folder, reader, writer)

        for port in range(first, first + _PORTS):
            try:
                return await asyncio.start_server(joined, self._config.host, port, limit=_CHUNK)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise Unavailable(f"cannot listen on {self._config.host}:{port}: {error.strerror}") from error
        raise Unavailable(f"no port is free from {first} to {first + _PORTS - 1}")

    async def _leave(self, server: asyncio.Server) -> None:
        server.close()
        for writer in list(self._streams):
            writer.transport.abort()

    async def _serve(self, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._streams.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                first = await reader.read(_CHUNK)
                while len(first) < len(_PREFACE) and _PREFACE.startswith(first) and first:
                    first += await reader.readexactly(1)
                name = "grpc" if first.startswith(_PREFACE) else "rest"
                behind_reader, behind = await asyncio.open_unix_connection(str(folder / name), limit=_CHUNK)
                behind.write(first)
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(_pass(reader, behind))
                    ways.create_task(_pass(behind_reader, writer))
        finally:
            self._streams.discard(writer)
            writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
