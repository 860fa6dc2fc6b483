"""What both ends of HTTP/2 do with frames: reading, settings, windows, pings, limits (RFC 9113).

Owns: the connection's state and every rule that holds in both directions. Not: opening streams (inbound, outbound).
"""

from __future__ import annotations

import asyncio
from typing import Final, Generic, TypeVar, cast

from proxy.net.ends import BODY, Piece
from proxy.net.http2 import frames
from proxy.net.http2.blocks import Block, BlockReader, check_priority
from proxy.net.http2.bodies import Bodies
from proxy.net.http2.fields import Malformed
from proxy.net.http2.frames import HEADER_SIZE, Code, ConnectionFault, Setting, StreamFault, read_header, u32
from proxy.net.http2.sender import Sender
from proxy.net.http2.stream import Stream
from proxy.net.limits import CONNECTION_WINDOW, FRAME_SIZE, LINGER, UNREAD, WRITE_BUFFER, Flood, Rates
from proxy.net.tls import words
from proxy.net.turn import running_turn

_REMEMBERED = 1000
"""Streams that we reset: what the peer had under way for them is no fault."""
_SMALL: Final = 256
"""Bytes. Smaller bodies of one read are joined: each piece costs more than that, and a frame of one byte is easily sent."""
_LARGE: Final = 2048
"""Bytes of a DATA frame from which on those of one read are joined; a body between the two limits is one frame anyway."""

S = TypeVar("S", bound=Stream)


