"""A relay in memory: its client's connection and its upstream's are fed bytes, without a socket.

Owns: transports that write down, one exchange after another or many at once. Not: what is fed (the tests).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final, TypeVar

from proxy.config import RelayConfig, TlsConfig
from proxy.net.ends import Caller, Kind, Piece, Version
from proxy.net.exchange import Exchange, Surroundings
from proxy.net.http2.outbound import UpstreamConnection as Http2Upstream
from proxy.net.limits import Budget
from proxy.net.owned import Owned
from proxy.net.upstream import Upstream
from proxy.ports import RelayTo

T = TypeVar("T")
RELAY: Final = RelayConfig(max_header_bytes=4096)
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LOOP: Final = asyncio.new_event_loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """In a loop that all examples share: making one costs more than most of them."""
    return LOOP.run_until_complete(work)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.aborted = False

    def write(self, wire: Any) -> None:
        assert not self.closed or self.aborted, "written after the end"
        self.written += wire

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def taken(self) -> bytes:
        """What was written since the last time."""
        written = bytes(self.written)
        self.written.clear()
        return written


class Recorded:
    """An upstream's end of HTTP/1.1 that answers each whole request."""

    flushed = True

    def __init__(self, caller: Caller) -> None:
        self.wire = b""
        self.whole = False
        self.given_up = False
        self._caller = caller

    def send(self, piece: Piece) -> int:
        self.wire += piece.wire
        if piece.end:
            self.whole = True
            asyncio.get_running_loop().call_soon(self._answer)
        return len(piece.wire) if piece.kind is Kind.BODY else 0

    def _answer(self) -> None:
        if self.given_up:
            return
        head, body = OK[:-2], OK[-2:]
        self._caller.reply(Piece(Kind.HEAD, head, b"", False))
        self._caller.reply(Piece(Kind.BODY, body, body, True))

    def grant(self, size: int) -> None: ...

    def reset(self) -> None:
        self.given_up = True


class Http1Side(Upstream):
    """Its requests, as the bytes that were sent on."""

    def __init__(self) -> None:
        super().__init__("source", "http://127.0.0.1:1", TlsConfig(), RELAY)
        self.connections = {Version.HTTP1: self}
        self.ends: list[Recorded] = []

    def open(self, caller: Caller) -> None:
        self.ends.append(Recorded(caller))
        caller.attached(self.ends[-1])

    def leave(self, caller: Caller) -> None: ...

    @property
    def forwarded(self) -> list[bytes]:
        return [end.wire for end in self.ends if end.whole]


class Http2Side(Upstream):
    """One connection to an upstream of HTTP/2, whose bytes the test carries."""

    def __init__(self) -> None:
        super().__init__("source", "http://127.0.0.1:1", TlsConfig(), RELAY)
        self.connection = Http2Upstream("source", None, 2**16, lambda connection: None)
        self.connection.connection_made(Transport())
        self.connections = {Version.HTTP2: self}

    def open(self, caller: Caller) -> None:
        caller.attached(self.connection.open(caller))

    def leave(self, caller: Caller) -> None: ...


def surroundings(budget: Budget | None = None) -> Surroundings:
    return Surroundings(RELAY, budget or Budget(2**22), Owned(), 2**20)


class Begin:
    """Relays every exchange to one side."""

    def __init__(self, side: Upstream) -> None:
        self._to = RelayTo(side)
        self.exchanges: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        if exchange.admitted():
            exchange.relay(self._to)


def portions(wire: bytes, sizes: Iterable[int]) -> list[bytes]:
    """The bytes in pieces of these sizes, then the rest."""
    found, at = [], 0
    for size in sizes:
        found.append(wire[at : at + size])
        at += size
    return [part for part in (*found, wire[at:]) if part]
