"""Qdrant's gRPC errors -> ours: one table, used at the one place that calls."""

from __future__ import annotations

from enum import Enum
from typing import Final

from grpc import StatusCode
from grpc.aio import AioRpcError

from proxy.errors import AlreadyExists, NotFound, ProxyError, Reason, Refused, Throttled, Unavailable, Uncertain


class Call(Enum):
    """A write that failed in mid-air may have been applied, or may still be; a read is asked again."""

    READ = "read"
    WRITE = "write"


_REFUSALS: Final = {
    StatusCode.INVALID_ARGUMENT: Reason.INVALID,
    StatusCode.OUT_OF_RANGE: Reason.INVALID,
    StatusCode.UNAUTHENTICATED: Reason.UNAUTHENTICATED,
    StatusCode.PERMISSION_DENIED: Reason.FORBIDDEN,
    StatusCode.UNIMPLEMENTED: Reason.UNSUPPORTED,
}
_RETRY_AFTER: Final = "retry-after"
# What gRPC says when no connection came about, so that nothing was sent.
_NOT_SENT: Final = ("failed to connect", "dns resolution failed", "name resolution", "trying to connect an http1.x server")


def translate(error: AioRpcError, call: Call, url: str) -> ProxyError:
    """`url`: the address that was called; names the side in every text."""
    code, said = error.code(), f"Qdrant at {url}: {error.details() or error.code().name}"
    match code:
        case StatusCode.NOT_FOUND:
            return NotFound(said)
        case StatusCode.ALREADY_EXISTS:
            return AlreadyExists(said)
        case StatusCode.RESOURCE_EXHAUSTED:
            return Throttled(said, _retry_after(error))
        case _ if code in _REFUSALS:
            return Refused(said, _REFUSALS[code])
        case _ if call is Call.WRITE and not (code is StatusCode.UNAVAILABLE and _not_sent(error)):
            return Uncertain(said)
        case _:
            return Unavailable(said)


def explain(error: AioRpcError, url: str) -> ProxyError:
    """What is wrong with the address or the credentials, and what to do; for `ping`."""
    text = (error.details() or "").lower()
    for signs, advice in _ADVICE:
        if any(sign in text for sign in signs):
            return Unavailable(f"{advice.format(url=url)} ({error.details()})")
    match error.code():
        case StatusCode.UNAUTHENTICATED | StatusCode.PERMISSION_DENIED:
            return Refused(f"Qdrant at {url} refuses the api_key: {error.details()}", Reason.UNAUTHENTICATED)
        case StatusCode.UNIMPLEMENTED:
            return Refused(f"what answers at {url} is not Qdrant: give the gRPC address of a Qdrant server as grpc_url")
        case _:
            return translate(error, Call.READ, url)


_ADVICE: Final = (
    (("dns resolution failed", "name resolution"), "no such host: {url}; check the name in grpc_url"),
    (
        ("wrong_version_number", "wrong version number"),
        "{url} does not speak TLS; use http:// in grpc_url, or the port that has TLS",
    ),
    (
        ("certificate_verify_failed", "certificate verify failed", "ssl handshake", "tls handshake"),
        "the TLS handshake with {url} fails; check tls.ca_file, tls.server_name and our own tls.cert_file",
    ),
    (("http1.x server", "http status: 4", "http2 preface"), "{url} is no gRPC port; Qdrant's is 6334 unless configured"),
    (("connection refused",), "nothing listens at {url}; check that Qdrant runs and that grpc_url is its gRPC port (6334)"),
    (
        ("socket closed", "connection reset", "recvmsg"),
        "{url} closed the connection; it may want TLS: then use https:// in grpc_url",
    ),
)  # fmt: skip


def _not_sent(error: AioRpcError) -> bool:
    text = (error.details() or "").lower()
    return any(sign in text for sign in _NOT_SENT)


def _retry_after(error: AioRpcError) -> float | None:
    said = dict(error.trailing_metadata() or ()).get(_RETRY_AFTER)
    try:
        return float(said) if said is not None else None
    except ValueError:
        return None
