"""gRPC's envelope: one length-prefixed message, its compression, the status in the trailers. Knows no service."""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import Final
from urllib.parse import quote, unquote

from proxy.errors import Reason, Refused
from proxy.ports import Headers, Reply

PREFIX: Final = 5
"""Bytes before a message: the compression flag and the length."""
_HEADERS: Final[Headers] = ((b"content-type", b"application/grpc"),)


class Code(IntEnum):
    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


def header(headers: Headers, name: bytes) -> str | None:
    """The first value of that name, or None."""
    for key, value in headers:  # each write asks for several: a generator would be made for each
        if key == name:
            return value.decode("utf-8", "replace")
    return None


def message(body: bytes, headers: Headers, limit: int) -> bytes:
    """The one message of a unary body; `limit` bounds it after decompression. Raises Refused."""
    if len(body) < PREFIX:
        raise Refused("the body holds no gRPC message")
    compressed, size = struct.unpack_from(">BI", body)
    if size != len(body) - PREFIX:
        raise Refused(f"a gRPC message of {size} bytes in a body of {len(body)}")
    raw = body[PREFIX:]
    return _decompressed(raw, header(headers, b"grpc-encoding") or "identity", limit) if compressed else raw


def _decompressed(raw: bytes, encoding: str, limit: int) -> bytes:
    if encoding not in ("gzip", "deflate"):
        raise Refused(f"gRPC compression {encoding} is not known")
    inflate = zlib.decompressobj(wbits=31 if encoding == "gzip" else zlib.MAX_WBITS)
    try:
        whole = inflate.decompress(raw, limit + 1)
    except zlib.error as error:
        raise Refused(f"a gRPC message that {encoding} cannot decompress: {error}") from error
    if len(whole) > limit:
        raise Refused(f"a gRPC message larger than {limit} bytes", Reason.TOO_LARGE)
    if not inflate.eof:
        raise Refused(f"a gRPC message whose {encoding} data is cut off")
    return whole


def framed(raw: bytes) -> bytes:
    return struct.pack(">BI", 0, len(raw)) + raw


def succeeded(raw: bytes) -> Reply:
    return Reply(200, _HEADERS, framed(raw), ((b"grpc-status", b"0"), (b"grpc-message", b"")))


def failed(code: Code, text: str) -> Reply:
    """Trailers-only."""
    status = ((b"grpc-status", str(int(code)).encode()), (b"grpc-message", quote(text, safe=" !#$&'()*+,/:;=?@[]").encode()))
    return Reply(200, (*_HEADERS, *status), b"")


def status_of(reply: Reply) -> tuple[Code, str]:
    """How the call ended; UNKNOWN where the reply does not say."""
    where = reply.trailers if header(reply.trailers, b"grpc-status") else reply.headers
    text = unquote(header(where, b"grpc-message") or "")
    number = header(where, b"grpc-status") or ""
    known = number.isdecimal() and int(number) in Code._value2member_map_
    return (Code(int(number)) if known else Code.UNKNOWN), text
