"""What the relay itself says when it cannot pass a reply on, in the client's protocol.

Owns: the table from trouble to HTTP status and gRPC code. Not: refusals in a product's words (frontends).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple
from urllib.parse import quote

from proxy.ports import Headers, Reply


class Codes(NamedTuple):
    http: int
    grpc: int


class Trouble(Enum):
    MALFORMED = "malformed"
    TOO_LARGE = "too large"
    UNREACHABLE = "unreachable"
    CUT = "cut"
    """The upstream was reached and failed before its reply was whole."""
    SLOW = "slow"
    OVERLOADED = "overloaded"
    BUG = "bug"


_CODES = {
    Trouble.MALFORMED: Codes(400, 13),
    Trouble.TOO_LARGE: Codes(413, 8),
    Trouble.UNREACHABLE: Codes(503, 14),
    Trouble.CUT: Codes(502, 14),
    Trouble.SLOW: Codes(504, 14),
    Trouble.OVERLOADED: Codes(503, 8),
    Trouble.BUG: Codes(500, 13),
}
_TEXT_LIMIT = 1024
"""Bytes of explanation; a header list has its own limit at the client."""


def refusal(trouble: Trouble, text: str, *, grpc: bool) -> Reply:
    codes = _CODES[trouble]
    if grpc:
        return Reply(200, ((b"content-type", b"application/grpc"), *grpc_status(trouble, text)), b"")
    body = text.encode()[:_TEXT_LIMIT] + b"\n"
    return Reply(codes.http, ((b"content-type", b"text/plain; charset=utf-8"),), body)


def grpc_status(trouble: Trouble, text: str) -> Headers:
    """As trailers, or as the headers of a trailers-only reply."""
    message = quote(text[:_TEXT_LIMIT], safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode()
    return ((b"grpc-status", b"%d" % _CODES[trouble].grpc), (b"grpc-message", message))
