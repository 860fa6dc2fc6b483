"""Raw sockets of HTTP/1.1 on both sides of the relay: a client that sends what it likes, a server that plays a script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from net_ports import Port

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server(Port):
    """Plays a script on each connection, and writes down the heads it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.script: Script = self.answer_ok
        self.heads: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self.script(reader, writer)

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head

    async def answer_ok(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await self.head(reader)
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
            await reader.readexactly(length)
            writer.write(OK)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, wire: bytes) -> None:
        self.writer.write(wire)

    async def receive(self, wire: bytes) -> None:
        async with asyncio.timeout(5):
            assert await self.reader.readexactly(len(wire)) == wire

    async def receive_head(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.read()
