"""HTTP/2 to an upstream: a stream is an exchange's upstream end.

Owns: opening streams, the upstream's limits and GOAWAY. Not: choosing a connection, dialling (upstream).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.errors import Unavailable
from proxy.net.ends import HEAD, INTERIM, TRAILERS, Caller, Failure, Kind, Piece, Rewrite, UpstreamEnd
from proxy.net.http2 import fields, frames
from proxy.net.http2.connection import Connection
from proxy.net.http2.frames import Code, Setting, StreamFault
from proxy.net.http2.stream import Stream
from proxy.net.limits import FRAME_SIZE, STREAM_WINDOW, Flood

_LAST_ID = frames.MAX_STREAM_ID - 2
"""A connection that used it up is left for another."""


class _Nobody:
    """The caller of a stream that is over."""

    def attached(self, end: UpstreamEnd) -> None: ...

    def reply(self, piece: Piece) -> None: ...

    def request_drained(self, size: int) -> None: ...

    def failed(self, failure: Failure) -> None: ...


NOBODY = _Nobody()


class UpstreamStream(Stream):
    """ends.UpstreamEnd. Its id is chosen when its head is sent: ids must rise on the wire."""

    __slots__ = ("caller", "connection")

    def __init__(self, connection: UpstreamConnection, caller: Caller) -> None:
        super().__init__(connection.sender, 0)
        self.connection = connection
        self.caller = caller

    def send(self, piece: Piece) -> int:
        if piece.kind is HEAD:
            piece = self.connection.number(self, piece)
        return self.sender.send(self, piece)

    def reset(self) -> None:
        if self.caller is not NOBODY:
            self.connection.give_up(self)

    @property
    def flushed(self) -> bool:
        return self.id != 0 and not self.queue

    def arrived(self, piece: Piece) -> None:
        caller = self.caller
        if piece.end and self.sent_end:
            self.connection.release(self)
        caller.reply(piece)

    def drained(self, size: int) -> None:
        self.caller.request_drained(size)

    def ended(self) -> None:
        self.sent_end = True
        if self.got_end:
            self.connection.release(self)


class UpstreamConnection(Connection[UpstreamStream]):
    def __init__(
        self, name: str, rewrite: Rewrite | None, max_header_bytes: int, freed: Callable[[UpstreamConnection], None]
    ) -> None:
        """`freed` is called when a stream ends and when the connection does."""
        super().__init__(max_header_bytes)
        self.name = name
        self._max_header_bytes = max_header_bytes
        self.ready: asyncio.Future[None] = self._loop.create_future()
        """Done when the upstream has spoken HTTP/2. Raises Unavailable."""
        self._rewrite = rewrite
        self._freed = freed
        self._max_streams = frames.MAX_STREAM_ID
        self._unsent: set[UpstreamStream] = set()

    @property
    def room(self) -> bool:
        if self.draining or self.closed or self.last_stream_id + 2 * len(self._unsent) >= _LAST_ID:
            return False
        return len(self.streams) + len(self._unsent) < self._max_streams

    def open(self, caller: Caller) -> UpstreamStream:
        stream = UpstreamStream(self, caller)
        self._unsent.add(stream)
        return stream

    def number(self, stream: UpstreamStream, head: Piece) -> Piece:
        """The stream's head is about to be sent."""
        self._unsent.discard(stream)
        self.last_stream_id = stream.id = self.last_stream_id + 2 if self.last_stream_id else 1
        stream.window = self.sender.initial
        self.streams[stream.id] = stream
        self.draining |= stream.id >= _LAST_ID
        return head if self._rewrite is None else Piece(HEAD, fields.rewritten(head.wire, self._rewrite), b"", head.end)

    def give_up(self, stream: UpstreamStream) -> None:
        if self.streams.get(stream.id) is stream:
            self.reset(stream, Code.CANCEL)
            self.draining |= self._rates.exceeded(Flood.GIVEN_UP, self._loop.time())
        self.release(stream)

    def release(self, stream: UpstreamStream) -> None:
        stream.caller = NOBODY
        self._unsent.discard(stream)
        self.streams.pop(stream.id, None)
        self._freed(self)
        self._close_if_drained()

    def opening(self) -> bytes:
        return frames.PREFACE + frames.settings(
            {
                Setting.HEADER_TABLE_SIZE: 0,
                Setting.ENABLE_PUSH: 0,
                Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                Setting.MAX_FRAME_SIZE: FRAME_SIZE,
                Setting.MAX_HEADER_LIST_SIZE: self._max_header_bytes,
            }
        )

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.settled and not self.ready.done():
            self.ready.set_result(None)

    def block_arrived(self, stream_id: int, end: bool, block: bytes) -> None:
        stream = self.streams.get(stream_id)
        if stream is None or stream.got_end:
            self._stray(stream_id)
            return
        kind = self._kind(stream, block, end)
        stream.got_end = end
        stream.arrived(Piece(kind, block, b"", end))

    def _kind(self, stream: UpstreamStream, block: bytes, end: bool) -> Kind:
        if stream.got_head:
            if not end:
                raise fields.Malformed("trailers that do not end the stream")
            fields.walk(block)
            return TRAILERS
        status = fields.status(block)
        if status < 200:
            if end or status in (0, 101):
                raise fields.Malformed("a reply without a status, or with one that HTTP/2 does not have")
            return INTERIM
        stream.got_head = True
        return HEAD

    def stream_reset(self, stream: UpstreamStream, code: int) -> None:
        text = f"{self.name} reset the request: {_name(code)}"
        self._over(stream, Failure(text, untaken=code == Code.REFUSED_STREAM, code=code))

    def stream_broken(self, stream: UpstreamStream, fault: StreamFault) -> None:
        self._over(stream, Failure(f"{self.name} broke the rules of HTTP/2: {fault}"))

    def _over(self, stream: UpstreamStream, failure: Failure) -> None:
        self._fail_stream(stream, failure)
        self._freed(self)
        self._close_if_drained()

    def _limit(self, flood: Flood) -> None:
        """What an upstream sends is caused by all clients together: no rate of it is a fault."""

    def set_max_streams(self, count: int) -> None:
        self._max_streams = count
        self._loop.call_soon(self._freed, self)

    def goaway(self, last_stream_id: int, code: int, text: str) -> None:
        self.draining = True
        failure = Failure(f"{self.name} is going away: {_name(code)} {text}".rstrip(), untaken=True)
        for stream in [*self._unsent, *(s for s in list(self.streams.values()) if s.id > last_stream_id)]:
            self._fail_stream(stream, failure)
        self._freed(self)
        self._close_if_drained()

    def drain(self) -> None:
        self.draining = True
        self._close_if_drained()

    def lost(self, text: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(Unavailable(f"{self.name} did not begin HTTP/2: {text}"))
        for stream in list(self._unsent):
            self._fail_stream(stream, Failure(f"{self.name}: {text}", untaken=True))
        for stream in list(self.streams.values()):
            self._fail_stream(stream, Failure(f"the connection to {self.name} broke: {text}"))
        self._freed(self)

    def _fail_stream(self, stream: UpstreamStream, failure: Failure) -> None:
        caller = stream.caller
        self._unsent.discard(stream)
        self.streams.pop(stream.id, None)
        caller.failed(failure)
        stream.caller = NOBODY

    def _close_if_drained(self) -> None:
        if self.draining and not self.streams and not self._unsent and not self.closed:
            self.close()


def _name(code: int) -> str:
    return Code(code).name if code in Code.__members__.values() else f"code {code}"
