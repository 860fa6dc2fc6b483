"""HTTP/1.1 to an upstream: a connection is the upstream end of one exchange after another.

Owns: reading replies, when a connection may be used again. Not: choosing a connection, dialling (upstream).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from proxy.net.ends import BODY, HEAD, INTERIM, Caller, Failure, Piece, Rewrite
from proxy.net.http1 import heads
from proxy.net.http1.bodies import PADDED_SIZE, BadBody, Body, Rest, body
from proxy.net.http1.writer import Writer
from proxy.net.limits import STREAM_WINDOW
from proxy.net.tls import words
from proxy.net.turn import running_turn


class UpstreamConnection(asyncio.Protocol):
    """ends.UpstreamEnd"""

    transport: asyncio.Transport
    writer: Writer

    def __init__(
        self, name: str, rewrite: Rewrite | None, max_header_bytes: int, freed: Callable[[UpstreamConnection], None]
    ) -> None:
        """`freed` is called when an exchange ends and when the connection does."""
        self.name = name
        self.usable = True
        """For another exchange."""
        self.closed = False
        self.idle_since = 0.0
        self._rewrite = rewrite
        self._max_header_bytes = max_header_bytes
        self._freed = freed
        self._caller: Caller | None = None
        self._rest = b""
        self._body: Body | None = None
        self._bodiless = False
        self._sent = False
        self._sent_end = False
        self._reading_paused = False
        self._writing_paused = False
        self._pending = 0
        self._undrained = 0
        self._turn = running_turn()

    def take(self, caller: Caller) -> None:
        """From now on for this exchange."""
        self._caller = caller
        self._sent = self._sent_end = False

    # ends.UpstreamEnd

    def send(self, piece: Piece) -> int:
        wire = piece.wire
        if piece.kind is HEAD:
            self._bodiless = wire.startswith(b"HEAD ")
            wire = wire if self._rewrite is None else heads.rewritten(wire, self._rewrite)
        if piece.kind is HEAD and not piece.end:
            self.writer.hold(wire)
        else:
            self.writer.write(wire)
        self._sent, self._sent_end = True, piece.end
        if piece.kind is not BODY or not self._writing_paused:
            return len(piece.wire) if piece.kind is BODY else 0
        self._undrained += len(piece.wire)
        return 0

    def grant(self, size: int) -> None:
        self._pending -= size
        self._throttle()

    def reset(self) -> None:
        if self._caller is not None:
            self._caller = None
            self.usable = False
            self.transport.abort()

    @property
    def flushed(self) -> bool:
        return True

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self.writer = Writer(self.transport)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        size, self._undrained = self._undrained, 0
        if size and self._caller is not None:
            self._caller.request_drained(size)

    def data_received(self, data: bytes) -> None:
        self._turn.begin()
        try:
            self._read(data)
        finally:
            self._turn.end()

    def _read(self, data: bytes) -> None:
        self._rest = self._rest + data if self._rest else data
        try:
            while self._rest and self._caller is not None and self._step(self._caller):
                pass
        except (heads.BadHead, BadBody) as error:
            self._break(f"{self.name} sent a broken reply: {error}")
        if self._rest and self._caller is None:  # nobody asked for it
            self.usable = False
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.usable = False
        if isinstance(self._body, Rest) and error is None and (caller := self._caller) is not None:
            self._end(caller, Piece(BODY, b"", b"", True))
        else:
            self._break(f"the connection to {self.name} broke: {words(error) if error else 'it was closed'}")
        self._freed(self)

    # reading

    def _step(self, caller: Caller) -> bool:
        return self._read_head(caller) if self._body is None else self._read_body(caller, self._body)

    def _read_head(self, caller: Caller) -> bool:
        end = self._rest.find(heads.END)
        if (end if end >= 0 else len(self._rest)) > self._max_header_bytes:
            raise heads.BadHead(502, "its head is too large")
        if end < 0:
            return False
        size = end + len(heads.END)
        reply = heads.reply(self._rest[:size], bodiless=self._bodiless)
        self._rest = self._rest[size:]
        if reply.status < 200:
            caller.reply(Piece(INTERIM, reply.wire, b"", False))
            return True
        self.usable = reply.keep_alive
        self._body = body(reply.body, trailer_limit=self._max_header_bytes, size_line=PADDED_SIZE) if reply.body else None
        self._pass(caller, Piece(HEAD, reply.wire, b"", not reply.body))
        return True

    def _read_body(self, caller: Caller, reader: Body) -> bool:
        part = reader.read(self._rest)
        if not part.used:
            return False
        wire, self._rest = self._rest[: part.used], self._rest[part.used :]
        self._pending += part.used
        self._throttle()
        self._pass(caller, Piece(BODY, wire, part.content, part.end))
        return True

    def _pass(self, caller: Caller, piece: Piece) -> None:
        if piece.end:
            self._end(caller, piece)
        else:
            caller.reply(piece)

    def _end(self, caller: Caller, piece: Piece) -> None:
        """Free before the last piece is delivered, which may at once bring the client's next request."""
        self._caller = self._body = None
        self._pending = self._undrained = 0
        self.usable = self.usable and self._sent_end and not self._rest
        self._throttle()
        if not self.usable:
            self.transport.abort()
        elif not self.closed:
            self._freed(self)
        caller.reply(piece)

    def _throttle(self) -> None:
        full = self._pending > STREAM_WINDOW
        if full != self._reading_paused and not self.closed:
            self._reading_paused = full
            if full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _break(self, text: str) -> None:
        self.usable = False
        caller, self._caller = self._caller, None
        self.transport.abort()
        if caller is not None:
            caller.failed(Failure(text, untaken=not self._sent))
