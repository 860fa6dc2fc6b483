"""The sending half of an HTTP/2 connection: the peer's windows and frame size, one write a loop turn.

Owns: what may be sent now and what waits in which stream. Not: the meaning of pieces, receiving.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from proxy.net.ends import BODY, Piece
from proxy.net.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_WINDOW,
    Code,
    ConnectionFault,
    StreamFault,
    header,
    header_block,
    rst_stream,
)
from proxy.net.limits import WRITE_BUFFER
from proxy.net.pieces import add_piece
from proxy.net.turn import Outlet, running_turn

_FRAME = 16_384
_UNCOPIED = 2**15
"""Bytes of bodies from which on chunks are written as they are; fewer are cheaper to join."""
_TURN = 2**16
"""Bytes of one stream's body that leave before another stream's, where several wait: a frame may be smaller."""
_WINDOW = 65_535
"""A peer's before its SETTINGS say otherwise (RFC 9113, 6.5.2)."""


class Outflow(Protocol):
    """A stream, as far as sending goes."""

    id: int
    window: int
    queue: list[Piece]
    skipped: int
    """Bytes of the queue's first piece that are sent."""

    def ended(self) -> None:
        """Its last piece was sent."""

    def drained(self, size: int) -> None:
        """So many body bytes left its queue."""


class Sender(Outlet):
    __slots__ = (
        "_due",
        "_loop",
        "_out",
        "_paused",
        "_pending",
        "_soon",
        "_transport",
        "_turn",
        "_waiting",
        "initial",
        "max_frame",
        "window",
    )

    def __init__(self, transport: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._out: list[bytes | memoryview] = []
        self._pending = 0  # bytes of bodies in it
        self._turn = running_turn()
        self._due = False  # flushed at the end of the present read
        self._soon = False  # flushed in the loop's next turn
        self._paused = False
        self._waiting: dict[int, Outflow] = {}
        self.window = _WINDOW
        self.initial = _WINDOW
        self.max_frame = _FRAME

    def put(self, chunk: bytes) -> None:
        """Any frame that flow control does not govern."""
        self._out.append(chunk)
        if not self._due and not self._soon:
            self._flush_soon()

    def _schedule(self) -> None:
        """At the end of the read that brought it; what nobody waits for, a PING's answer say, leaves after that."""
        if self._turn.reading:
            self._due = True
            self._turn.await_end(self)
        elif not self._soon:
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._soon = True
        self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._soon = False
        self.flush()

    def send(self, stream: Outflow, piece: Piece) -> int:
        """The piece now or, where the peer's windows or the socket forbid it, later and in order. Body bytes sent now."""
        if stream.queue or self._paused:
            return self._enqueue(stream, piece)
        if piece.kind is not BODY:
            self._send_block(stream, piece)
            return 0
        size = len(piece.wire)
        if size > stream.window or size > self.window or size > WRITE_BUFFER:
            return self._enqueue(stream, piece)
        self._send_body(stream, piece.wire, piece.end)
        return size

    def forget(self, stream: Outflow) -> None:
        """What waits in the stream is not sent any more."""
        stream.queue.clear()
        stream.skipped = 0
        self._waiting.pop(stream.id, None)

    def reset(self, stream: Outflow, code: int) -> None:
        self.forget(stream)
        self.put(rst_stream(stream.id, code))

    def flush(self) -> None:
        self._due = False
        out, self._out = self._out, []
        pending, self._pending = self._pending, 0
        if not out or self._transport.is_closing():
            return
        if pending > _UNCOPIED:
            self._transport.writelines(out)
        else:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def pause(self) -> None:
        """The socket takes no more for now."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._pump()

    # the peer's windows

    def widen(self, size: int) -> None:
        """Raises ConnectionFault where the sum is more than a window can be."""
        self.window += size
        if self.window > MAX_WINDOW:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the connection's window is too large")
        self._pump()

    def widen_stream(self, stream: Outflow, size: int) -> None:
        stream.window += size
        if stream.window > MAX_WINDOW:
            raise StreamFault(stream.id, Code.FLOW_CONTROL_ERROR, "the stream's window is too large")
        self._pump_stream(stream)

    def set_initial(self, size: int, streams: list[Outflow]) -> None:
        """Changes the window of every stream by the difference, below zero too (RFC 9113, 6.9.2)."""
        change, self.initial = size - self.initial, size
        for stream in streams:
            stream.window += change
            if stream.window > MAX_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a stream's window is too large")
        self._pump()

    # writing

    def _enqueue(self, stream: Outflow, piece: Piece) -> int:
        add_piece(stream.queue, piece)
        self._waiting[stream.id] = stream
        self._pump_stream(stream)
        return 0

    def _pump_stream(self, stream: Outflow) -> None:
        while stream.queue and not self._paused and self._advance(stream):
            pass

    def _pump(self) -> None:
        """Something of each waiting stream in turn, so that none starves."""
        progress = True
        while progress and self._waiting and not self._paused:
            progress = False
            for stream in list(self._waiting.values()):
                progress |= not self._paused and self._advance(stream)

    def _advance(self, stream: Outflow) -> bool:
        if not stream.queue:
            return False
        piece = stream.queue[0]
        if piece.kind is not BODY:
            self._shift(stream)
            self._send_block(stream, piece)
            return True
        left = len(piece.wire) - stream.skipped
        size = min(left, max(self.max_frame, _TURN), stream.window, self.window)
        if size <= 0 and left:
            return False
        payload = memoryview(piece.wire)[stream.skipped : stream.skipped + size]
        if size == left:
            self._shift(stream)
        else:
            stream.skipped += size
        self._send_body(stream, payload, piece.end and size == left)
        stream.drained(size)
        return True

    def _shift(self, stream: Outflow) -> None:
        del stream.queue[0]
        stream.skipped = 0
        if not stream.queue:
            self._waiting.pop(stream.id, None)

    def _send_body(self, stream: Outflow, body: bytes | memoryview, end: bool) -> None:
        """All of it: the windows have room."""
        size = len(body)
        stream.window -= size
        self.window -= size
        if not self._due:
            self._schedule()
        if size <= self.max_frame:
            self._out += (header(DATA, END_STREAM if end else 0, stream.id, size), body)
        else:
            self._put_frames(stream.id, memoryview(body), end)
        self._pending += size
        if self._pending > WRITE_BUFFER:  # now, so that a socket that takes no more says so before all is handed to it
            self.flush()
        if end:
            stream.ended()

    def _put_frames(self, stream_id: int, body: memoryview, end: bool) -> None:
        step, left = self.max_frame, len(body)
        whole = header(DATA, 0, stream_id, step)
        for at in range(0, left, step):
            last = at + step >= left
            size = left - at
            first = header(DATA, END_STREAM if end else 0, stream_id, size) if last else whole
            self._out += (first, body[at : at + step])

    def _send_block(self, stream: Outflow, piece: Piece) -> None:
        block, end = piece.wire, END_STREAM if piece.end else 0
        if (size := len(block)) > self.max_frame:
            self.put(header_block(stream.id, block, end, self.max_frame))
        else:
            if not self._due:
                self._schedule()
            self._out += (header(HEADERS, END_HEADERS | end, stream.id, size), block)
        if end:
            stream.ended()
