"""HTTP/2 from clients: a stream is an exchange's client end.

Owns: opening streams, their replies, GOAWAY towards clients. Not: where requests go (exchange and its ways).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.net.ends import BODY, HEAD, TRAILERS, Failure, Piece, RequestHead, Version
from proxy.net.exchange import OVER, Exchange, Surroundings, Way
from proxy.net.http2 import fields, frames
from proxy.net.http2.connection import Connection
from proxy.net.http2.frames import Code, ConnectionFault, Setting, StreamFault
from proxy.net.http2.stream import Stream
from proxy.net.limits import FRAME_SIZE, HEAD_TIMEOUT, STREAM_WINDOW, UNREAD_REPLY
from proxy.net.refusal import grpc_status
from proxy.ports import Reply

_DRAIN_PING = b"vecferry"
"""Its echo tells that the client has read our GOAWAY."""


class ClientStream(Stream):
    """ends.ClientEnd"""

    __slots__ = ("connection", "exchange", "final", "head", "sent_head", "stalled")
    version = Version.HTTP2

    def __init__(self, connection: ClientConnection, stream_id: int, head: RequestHead) -> None:
        super().__init__(connection.sender, stream_id)
        self.connection = connection
        self.head = head
        self.exchange: Way = OVER
        self.sent_head = False
        self.stalled: float | None = None  # for how long nothing of what waits was taken, as sweep sees it
        self.final = False  # after the reply the rest of the request is of no use

    def arrived(self, piece: Piece) -> None:
        self.exchange.request(piece)
        if piece.end and self.sent_end:
            self.connection.forget(self)

    def drained(self, size: int) -> None:
        self.stalled = None
        self.exchange.reply_drained(size)

    def ended(self) -> None:
        self.sent_end = True
        if self.got_end:
            self.connection.forget(self)
        elif self.final:
            self._reset(Code.NO_ERROR)

    def invite(self) -> None:
        """HTTP/2 clients send as their window allows."""

    def send(self, piece: Piece) -> int:
        self.sent_head = True
        return self.sender.send(self, piece)

    def answer(self, reply: Reply) -> None:
        self.final = True
        block = fields.encode([(b":status", b"%d" % reply.status), *reply.headers])
        trailers = fields.encode(reply.trailers)
        self.send(Piece(HEAD, block, b"", not reply.body and not trailers))
        if reply.body:
            self.send(Piece(BODY, reply.body, reply.body, not trailers))
        if trailers:
            self.send(Piece(TRAILERS, trailers, b"", True))

    def cut(self, failure: Failure) -> None:
        if failure.code is not None:
            self._reset(failure.code)
        elif self.sent_end:  # only the rest of the request is of no use any more
            self._reset(Code.NO_ERROR)
        elif self.head.grpc:
            self.final = True
            self.send(Piece(TRAILERS, fields.encode(grpc_status(failure.trouble, failure.text)), b"", True))
        else:
            self._reset(Code.INTERNAL_ERROR)

    def read(self, pieces: Sequence[Piece]) -> Reply:
        return read_reply(pieces)

    def sweep(self, now: float) -> None:
        self.exchange.sweep(now)
        if not self.queue:
            self.stalled = None
        elif self.stalled is None:
            self.stalled = now
        elif now - self.stalled > UNREAD_REPLY:
            self._reset(Code.CANCEL)

    def _reset(self, code: int) -> None:
        self.connection.reset(self, code)
        self.connection.forget(self)


def read_reply(pieces: Sequence[Piece]) -> Reply:
    """The reply whose blocks and bodies these are."""
    blocks = {piece.kind: piece.wire for piece in pieces}
    body = b"".join(piece.content for piece in pieces)
    head, trailers = blocks[HEAD], blocks.get(TRAILERS, b"")
    return Reply(fields.status(head), fields.regular(fields.walk(head)), body, fields.walk(trailers))


class ClientConnection(Connection[ClientStream]):
    def __init__(
        self, begin: Callable[[Exchange], None], around: Surroundings, ended: Callable[[ClientConnection], None]
    ) -> None:
        super().__init__(around.relay.max_header_bytes)
        self._begin = begin
        self._around = around
        self._ended = ended
        self._max_streams = around.relay.max_streams
        self._preface = True
        self._told = False  # our last GOAWAY is out
        self._used = self._loop.time()
        self._draining_since = 0.0
        self._head_since: float | None = None  # for how long one is incomplete, as sweep sees it

    def opening(self) -> bytes:
        return frames.settings(
            {
                Setting.HEADER_TABLE_SIZE: 0,
                Setting.MAX_CONCURRENT_STREAMS: self._max_streams,
                Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                Setting.MAX_FRAME_SIZE: FRAME_SIZE,
                Setting.MAX_HEADER_LIST_SIZE: self._around.relay.max_header_bytes,
            }
        )

    def data_received(self, data: bytes) -> None:
        if self._preface:
            data = data[len(frames.PREFACE) :]  # the listener has seen it whole
            self._preface = False
        super().data_received(data)

    def block_arrived(self, stream_id: int, end: bool, block: bytes) -> None:
        stream = self.streams.get(stream_id)
        if stream is not None:
            self._trailers(stream, end, block)
        elif stream_id > self.last_stream_id and stream_id % 2:
            self._open(stream_id, end, block)
        elif stream_id in self.resets:
            """Under way when we reset the stream."""
        elif stream_id % 2:
            raise ConnectionFault(Code.STREAM_CLOSED, "HEADERS for a stream that is over")
        else:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a client opens odd streams")

    def _open(self, stream_id: int, end: bool, block: bytes) -> None:
        self.last_stream_id = stream_id
        if self._told or len(self.streams) >= self._max_streams:
            raise StreamFault(stream_id, Code.REFUSED_STREAM, "too many streams")
        head = fields.request_head(block)
        stream = ClientStream(self, stream_id, head)
        stream.got_end = end
        if head.length is not None:
            stream.expected = head.length
            self._expect(stream, 0, end)
        self.streams[stream_id] = stream
        stream.exchange = exchange = Exchange(stream, head, Piece(HEAD, block, b"", end), self._around)
        self._begin(exchange)

    def _trailers(self, stream: ClientStream, end: bool, block: bytes) -> None:
        if stream.got_end:
            raise StreamFault(stream.id, Code.STREAM_CLOSED, "HEADERS after the end of the stream")
        if not end:
            raise StreamFault(stream.id, Code.PROTOCOL_ERROR, "trailers that do not end the stream")
        fields.check_trailers(block)
        if stream.expected is not None:
            self._expect(stream, 0, True)
        stream.got_end = True
        stream.arrived(Piece(TRAILERS, block, b"", True))

    def stream_reset(self, stream: ClientStream, code: int) -> None:
        self.forget(stream)

    def forget(self, stream: ClientStream) -> None:
        """Both directions have ended, or one was reset."""
        self.streams.pop(stream.id, None)
        exchange, stream.exchange = stream.exchange, OVER
        exchange.gone()
        self._close_if_drained()

    def goaway(self, last_stream_id: int, code: int, text: str) -> None:
        """The client opens no more; what it opened is answered."""
        self.drain()

    def drain(self) -> None:
        """No stream is lost: only when the client has seen the first GOAWAY (its PING comes back) the second names the last."""
        if not self.draining and not self.closed:
            self.draining = True
            self._draining_since = self._loop.time()
            self.sender.put(frames.goaway(frames.MAX_STREAM_ID, Code.NO_ERROR, "the proxy is going away"))
            self.sender.put(frames.frame(frames.PING, 0, 0, _DRAIN_PING))

    def pong(self, payload: bytes) -> None:
        if self.draining and not self._told and payload == _DRAIN_PING:
            self._name_last()

    def _name_last(self) -> None:
        self._told = True
        self.sender.put(frames.goaway(self.last_stream_id, Code.NO_ERROR))
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self._told and not self.streams and not self.closed:
            self.close()

    def lost(self, text: str) -> None:
        for stream in list(self.streams.values()):
            self.forget(stream)
        self._ended(self)

    def sweep(self, now: float) -> None:
        if self.streams:
            self._used = now
            for stream in list(self.streams.values()):
                stream.sweep(now)
        elif self.draining:
            if now - self._draining_since > HEAD_TIMEOUT and not self.closed:  # nobody is there to answer the PING
                self._name_last()
        elif now - self._used > self._around.relay.idle_timeout:
            self.drain()
        self._await_head(now)

    def _await_head(self, now: float) -> None:
        if not self.incomplete:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = now
        elif now - self._head_since > HEAD_TIMEOUT:
            self.fail(Code.ENHANCE_YOUR_CALM, f"a head took longer than {HEAD_TIMEOUT:g} s")
