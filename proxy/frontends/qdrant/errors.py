"""Our errors as Qdrant says them, and Qdrant's replies as outcomes of a write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from proxy.errors import Broken, ProxyError, Reason, Refused, Throttled
from proxy.frontends import grpc
from proxy.frontends.qdrant.calls import KindRefusal, answered
from proxy.frontends.qdrant.replies import JSON
from proxy.frontends.qdrant.routes import GRPC, REST, Action, endpoint, is_grpc
from proxy.ports import Outcome, Reply, Request
from proxy.qdrant import kinds
from proxy.qdrant.kinds import Kind

_KINDS: Final[Mapping[Reason, Kind]] = {
    Reason.INVALID: kinds.WRONG_INPUT,
    Reason.NOT_FOUND: kinds.NOT_FOUND,
    Reason.ALREADY_EXISTS: kinds.EXISTS,
    Reason.UNSUPPORTED: kinds.BAD_REQUEST,
    Reason.UNAUTHENTICATED: kinds.UNAUTHENTICATED,
    Reason.FORBIDDEN: kinds.FORBIDDEN,
    Reason.TOO_LARGE: kinds.TOO_LARGE,
}


def kind_of(error: ProxyError) -> Kind:
    match error:
        case KindRefusal():
            return error.kind
        case Refused():
            return _KINDS[error.reason]
        case Throttled():
            return kinds.THROTTLED
        case Broken():
            return kinds.INTERNAL
        case _:
            return kinds.UNAVAILABLE


def refusal(request: Request, error: ProxyError) -> Reply:
    kind = kind_of(error)
    text = f"{kind.prefix}{error}"
    wait = retry_after(error)
    if is_grpc(request.path):
        reply = grpc.failed(grpc.Code(kind.grpc.value[0]), text)
    else:
        reply = Reply(kind.http, JSON, orjson.dumps({"status": {"error": text}, "time": 0.0}))
    return replace(reply, headers=(*reply.headers, *wait))


def retry_after(error: ProxyError) -> tuple[tuple[bytes, bytes], ...]:
    """Both protocols say it in whole seconds, and clients count on it."""
    if not isinstance(error, Throttled):
        return ()
    seconds = max(1, round(error.retry_after or 1))
    return ((b"retry-after", str(seconds).encode()),)


# ---- outcomes ----

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
# 408: the server gave up waiting, the write goes on.
_MAY_BE_DONE: Final = frozenset({408})
_IN_PARTS: Final = frozenset(
    {
        Action.SET_PAYLOAD,
        Action.OVERWRITE_PAYLOAD,
        Action.DELETE_PAYLOAD,
        Action.CLEAR_PAYLOAD,
        Action.UPDATE_VECTORS,
        Action.DELETE_VECTORS,
    }
)
"""Applied chunk by chunk: an error about a point comes after others were changed."""
_SEVERAL: Final = frozenset({Action.UPDATE_BATCH, Action.UPDATE_ALIASES})
"""Several operations one by one: an error comes after the first of them were carried out."""
_BEFORE_ALL: Final = ("Format error in JSON body", "Validation error in JSON body", "Collection `")
_ORDERED: Final = frozenset({Action.CREATE_INDEX, Action.DELETE_INDEX, Action.CREATE_VECTOR, Action.DELETE_VECTOR})
"""Of these, to be acknowledged is enough: they take their place in the server's log, and no point is read to follow them."""
_AUTHENTICATION: Final = frozenset({401, 403})
_APPLIED: Final = frozenset({"completed"})
_COMPLETED: Final = 2
"""`UpdateStatus.Completed` of gRPC."""


def outcome(request: Request, reply: Reply) -> Outcome:
    """Of a write. Whatever may have been applied, in part or later, is UNKNOWN.

    So is what was only acknowledged: it is in the server's log, and a read may still show what was before.
    """
    role = GRPC if is_grpc(request.path) else REST
    action = endpoint(request.method, request.path, role).action
    return _grpc_outcome(request, action, reply) if role == GRPC else _rest_outcome(action, reply)


def is_error(request: Request, reply: Reply) -> bool:
    """Of any call."""
    return grpc.status_of(reply)[0] is not grpc.Code.OK if is_grpc(request.path) else reply.status >= 400


def _rest_outcome(action: Action, reply: Reply) -> Outcome:
    if reply.status in _AUTHENTICATION:
        return Outcome.REFUSED
    if 400 <= reply.status < 500 and reply.status not in _MAY_BE_DONE:
        return Outcome.UNKNOWN if _half_done(action, reply.body.decode("utf-8", "replace")) else Outcome.REFUSED
    if reply.status != 200:
        # 202: a change of collections that goes on after the reply.
        return Outcome.UNKNOWN
    try:
        result = orjson.loads(reply.body)["result"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Outcome.UNKNOWN
    if result is False:  # nothing was there to be changed
        return Outcome.REFUSED
    return _of_results(action, [each.get("status") for each in _updates(result)], _APPLIED)


def _updates(result: Any) -> list[dict[str, Any]]:
    """The UpdateResults in a reply; a change of collections answers with `true`."""
    return [each for each in (result if isinstance(result, list) else [result]) if isinstance(each, dict)]


def _grpc_outcome(request: Request, action: Action, reply: Reply) -> Outcome:
    if reply.status != 200:
        return Outcome.UNKNOWN
    code, text = grpc.status_of(reply)
    if code is grpc.Code.RESOURCE_EXHAUSTED and grpc.header((*reply.trailers, *reply.headers), b"retry-after"):
        return Outcome.UNKNOWN if action in _SEVERAL else Outcome.REFUSED
    if code is not grpc.Code.OK:
        return Outcome.REFUSED if code in _NOT_DONE and not _half_done(action, text) else Outcome.UNKNOWN
    try:
        message = answered(request, reply)
    except Refused:
        return Outcome.UNKNOWN
    result = message.result
    if isinstance(result, bool):
        return Outcome.ACCEPTED if result else Outcome.REFUSED
    results = [result] if hasattr(result, "status") else list(result)
    return _of_results(action, [each.status for each in results], frozenset({_COMPLETED}))


def _half_done(action: Action, said: str) -> bool:
    """Whether an error of the request leaves something behind."""
    if action in _SEVERAL:
        return not any(sign in said for sign in _BEFORE_ALL)
    return action in _IN_PARTS and "No point with id" in said


def _of_results(action: Action, statuses: list[Any], applied: frozenset[Any]) -> Outcome:
    if action in _ORDERED or all(status in applied for status in statuses):
        return Outcome.ACCEPTED
    return Outcome.UNKNOWN