class Connection(asyncio.Protocol, Generic[S]):
    """Subclasses say what a new block, a reset, a GOAWAY and the end mean."""

    sender: Sender
    transport: asyncio.Transport

    def __init__(self, max_header_bytes: int) -> None:
        self.streams: dict[int, S] = {}
        self.last_stream_id = 0
        self.draining = False
        self.settled = False
        """The peer's SETTINGS came."""
        self.closed = False
        self.received = 0
        self._told_lost = False
        self._loop = asyncio.get_running_loop()
        self._turn = running_turn()
        self.blocks = BlockReader(max_header_bytes)
        self._rates = Rates()
        self._rest = b""
        self._bodies = Bodies()
        self._due = 0
        self.resets: dict[int, None] = {}

    # what a subclass adds

    def opening(self) -> bytes:
        """The first bytes that are sent."""
        raise NotImplementedError

    def block_arrived(self, stream_id: int, end: bool, block: bytes) -> None:
        raise NotImplementedError

    def stream_reset(self, stream: S, code: int) -> None:
        """By the peer; the stream is in no table any more."""
        raise NotImplementedError

    def stream_broken(self, stream: S, fault: StreamFault) -> None:
        """The peer broke a rule, and we have reset the stream."""
        self.stream_reset(stream, fault.code)

    def goaway(self, last_stream_id: int, code: int, text: str) -> None:
        raise NotImplementedError

    def pong(self, payload: bytes) -> None: ...

    def set_max_streams(self, count: int) -> None: ...

    def lost(self, text: str) -> None:
        """The connection is closed, by whomever. Called once."""
        raise NotImplementedError

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        self.sender = Sender(self.transport)
        self.sender.put(self.opening())
        self.sender.put(frames.window_update(0, CONNECTION_WINDOW - 65_535))

    def data_received(self, data: bytes) -> None:
        self._turn.begin()
        try:
            self._read(data)
        finally:
            self._turn.end()

    def _read(self, data: bytes) -> None:
        if self.closed:
            return
        self.received += len(data)
        try:
            at = self._completed(data) if self._rest else 0
            if at < len(data):
                self._rest = data[self._frames(data, at) :]
        except ConnectionFault as fault:
            self._bodies.small.clear()
            self.fail(fault.code, str(fault))
        self._bodies.deliver_small()

    def _completed(self, data: bytes) -> int:
        """Reads the frame of which the last read had only the beginning, without a copy of what follows it; bytes used."""
        head = (self._rest + data[:HEADER_SIZE])[:HEADER_SIZE]
        length = int.from_bytes(head[:3]) if len(head) == HEADER_SIZE else 0
        used = max(HEADER_SIZE + min(length, FRAME_SIZE) - len(self._rest), 0)
        rest = self._rest + data[:used]
        self._rest = rest[self._frames(rest, 0) :]
        return used

    def pause_writing(self) -> None:
        self.sender.pause()

    def resume_writing(self) -> None:
        self.sender.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(words(error) if error else "the peer closed the connection")

    # ending

    def fail(self, code: Code, text: str) -> None:
        """GOAWAY and the end of everything."""
        if not self.closed:
            self.sender.put(frames.goaway(self.last_stream_id, code, text))
            self._end(text)
            self.close()

    def close(self) -> None:
        """When what was put is written, or soon after where the peer does not read it."""
        self.closed = True
        self.sender.flush()
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._loop.call_later(LINGER, self.transport.abort)

    def _end(self, text: str) -> None:
        self.closed = True
        if not self._told_lost:
            self._told_lost = True
            self.lost(text)

    def reset(self, stream: S, code: int) -> None:
        """By us; its exchange is told by the caller."""
        self.streams.pop(stream.id, None)
        self.sender.reset(stream, code)
        self._remember(stream.id)

    def _remember(self, stream_id: int) -> None:
        self.resets[stream_id] = None
        if len(self.resets) > _REMEMBERED:
            del self.resets[next(iter(self.resets))]

    @property
    def incomplete(self) -> bool:
        """The peer has begun, and not ended, its SETTINGS or a header block; or a frame of anything while no stream is open."""
        return not self.settled or self.blocks.interrupted or (bool(self._rest) and not self.streams)

    # frames

    def _frames(self, data: bytes, at: int) -> int:
        """Reads all whole frames from `at` on; where they end."""
        size, view = len(data), None
        while size - at >= HEADER_SIZE:
            kind, flags, stream_id, length = read_header(data, at)
            start = at + HEADER_SIZE
            if start + length > size and length <= FRAME_SIZE:
                break
            at = start + length
            if length >= _LARGE and kind == frames.DATA:
                stream = self._joining(flags, stream_id, length)
                if stream is not None:
                    view = view or memoryview(data)
                    self._join(stream, flags, view[start:at])
                    continue
            if self._bodies.large:
                self._bodies.deliver_large()
            if length > FRAME_SIZE:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a frame is larger than our SETTINGS allow")
            self._frame(kind, flags, stream_id, data[start:at])
        if self._bodies.large:
            self._bodies.deliver_large()
        return at

    # large DATA frames: what one read has of a stream goes on as one piece, so that a body costs by its bytes, not its frames

    def _joining(self, flags: int, stream_id: int, size: int) -> S | None:
        """Its stream, where nothing is wrong with the frame, and nothing but its payload counts. Others are read one by one."""
        stream = self.streams.get(stream_id)
        if stream is None or stream.got_end or flags & ~frames.END_STREAM or size > FRAME_SIZE or stream.granted < size:
            return None
        if not self.settled or self.blocks.interrupted or stream in self._bodies.small:  # what is gathered comes first
            return None
        expected = stream.expected
        return stream if expected is None or expected == size or (expected > size and not flags) else None

    def _join(self, stream: S, flags: int, payload: memoryview) -> None:
        size = len(payload)
        self._refill(size)
        stream.granted -= size
        if stream.expected is not None:
            stream.expected -= size
        self._bodies.add_large(stream, payload, end=bool(flags))

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self.blocks.interrupted and kind != frames.CONTINUATION:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a header block is interrupted")
        if not self.settled and kind != frames.SETTINGS:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "the first frame is no SETTINGS")
        try:
            self._read_frame(kind, flags, stream_id, payload)
        except StreamFault as fault:
            self._stream_fault(fault)

    def _read_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """No table of readers: compiled, these are direct calls."""
        match kind:
            case frames.DATA:
                self._data(flags, stream_id, payload)
            case frames.HEADERS:
                self._block(self.blocks.headers(flags, stream_id, payload))
            case frames.WINDOW_UPDATE:
                self._window_update(stream_id, payload)
            case frames.CONTINUATION:
                self._block(self.blocks.continuation(flags, stream_id, payload))
            case frames.RST_STREAM:
                self._rst_stream(stream_id, payload)
            case _:
                self._read_rare(kind, flags, stream_id, payload)

    def _read_rare(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        match kind:
            case frames.PING:
                self._ping(flags, stream_id, payload)
            case frames.SETTINGS:
                self._settings(flags, stream_id, payload)
            case frames.GOAWAY:
                self.goaway(*frames.read_goaway(stream_id, payload))
            case frames.PRIORITY:
                self._priority(stream_id, payload)
            case frames.PUSH_PROMISE:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "PUSH_PROMISE was not allowed")
            case _:  # ignored, as the standard asks
                self._limit(Flood.IDLE)

    def _stream_fault(self, fault: StreamFault) -> None:
        self._limit(Flood.RESET)
        stream = self.streams.get(fault.stream_id)
        if stream is None:
            self.sender.put(frames.rst_stream(fault.stream_id, fault.code))
            self._remember(fault.stream_id)
        else:
            self.reset(stream, fault.code)
            self.stream_broken(stream, fault)

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._refill(size)
        stream = self.streams.get(stream_id)
        if stream is None or stream.got_end:
            self._stray(stream_id)
            return
        stream.granted -= size
        if stream.granted < 0:
            raise StreamFault(stream_id, Code.FLOW_CONTROL_ERROR, "more was sent than the window allows")
        if flags & frames.PADDED:
            payload = frames.unpadded(flags, payload)
            stream.grant(size - len(payload))
        end = bool(flags & frames.END_STREAM)
        if not payload and not end:
            self._limit(Flood.EMPTY)
        if stream.expected is not None:
            self._expect(stream, len(payload), end)
        stream.got_end = end
        if len(payload) < _SMALL and not end:
            self._bodies.add_small(stream, payload)
            return
        if self._bodies.small:
            self._bodies.deliver(stream)
        stream.arrived(Piece(BODY, payload, payload, end))

    def _deliver_small(self, stream_id: int) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            self._bodies.deliver(stream)

    def _refill(self, size: int) -> None:
        self._due += size
        if self._due >= CONNECTION_WINDOW // 2:
            self.sender.put(frames.window_update(0, self._due))
            self._due = 0

    def _expect(self, stream: S, size: int, end: bool) -> None:
        stream.expected = left = (stream.expected or 0) - size
        if left < 0 or (end and left):
            raise StreamFault(stream.id, Code.PROTOCOL_ERROR, "the body has not the length that was declared")

    def _stray(self, stream_id: int) -> None:
        if stream_id == 0 or self.is_idle(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame for a stream that was never opened")
        if stream_id not in self.resets:
            raise StreamFault(stream_id, Code.STREAM_CLOSED, "the stream is closed")

    def is_idle(self, stream_id: int) -> bool:
        return stream_id % 2 == 0 or stream_id > self.last_stream_id

    def _block(self, block: Block | None) -> None:
        if block is None:
            return
        stream_id, end, fields = block
        if self._bodies.small:
            self._deliver_small(stream_id)
        try:
            self.block_arrived(stream_id, end, fields)
        except Malformed as error:
            raise StreamFault(stream_id, Code.PROTOCOL_ERROR, str(error)) from error

    def _priority(self, stream_id: int, payload: bytes) -> None:
        self._limit(Flood.IDLE)
        if stream_id == 0:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "PRIORITY without a stream")
        if len(payload) != 5:
            raise StreamFault(stream_id, Code.FRAME_SIZE_ERROR, "PRIORITY has 5 bytes")
        check_priority(stream_id, payload)

    def _rst_stream(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
        if stream_id == 0 or self.is_idle(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "RST_STREAM for a stream that was never opened")
        self._limit(Flood.RESET)
        self._deliver_small(stream_id)
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self.stream_reset(stream, int.from_bytes(payload))
            self.sender.forget(stream)

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.check_settings(flags, stream_id, payload)
        self._limit(Flood.SETTINGS)
        if flags & frames.ACK:
            self.blocks.decoder.acknowledged = True
            return
        settings = frames.read_settings(payload)
        self.sender.put(frames.frame(frames.SETTINGS, frames.ACK, 0))  # before what a larger window sets free
        for key, value in settings:
            self._set(key, value)
        self.settled = True

    def _set(self, key: int, value: int) -> None:
        match key:
            case Setting.INITIAL_WINDOW_SIZE:
                self.sender.set_initial(value, list(self.streams.values()))
            case Setting.MAX_FRAME_SIZE:
                self.sender.max_frame = value
            case Setting.MAX_CONCURRENT_STREAMS:
                self.set_max_streams(value)
            case _:
                """HEADER_TABLE_SIZE: our blocks use no table. MAX_HEADER_LIST_SIZE: advisory. Others: unknown."""

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        frames.check_ping(stream_id, payload)
        self._limit(Flood.PING)
        if flags & frames.ACK:
            self.pong(payload)
        else:
            self.sender.put(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _window_update(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
        size = u32(payload, 0) & frames.MAX_WINDOW
        if stream_id == 0:
            if not size:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
            self.sender.widen(size)
        elif (stream := self.streams.get(stream_id)) is not None:
            if not size:
                raise StreamFault(stream_id, Code.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
            self.sender.widen_stream(stream, size)
        elif self.is_idle(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "WINDOW_UPDATE for a stream that was never opened")

    def _limit(self, flood: Flood) -> None:
        if self._rates.exceeded(flood, self._loop.time()):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, f"too many frames: {flood.value}")
        if self.transport.get_write_buffer_size() > UNREAD:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "what we answer is not read")
