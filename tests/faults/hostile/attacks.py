"""What hostile clients send, over raw sockets; each attack returns how the other side ended it.

Owns: bytes on the wire. Not: what the sidecar should say to them (the tests).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

from proxy.net.http2.fields import encode
from proxy.net.limits import FLOODS, Flood

Attack: TypeAlias = Callable[[int], Awaitable[object]]
"""Of a port."""

ROUNDS: Final = 10
"""Connections of one attack, one after the other."""
PATIENCE: Final = 60.0
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GOAWAY: Final = 7
HEAD: Final = encode([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/x"), (b":authority", b"x")])


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream_id.to_bytes(4) + payload


HELLO: Final = PREFACE + frame(4, 0, 0)


def large_head(stream_id: int, size: int) -> bytes:
    """A head of about that many bytes, like no other stream's, in as many frames as it needs."""
    block = HEAD + encode([(b"x-large", (b"%08d" % stream_id) * (size // 8))])
    parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    rest = [frame(9, 4 * (part is parts[-1]), stream_id, part) for part in parts[1:]]
    return b"".join([frame(1, 0, stream_id, parts[0]), *rest])


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, wire: bytes) -> None:
        """As much as is taken; an attacker does not care for the rest."""
        with suppress(ConnectionError):
            self._writer.write(wire)
            await self._writer.drain()

    async def told(self) -> bytes:
        """All that comes until the other side ends the connection."""
        seen = b""
        with suppress(ConnectionError):
            while more := await self._reader.read(2**16):
                seen += more
        return seen

    async def goaway(self) -> int:
        """The code with which it ends."""
        while True:
            head = await self._reader.readexactly(9)
            payload = await self._reader.readexactly(int.from_bytes(head[:3]))
            if head[3] == GOAWAY:
                return int.from_bytes(payload[4:8])

    async def trickle(self, wire: bytes, byte: bytes, pause: float) -> float:
        """Seconds until the other side ended it."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await self.send(wire)
        ended = asyncio.ensure_future(self.told())
        while not (await asyncio.wait([ended], timeout=pause))[0]:
            await self.send(byte)
        return loop.time() - begun


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            yield Connection(reader, writer)
    finally:
        writer.transport.abort()


def flood(wire: bytes) -> Attack:
    """The codes of the GOAWAYs that it gets."""

    async def attack(port: int) -> set[int]:
        return {await _ended_by(port, HELLO + wire) for _ in range(ROUNDS)}

    return attack


async def _ended_by(port: int, wire: bytes) -> int:
    async with connected(port) as connection:
        await connection.send(wire)
        return await connection.goaway()


def refused(*wires: bytes) -> Attack:
    """The status lines; every connection must be ended, and no second reply may come on it."""

    async def attack(port: int) -> set[bytes]:
        return {await _status(port, wire) for wire in wires}

    return attack


async def _status(port: int, wire: bytes) -> bytes:
    async with connected(port) as connection:
        await connection.send(wire)
        said = await connection.told()
        return said.split(b" ")[1] if said.count(b"HTTP/1.1 ") == 1 else said


def slow(wire: bytes, byte: bytes, clients: int) -> Attack:
    """The seconds that the first and the last of so many were borne."""

    async def one(port: int) -> float:
        async with connected(port) as connection:
            return await connection.trickle(wire, byte, 1.0)

    async def attack(port: int) -> tuple[float, float]:
        seconds = await asyncio.gather(*(one(port) for _ in range(clients)))
        return min(seconds), max(seconds)

    return attack


async def endless_body(port: int) -> bytes:
    """Chunks without an end: the status when somebody has had enough."""
    chunk = b"10000\r\n" + bytes(2**16) + b"\r\n"
    async with connected(port) as connection:
        await connection.send(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        told = asyncio.ensure_future(connection.told())
        while not told.done():
            await connection.send(chunk)
        return told.result().split(b" ")[1] if told.result() else b""


async def unread_answers(port: int) -> str:
    """Requests without end on connections that never read."""
    async with connected(port) as http1, connected(port) as http2:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while True:
                    await http1.send(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        await http2.send(HELLO + b"".join(frame(1, 5, 1 + 2 * number, HEAD) for number in range(900)))
    return "left"


async def many_large_heads(port: int) -> str:
    """Streams that are opened with the largest heads and never go on."""
    async with connected(port) as one, connected(port) as other:
        for connection in (one, other):
            await connection.send(HELLO)
        for number in range(300):
            for connection in (one, other):
                await connection.send(large_head(1 + 2 * number, 60_000))
        await asyncio.sleep(1)
    return "left"


EXPANDING: Final = b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000
"""One large field for the peer's table; each byte that refers to it stands for 4 KB."""
SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
POST: Final = b"POST /x HTTP/1.1\r\nHost: x\r\n"

ATTACKS: Final[Mapping[str, Attack]] = {
    "PING flood": flood(frame(6, 0, 0, bytes(8)) * (FLOODS[Flood.PING] + 2)),
    "SETTINGS flood": flood(frame(4, 0, 0) * (FLOODS[Flood.SETTINGS] + 2)),
    "empty DATA flood": flood(frame(1, 4, 1, HEAD) + frame(0, 0, 1) * (FLOODS[Flood.EMPTY] + 2)),
    "PRIORITY flood": flood(frame(2, 0, 5, bytes(5)) * (FLOODS[Flood.IDLE] + 2)),
    "rapid reset": flood(
        b"".join(frame(1, 4, 1 + 2 * n, HEAD) + frame(3, 0, 1 + 2 * n, bytes(4)) for n in range(FLOODS[Flood.RESET] + 2))
    ),
    "resets that we are made to send": flood(
        b"".join(frame(1, 4, 1 + 2 * n, HEAD) + frame(8, 0, 1 + 2 * n, bytes(4)) for n in range(FLOODS[Flood.RESET] + 2))
    ),
    "CONTINUATION flood": flood(frame(1, 0, 1, HEAD) + frame(9, 0, 1) * 100_000),
    "header bomb": flood(frame(1, 4, 1, HEAD + EXPANDING + b"\xbe" * 10_000)),
    "giant head in HTTP/2": flood(large_head(1, 500_000)),
    "giant frame": flood(frame(0, 0, 1, bytes(2**20))),
    "giant head": refused(b"GET /x HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 500_000, b"GET /" + b"y" * 500_000),
    "two lengths": refused(POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + SMUGGLED),
    "a length and a coding": refused(POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    "a coding in disguise": refused(
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    ),
    "another coding": refused(POST + b"Transfer-Encoding: identity\r\n\r\n" + SMUGGLED),
    "a length that is none": refused(
        POST + b"Content-Length: +5\r\n\r\nabcde" + SMUGGLED, POST + b"Content-Length: 5, 5\r\n\r\nabcde" + SMUGGLED
    ),
    "slow heads": slow(b"GET /x HTTP/1.1\r\nX: ", b"y", 200),
    "slow heads in HTTP/2": slow(HELLO + frame(1, 0, 1, HEAD)[:-2], b"", 200),
    "no SETTINGS": slow(PREFACE, b"", 100),
    "endless body": endless_body,
    "unread answers": unread_answers,
    "many large heads": many_large_heads,
}
