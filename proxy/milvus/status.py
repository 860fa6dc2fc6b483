"""How Milvus tells failure inside a reply that gRPC calls a success: its codes, and which of our errors each one is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from proxy.errors import AlreadyExists, NotFound, ProxyError, Reason, Refused, Throttled, Unavailable, Uncertain
from proxy.milvus.sdk.grpc_gen import common_pb2

COLLECTION_NOT_FOUND: Final = 100
NOT_LOADED: Final = 101
INVALID: Final = 1100
UNEXPECTED: Final = 65535

# Numbers as of Milvus 2.3 and later. Not listed: refused as asked.
_NOT_FOUND: Final = frozenset({100, 200, 700, 800, 1600, 1603})
_EXISTS: Final = frozenset({1601, 1602})
_THROTTLED: Final = frozenset({8, 9, 1807})
_NOT_TAKEN: Final = frozenset({1, 2, 4, 11, 12, 103, 106, 202, 305, 401, 503, 905})
"""Refused at the door for now: the server, a replica or a channel is not ready."""
_MAYBE_APPLIED: Final = frozenset({5, 10000, 10001, 1001, 1002, 1302})
"""Failed on the way: internal, cancelled, timed out, input or output, message queue."""
_ON_THE_WAY: Final = re.compile(r"context (deadline|cancel)|rpc error|timed? ?out|connection (refused|reset)|EOF|stopped")
"""What an unclassified error (65535) says when it is no refusal."""
_FORBIDDEN: Final = frozenset({1401})
_UNAUTHENTICATED: Final = frozenset({1400, 1800})

# Servers before 2.3 know only the enum, and still send it beside the number.
_OLD_CODES: Final[Mapping[int, int]] = {
    common_pb2.CollectionNotExists: COLLECTION_NOT_FOUND,
    common_pb2.IndexNotExist: 700,
    common_pb2.PermissionDenied: 1401,
    common_pb2.RateLimit: 8,
    common_pb2.NotReadyServe: 1,
    common_pb2.NotShardLeader: 503,
    common_pb2.NoReplicaAvailable: 401,
    common_pb2.TimeTickLongDelay: 11,
    common_pb2.ForceDeny: 9,
}
CODES: Final[Mapping[Reason, int]] = {
    Reason.INVALID: INVALID,
    Reason.NOT_FOUND: COLLECTION_NOT_FOUND,
    Reason.ALREADY_EXISTS: UNEXPECTED,
    Reason.UNSUPPORTED: UNEXPECTED,
    Reason.UNAUTHENTICATED: 1400,
    Reason.FORBIDDEN: 1401,
    Reason.TOO_LARGE: 1102,
}
_ENUMS: Final[Mapping[int, int]] = {
    COLLECTION_NOT_FOUND: common_pb2.CollectionNotExists,
    INVALID: common_pb2.IllegalArgument,
    700: common_pb2.IndexNotExist,
    8: common_pb2.RateLimit,
    1401: common_pb2.PermissionDenied,
}


def code_of(status: common_pb2.Status) -> int:
    """0 for success."""
    return int(status.code) or _OLD_CODES.get(status.error_code, UNEXPECTED if status.error_code else 0)


def failed(code: int, reason: str) -> common_pb2.Status:
    error_code = _ENUMS.get(code, common_pb2.UnexpectedError)
    return common_pb2.Status(error_code=error_code, code=code, reason=reason, detail=reason)


def error_of(status: common_pb2.Status) -> ProxyError | None:
    """None for success. `Uncertain` where a write may have been applied in part."""
    code = code_of(status)
    if code == 0:
        return None
    text = f"milvus: {status.reason or status.detail} ({code})"
    if code in _THROTTLED:
        return Throttled(text)
    if code in _MAYBE_APPLIED or (code == UNEXPECTED and _ON_THE_WAY.search(text)):
        return Uncertain(text)
    if code in _NOT_TAKEN:
        return Unavailable(text)
    return _refusal(code, text)


def _refusal(code: int, text: str) -> Refused:
    if code in _NOT_FOUND:
        return NotFound(text)
    if code in _EXISTS:
        return AlreadyExists(text)
    if code in _FORBIDDEN | _UNAUTHENTICATED:
        return Refused(text, Reason.FORBIDDEN if code in _FORBIDDEN else Reason.UNAUTHENTICATED)
    return Refused(text, Reason.TOO_LARGE if code == 1102 else Reason.INVALID)
