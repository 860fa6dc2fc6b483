"""Received header blocks, put together from their frames.

Owns: CONTINUATION and its limits, priorities. Not: what the fields are (fields).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from proxy.net.http2 import frames
from proxy.net.http2.fields import FieldDecoder
from proxy.net.http2.frames import END_HEADERS, END_STREAM, MAX_STREAM_ID, Code, ConnectionFault, StreamFault
from proxy.net.limits import CONTINUATIONS

Block: TypeAlias = tuple[int, bool, bytes]
"""The stream's id, whether its direction ends, the fields, self-contained (see fields)."""


@dataclass(slots=True)
class _Open:
    """HEADERS whose CONTINUATION frames are still to come."""

    stream_id: int
    end: bool
    parts: list[bytes]


class BlockReader:
    """Raises ConnectionFault for what cannot be read: the peer's table, if it has one, would be lost."""

    __slots__ = ("_limit", "_open", "decoder", "interrupted")

    def __init__(self, limit: int) -> None:
        self.decoder = FieldDecoder(limit)
        self._limit = limit
        self._open: _Open | None = None
        self.interrupted = False
        """Nothing but CONTINUATION may come now."""

    def headers(self, flags: int, stream_id: int, payload: bytes) -> Block | None:
        """None: more is to come. Raises StreamFault for a stream that depends on itself, its fields read."""
        if stream_id == 0:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "HEADERS without a stream")
        if flags & ~END_STREAM == END_HEADERS:
            return stream_id, flags != END_HEADERS, self.decoder.stateless(payload)
        part = frames.unpadded(flags, payload)
        priority = part[:5] if flags & frames.WITH_PRIORITY else None
        if priority is not None:
            part = part[5:]
        opened = _Open(stream_id, bool(flags & frames.END_STREAM), [part])
        block = self._close(opened) if flags & frames.END_HEADERS else None
        self._open = None if block is not None else opened
        self.interrupted = block is None
        if priority is not None:
            check_priority(stream_id, priority)
        return block

    def continuation(self, flags: int, stream_id: int, payload: bytes) -> Block | None:
        opened = self._open
        if opened is None or opened.stream_id != stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        opened.parts.append(payload)
        if len(opened.parts) > CONTINUATIONS or sum(map(len, opened.parts)) > self._limit:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a header block is too large")
        if not flags & frames.END_HEADERS:
            return None
        self._open = None
        self.interrupted = False
        return self._close(opened)

    def _close(self, opened: _Open) -> Block:
        block = opened.parts[0] if len(opened.parts) == 1 else b"".join(opened.parts)
        return opened.stream_id, opened.end, self.decoder.stateless(block)


def check_priority(stream_id: int, priority: bytes) -> None:
    if len(priority) < 5:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a priority has 5 bytes")
    if int.from_bytes(priority[:4]) & MAX_STREAM_ID == stream_id:
        raise StreamFault(stream_id, Code.PROTOCOL_ERROR, "a stream depends on itself")
