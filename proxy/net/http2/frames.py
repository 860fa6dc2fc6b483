"""HTTP/2 frames: numbers, building, and the two kinds of fault (RFC 9113).

Owns: bytes of frames. Not: header blocks (fields), windows (sender), what a frame means (connection).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE: Final = 9
MAX_STREAM_ID: Final = 2**31 - 1
MAX_WINDOW: Final = 2**31 - 1

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20


class Setting(IntEnum):
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Code(IntEnum):
    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class ConnectionFault(Exception):
    """The peer broke the protocol, or a limit: the connection ends with this code."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamFault(Exception):
    """The same for one stream only."""

    def __init__(self, stream_id: int, code: Code, text: str) -> None:
        super().__init__(text)
        self.stream_id = stream_id
        self.code = code


def header(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    """Length (24 bits), type, flags, stream. Not by `struct`: compiled, this touches a tenth of the memory."""
    return (length << 16 | kind << 8 | flags).to_bytes(5, "big") + stream_id.to_bytes(4, "big")


def read_header(data: bytes, at: int) -> tuple[int, int, int, int]:
    """What `header` takes: type, flags, stream, length."""
    length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
    return data[at + 3], data[at + 4], u32(data, at + 5) & MAX_STREAM_ID, length


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return header(kind, flags, stream_id, len(payload)) + payload


def header_block(stream_id: int, block: bytes, end_stream: int, max_frame: int) -> bytes:
    """HEADERS, with CONTINUATION where the block is larger than a frame."""
    if len(block) <= max_frame:
        return header(HEADERS, END_HEADERS | end_stream, stream_id, len(block)) + block
    parts = [block[at : at + max_frame] for at in range(0, len(block), max_frame)]
    frames = [frame(HEADERS, end_stream, stream_id, parts[0])]
    frames += [frame(CONTINUATION, 0, stream_id, part) for part in parts[1:-1]]
    frames.append(frame(CONTINUATION, END_HEADERS, stream_id, parts[-1]))
    return b"".join(frames)


def u32(data: bytes, at: int) -> int:
    return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]


def settings(values: dict[Setting, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in values.items()))


def check_settings(flags: int, stream_id: int, payload: bytes) -> None:
    if stream_id:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "SETTINGS of a stream")
    if len(payload) % 6 or (flags & ACK and payload):
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS has 6 bytes a value")


def check_ping(stream_id: int, payload: bytes) -> None:
    if stream_id:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "PING of a stream")
    if len(payload) != 8:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "PING has 8 bytes")


def read_goaway(stream_id: int, payload: bytes) -> tuple[int, int, str]:
    """The last stream, the code, the text."""
    if stream_id or len(payload) < 8:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "a malformed GOAWAY")
    return u32(payload, 0) & MAX_STREAM_ID, u32(payload, 4), payload[8:].decode("utf-8", "replace")


_BOUNDS: Final[Mapping[int, tuple[int, int, Code, str]]] = {
    Setting.ENABLE_PUSH: (0, 1, Code.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1"),
    Setting.INITIAL_WINDOW_SIZE: (0, MAX_WINDOW, Code.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large"),
    Setting.MAX_FRAME_SIZE: (2**14, 2**24 - 1, Code.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds"),
}
"""Lowest and highest value, and what another one is (RFC 9113, 6.5.2)."""


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Raises ConnectionFault where a value is one that the standard forbids."""
    values = list(struct.iter_unpack(">HI", payload))
    for key, value in values:
        low, high, code, text = _BOUNDS.get(key, (0, value, Code.NO_ERROR, ""))
        if not low <= value <= high:
            raise ConnectionFault(code, text)
    return values


def window_update(stream_id: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, size.to_bytes(4))


def rst_stream(stream_id: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4))


def goaway(last_stream_id: int, code: Code, text: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, last_stream_id.to_bytes(4) + code.to_bytes(4) + text.encode())


def unpadded(flags: int, payload: bytes) -> bytes:
    """Raises ConnectionFault where the padding is longer than the payload."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(Code.PROTOCOL_ERROR, "padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]
