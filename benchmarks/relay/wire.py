"""The client's side of both protocols, as little of it as calls over and over need; every reply is checked for its size.

Owns: requests as bytes, where a reply ends. Not: when calls begin and what they took (generator).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from benchmarks.relay.bodies import Call, header_block
from proxy.net.http2 import frames
from proxy.net.http2.frames import HEADER_SIZE, Setting, read_header

_AUTHORITY: Final = "bench"
_REFILL: Final = 2**30
"""Bytes of replies after which the connection's window is opened again."""
_CLOSED: Final = "the connection was closed"


class Connection(Protocol):
    """`call` says when its reply is whole; `failed` is what ends the run."""

    def call(self, number: int, done: Callable[[], None]) -> None: ...

    def close(self) -> None: ...


Failed = Callable[[str], None]


class Http1(asyncio.Protocol):
    """One call at a time."""

    def __init__(self, call: Call, failed: Failed) -> None:
        self._requests = [_http1_head(call, body) + body for body in call.bodies]
        self._reply = call.reply
        self._failed = failed
        self._head = b""
        self._missing = 0
        self._done: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._failed(str(error) if error else _CLOSED)

    def call(self, number: int, done: Callable[[], None]) -> None:
        self._done, self._missing = done, -1
        self._transport.write(self._requests[number % len(self._requests)])

    def close(self) -> None:
        self._failed = _ignore
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            data = self._head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._head = b""
            self._check(data[:end])
            self._missing = self._reply + end + 4
        self._missing -= len(data)
        if self._missing == 0 and self._done is not None:
            self._done()

    def _check(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 200") or b"content-length: %d\r\n" % self._reply not in head.lower() + b"\r\n":
            self._failed(f"a reply begins so: {head[:300].decode(errors='replace')}")


def _http1_head(call: Call, body: bytes) -> bytes:
    lines = [f"POST {call.path} HTTP/1.1", f"host: {_AUTHORITY}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(slots=True)
class _Sending:
    """A body of which some waits for the peer's windows."""

    stream: int
    rest: memoryview
    window: int


class Http2(asyncio.Protocol):
    """Any number of calls at a time."""

    def __init__(self, call: Call, failed: Failed) -> None:
        self._block = header_block(call, _AUTHORITY)
        self._bodies = call.bodies
        self._reply = call.reply
        self._failed = failed
        self._stream = -1
        self._calls: dict[int, Callable[[], None]] = {}
        self._missing: dict[int, int] = {}
        self._sending: deque[_Sending] = deque()
        self._window = self._initial = 65_535
        self._max_frame = 16_384
        self._received = 0
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        values = {Setting.HEADER_TABLE_SIZE: 0, Setting.ENABLE_PUSH: 0, Setting.INITIAL_WINDOW_SIZE: frames.MAX_WINDOW}
        self._transport.write(frames.PREFACE + frames.settings(values) + frames.window_update(0, _REFILL))

    def connection_lost(self, error: Exception | None) -> None:
        self._failed(str(error) if error else _CLOSED)

    def call(self, number: int, done: Callable[[], None]) -> None:
        self._stream = stream = self._stream + 2
        body = self._bodies[number % len(self._bodies)]
        self._calls[stream] = done
        self._missing[stream] = self._reply
        self._transport.write(frames.header_block(stream, self._block, 0, self._max_frame))
        self._sending.append(_Sending(stream, memoryview(body), self._initial))
        self._pump()

    def close(self) -> None:
        self._failed = _ignore
        self._transport.close()

    def _pump(self) -> None:
        for sending in [*self._sending]:
            while (size := min(len(sending.rest), self._window, sending.window, self._max_frame)) > 0:
                last = size == len(sending.rest)
                header = frames.header(frames.DATA, frames.END_STREAM if last else 0, sending.stream, size)
                self._transport.write(header + sending.rest[:size])
                sending.rest = sending.rest[size:]
                sending.window -= size
                self._window -= size
            if not sending.rest:
                self._sending.remove(sending)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at = 0
        while len(data) - at >= HEADER_SIZE:
            kind, flags, stream, length = read_header(data, at)
            end = at + HEADER_SIZE + length
            if end > len(data):
                break
            self._frame(kind, flags, stream, data, at + HEADER_SIZE, end)
            at = end
        self._rest = data[at:]

    def _frame(self, kind: int, flags: int, stream: int, data: bytes, start: int, end: int) -> None:
        if kind == frames.DATA:
            self._missing[stream] -= end - start
            self._refill(end - start)
        elif kind not in (frames.HEADERS, frames.CONTINUATION):
            self._control(kind, flags, stream, data[start:end])
            return
        if flags & frames.END_STREAM:
            self._ended(stream)

    def _ended(self, stream: int) -> None:
        done = self._calls.pop(stream)
        if missing := self._missing.pop(stream):
            self._failed(f"a reply has {self._reply - missing} bytes instead of {self._reply}")
        done()

    def _refill(self, size: int) -> None:
        self._received += size
        if self._received >= _REFILL // 2:
            self._transport.write(frames.window_update(0, self._received))
            self._received = 0

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        match kind:
            case frames.SETTINGS if not flags & frames.ACK:
                self._set(dict(frames.read_settings(payload)))
            case frames.PING if not flags & frames.ACK:
                self._transport.write(frames.frame(frames.PING, frames.ACK, 0, payload))
            case frames.WINDOW_UPDATE:
                self._widen(stream, int.from_bytes(payload))
            case frames.RST_STREAM | frames.GOAWAY:
                self._failed(f"the peer sent {'GOAWAY' if kind == frames.GOAWAY else 'RST_STREAM'} {payload!r}")
            case _:
                """Acknowledgements, and what changes nothing here."""

    def _set(self, values: dict[int, int]) -> None:
        initial = values.get(Setting.INITIAL_WINDOW_SIZE, self._initial)
        for sending in self._sending:
            sending.window += initial - self._initial
        self._initial = initial
        self._max_frame = values.get(Setting.MAX_FRAME_SIZE, self._max_frame)
        self._transport.write(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._pump()

    def _widen(self, stream: int, size: int) -> None:
        if stream == 0:
            self._window += size
        for sending in self._sending:
            if sending.stream == stream:
                sending.window += size
        self._pump()


def _ignore(text: str) -> None: ...


async def connected(call: Call, port: int, failed: Failed) -> Any:
    loop = asyncio.get_running_loop()
    kind = Http2 if call.grpc else Http1
    return (await loop.create_connection(lambda: kind(call, failed), "127.0.0.1", port))[1]
