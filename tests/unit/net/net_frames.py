"""Peers of HTTP/2 that read and write nothing but frames, fast enough for a hundred thousand streams."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from proxy.net.http2.fields import encode

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
HEAD: Final = encode([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")])
REPLY: Final = encode([(b":status", b"200")])
NUMBER: Final = b"\0\1n\x08%08d"
"""A field with a request's number, the last of each block."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream_id.to_bytes(4) + payload


class Frames(asyncio.Protocol):
    """Subclasses say what a frame means; what `out` holds is written after each read."""

    transport: asyncio.Transport
    skip = 0
    """Bytes before the first frame."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at, self.skip = self.skip, max(0, self.skip - len(data))
        while len(data) - at >= 9 and len(data) - at - 9 >= (size := int.from_bytes(data[at : at + 3])):
            head, at = at, at + 9 + size
            kind, flags = data[head + 3], data[head + 4]
            self.frame(kind, flags, int.from_bytes(data[head + 5 : head + 9]), data[head + 9 : at])
        self._rest = data[at:]
        self.flush()

    def flush(self) -> None:
        out, self.out = self.out, []
        if out and not self.transport.is_closing():
            self.transport.write(b"".join(out))


class Server(Frames):
    """Answers each request with its number. With `most`: says GOAWAY at so many streams, and answers none above."""

    skip = len(PREFACE)
    made: list[Server]

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.answered = 0
        self._most = most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.out.append(frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0))
        self.flush()

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind != HEADERS or (self._most is not None and self.answered >= self._most):
            return
        self.answered += 1
        self.out.append(frame(HEADERS, 5, stream_id, REPLY + payload[-12:]))
        if self.answered == self._most:
            self.out.append(frame(GOAWAY, 0, 0, stream_id.to_bytes(4) + bytes(4)))


class Client(Frames):
    """Asks `count` times, with `open_streams` at a time; `wrong` are the numbers that got something else than their own."""

    def __init__(self, count: int, open_streams: int) -> None:
        super().__init__()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = 0
        self.wrong: list[int] = []
        self._count = count
        self._open = open_streams
        self._asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.out.append(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0))
        for _ in range(min(self._open, self._count)):
            self._ask()
        self.flush()

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind not in (HEADERS, RST_STREAM):
            return
        self.answered += 1
        if payload[-12:] != NUMBER % (stream_id // 2):
            self.wrong.append(stream_id // 2)
        if self._asked < self._count:
            self._ask()
        elif self.answered == self._count:
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError(f"ended after {self.answered}"))

    def _ask(self) -> None:
        number, self._asked = self._asked, self._asked + 1
        self.out.append(frame(HEADERS, 5, 2 * number + 1, HEAD + NUMBER % number))
