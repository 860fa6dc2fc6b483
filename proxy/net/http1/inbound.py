"""HTTP/1.1 from clients: a connection is the client end of one exchange after another.

Owns: reading requests in their order, writing replies, when a connection ends. Not: heads and bodies as bytes (heads, bodies).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, cast

from proxy.net.ends import BODY, HEAD, INTERIM, Failure, Piece, Version
from proxy.net.exchange import OVER, Exchange, Surroundings, Way
from proxy.net.http1 import heads
from proxy.net.http1.bodies import SIZE, BadBody, Body, body
from proxy.net.http1.writer import Writer
from proxy.net.limits import HEAD_TIMEOUT, LINGER, STREAM_WINDOW, UNREAD_REPLY
from proxy.net.turn import running_turn
from proxy.ports import Reply

_PIPELINED: Final = 2**16
"""Bytes of further requests that are read while one is answered."""
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")


class ClientConnection(asyncio.Protocol):
    """ends.ClientEnd"""

    version = Version.HTTP1
    transport: asyncio.Transport
    writer: Writer

    def __init__(
        self, begin: Callable[[Exchange], None], around: Surroundings, ended: Callable[[ClientConnection], None]
    ) -> None:
        self.received = 0
        self.draining = False
        self._begin = begin
        self._around = around
        self._ended = ended
        self._max_header_bytes = around.relay.max_header_bytes
        self._rest = b""
        self._exchange: Way = OVER
        self._request: heads.Request | None = None  # of the exchange under way
        self._body: Body | None = None  # of a request that is still coming
        self._pending = 0  # body bytes read and not yet gone on
        self._undrained = 0  # body bytes of the reply that the socket did not take at once
        self._writing_paused = False
        self._reading_paused = False
        self._advancing = False
        self._last = False  # the connection ends with the present reply
        self._half_closed = False
        self._since: float | None = None  # for how long nothing has happened, as sweep sees it
        self._lingering: float | None = None
        self._loop = asyncio.get_running_loop()
        self._turn = running_turn()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self.writer = Writer(self.transport)

    def data_received(self, data: bytes) -> None:
        self._turn.begin()
        try:
            self._read(data)
        finally:
            self._turn.end()

    def _read(self, data: bytes) -> None:
        self.received += len(data)
        if self._body is not None or not self._rest:  # the rest of a head that has begun wins no time
            self._since = None
        if self._lingering is None:
            self._rest = self._rest + data if self._rest else data
            self._advance()

    def eof_received(self) -> bool:
        """A client may close its half and still wait for the replies to all that it asked."""
        self._half_closed = True
        self.writer.flush()
        return not self._starved and self._lingering is None and self.transport.get_extra_info("ssl_object") is None

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._since = None
        size, self._undrained = self._undrained, 0
        if size:
            self._exchange.reply_drained(size)
        self._advance()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish()
        self._ended(self)

    # reading

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._rest and self._lingering is None and not self.transport.is_closing() and self._step():
                pass
        finally:
            self._advancing = False
        self._throttle()
        if self._half_closed and self._starved:
            self.transport.close()

    @property
    def _starved(self) -> bool:
        """Without more bytes nothing more happens."""
        return self._body is not None or (self._request is None and not (self._writing_paused and self._rest))

    def _step(self) -> bool:
        """False where more bytes, the end of the present reply, or a client that reads, must come first."""
        try:
            if self._body is not None:
                return self._read_body(self._body)
            return self._request is None and not self._writing_paused and self._read_head()
        except heads.BadHead as bad_head:
            self._refuse(bad_head.status, str(bad_head))
        except BadBody as bad_body:
            self._refuse(400, str(bad_body))
        return False

    def _read_head(self) -> bool:
        rest = self._rest.removeprefix(b"\r\n")
        end = rest.find(heads.END)
        size = end + len(heads.END) if end >= 0 else len(rest)
        if size > self._max_header_bytes:
            raise heads.BadHead(431, "the head is too large")
        if end < 0:
            if _BARE_LF.search(rest):
                raise heads.BadHead(400, "a bare LF in a head")
            return False
        request = heads.request(rest[:size])
        self._rest = rest[size:]
        self._start(request)
        return True

    def _start(self, request: heads.Request) -> None:
        self._request = request
        self._last = self._last or not request.keep_alive
        self._body = body(request.body, trailer_limit=self._max_header_bytes, size_line=SIZE) if request.body else None
        first = Piece(HEAD, request.wire, b"", not request.body)
        self._exchange = exchange = Exchange(self, request.head, first, self._around)
        self._begin(exchange)

    def _read_body(self, reader: Body) -> bool:
        part = reader.read(self._rest)
        if not part.used:
            return False
        wire, self._rest = self._rest[: part.used], self._rest[part.used :]
        self._pending += part.used
        if part.end:
            self._body = None
        self._exchange.request(Piece(BODY, wire, part.content, part.end))
        return True

    def _throttle(self) -> None:
        full = self._pending > STREAM_WINDOW or (self._body is None and len(self._rest) > _PIPELINED)
        if full != self._reading_paused and not self.transport.is_closing():
            self._reading_paused = full
            if full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    # ends.ClientEnd

    def invite(self) -> None:
        if self._request is not None and self._request.expects and not self._rest:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def grant(self, size: int) -> None:
        self._pending -= size
        if self._reading_paused:
            self._throttle()

    def send(self, piece: Piece) -> int:
        if piece.kind is HEAD:
            head = self._reply_head(piece.wire)
            if piece.end:
                self.writer.write(head)
            else:
                self.writer.hold(head)
        elif piece.kind is not INTERIM or (self._request is not None and self._request.modern):
            self.writer.write(piece.wire)
        size = len(piece.wire)
        if self._writing_paused and not piece.end:
            self._undrained += size if piece.kind is BODY else 0
            size = 0
        if piece.end:
            self._replied()
        return size

    def _reply_head(self, wire: bytes) -> bytes:
        bodiless = self._request is not None and self._request.head.method == b"HEAD"
        self._last = self._is_last() or heads.reply(wire, bodiless=bodiless).body == heads.UNTIL_CLOSE
        return heads.closing(wire) if self._last else wire

    def _is_last(self) -> bool:
        return self._last or self.draining or (self._half_closed and not self._rest)

    def answer(self, reply: Reply) -> None:
        self._last = self._is_last() or self._body is not None
        head_only = self._request is not None and self._request.head.method == b"HEAD"
        self.transport.write(_encode(reply, last=self._last, head_only=head_only))
        self._replied()

    def cut(self, failure: Failure) -> None:
        """Aborted, so that what is cut short does not look whole."""
        self.writer.flush()
        self.transport.abort()

    def read(self, pieces: Sequence[Piece]) -> Reply:
        head = heads.reply(next(piece.wire for piece in pieces if piece.kind is HEAD), bodiless=False)
        return Reply(head.status, head.headers, b"".join(piece.content for piece in pieces))

    # ending

    def _refuse(self, status: int, text: str) -> None:
        if self._request is not None:  # its body is broken, and a reply may have begun
            self.writer.flush()
            self.transport.abort()
            return
        self._last = True
        body = text.encode() + b"\n"
        self.transport.write(_encode(Reply(status, ((b"content-type", b"text/plain"),), body), last=True, head_only=False))
        self._linger()

    def _replied(self) -> None:
        early, self._body = self._body is not None, None
        self._finish()
        if early:
            self._linger()
        elif self._last or self.draining:
            self.transport.close()
        else:
            self._advance()

    def _finish(self) -> None:
        exchange, self._exchange = self._exchange, OVER
        self._request = None
        self._pending = self._undrained = 0
        exchange.gone()

    def _linger(self) -> None:
        """The client may still be sending: closing now could destroy the reply before it is read."""
        self._rest = b""
        self._lingering = self._loop.time()
        if self._half_closed or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self._throttle()

    def drain(self) -> None:
        """The present reply is the last."""
        self.draining = True
        if self._request is None and self._lingering is None:
            self.transport.close()

    def sweep(self, now: float) -> None:
        self._exchange.sweep(now)
        if self._request is not None and self._body is None and not self._writing_paused:
            self._since = None
        elif self._since is None:
            self._since = now
        if _longer(now, self._since, self._patience()) or _longer(now, self._lingering, LINGER):
            self.transport.abort()

    def _patience(self) -> float:
        if self._writing_paused and self._request is not None:
            return UNREAD_REPLY
        return HEAD_TIMEOUT if self._rest or self._writing_paused else self._around.relay.idle_timeout


def _longer(now: float, since: float | None, limit: float) -> bool:
    return since is not None and now - since > limit


def _encode(reply: Reply, *, last: bool, head_only: bool) -> bytes:
    """A whole reply; fields that HTTP/2 would send as trailers are among its headers."""
    fields = [name + b": " + value for name, value in (*reply.headers, *reply.trailers) if name != b"content-length"]
    if reply.status >= 200 and reply.status not in (204, 304):
        fields.append(b"content-length: %d" % len(reply.body))
    if last:
        fields.append(b"connection: close")
    phrase = HTTPStatus(reply.status).phrase if reply.status in HTTPStatus._value2member_map_ else ""
    start = b"HTTP/1.1 %d %s" % (reply.status, phrase.encode())
    return b"\r\n".join([start, *fields, b"", b"" if head_only else reply.body])
