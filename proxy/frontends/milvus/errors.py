"""Our errors as Milvus says them, and Milvus's replies as outcomes of a write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.errors import Broken, ProxyError, Reason, Refused, Throttled, Uncertain
from proxy.frontends import grpc
from proxy.frontends.milvus.calls import CodedNotFound, CodedRefusal, answered
from proxy.frontends.milvus.messages import CALLS
from proxy.frontends.milvus.routes import method_of
from proxy.milvus.sdk.grpc_gen import common_pb2
from proxy.milvus.status import CODES, UNEXPECTED, code_of, error_of, failed
from proxy.ports import Outcome, Reply, Request

_RATE_LIMITED: Final = 8
_UNAVAILABLE: Final = 2
# Milvus says these three outside the message.
_GRPC_REASONS: Final[Mapping[Reason, grpc.Code]] = {
    Reason.UNAUTHENTICATED: grpc.Code.UNAUTHENTICATED,
    Reason.FORBIDDEN: grpc.Code.PERMISSION_DENIED,
    Reason.TOO_LARGE: grpc.Code.RESOURCE_EXHAUSTED,
}
# The call did not reach the server's code, or was refused there before anything was done.
_NOT_DONE: Final = frozenset(
    {
        grpc.Code.INVALID_ARGUMENT,
        grpc.Code.NOT_FOUND,
        grpc.Code.ALREADY_EXISTS,
        grpc.Code.PERMISSION_DENIED,
        grpc.Code.UNAUTHENTICATED,
        grpc.Code.UNIMPLEMENTED,
        grpc.Code.FAILED_PRECONDITION,
        grpc.Code.OUT_OF_RANGE,
    }
)


def refusal(request: Request, error: ProxyError) -> Reply:
    """Failures of the sides are gRPC statuses, which clients know how to retry; the rest is in the message."""
    method = method_of(request.path) or ""
    if isinstance(error, Refused) and error.reason in _GRPC_REASONS:
        return grpc.failed(_GRPC_REASONS[error.reason], str(error))
    if method not in CALLS:
        return grpc.failed(grpc.Code.UNIMPLEMENTED, str(error))
    match error:
        case Refused():
            status = failed(_code(error), str(error))
        case Throttled():
            status = failed(_RATE_LIMITED, str(error))
        case Broken():
            return grpc.failed(grpc.Code.INTERNAL, str(error))
        case _:
            return grpc.failed(grpc.Code.UNAVAILABLE, str(error))
    return grpc.succeeded(_with_status(method, status))


def _code(error: Refused) -> int:
    return error.code if isinstance(error, (CodedRefusal, CodedNotFound)) else CODES[error.reason]


def _with_status(method: str, status: common_pb2.Status) -> bytes:
    response = CALLS[method].response
    if response is common_pb2.Status:
        return bytes(status.SerializeToString())
    return bytes(response(status=status).SerializeToString())


def outcome(request: Request, reply: Reply) -> Outcome:
    """Of a write. Whatever may have been applied, in part or later, is UNKNOWN."""
    if reply.status != 200:
        return Outcome.UNKNOWN
    code, _ = grpc.status_of(reply)
    if code is not grpc.Code.OK:
        return Outcome.REFUSED if code in _NOT_DONE else Outcome.UNKNOWN
    try:
        message = answered(request, reply)
    except Refused:
        return Outcome.UNKNOWN
    status = message if isinstance(message, common_pb2.Status) else message.status
    # Milvus lists all rows of an insert that it refused, for what a client did wrong too: then the code says so.
    if getattr(message, "err_index", ()) and code_of(status) in (0, UNEXPECTED):
        return Outcome.UNKNOWN
    return outcome_of(error_of(status))


def outcome_of(error: ProxyError | None) -> Outcome:
    match error:
        case None:
            return Outcome.ACCEPTED
        case Uncertain():
            return Outcome.UNKNOWN
        case _:
            return Outcome.REFUSED
