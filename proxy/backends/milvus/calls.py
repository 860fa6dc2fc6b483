"""One gRPC call to Milvus: credentials, time limit, and every way of failing turned into one of our errors.

Not: what is asked (compile.py) and what the answer means (parse.py).
"""

from __future__ import annotations

import base64
from enum import Enum
from functools import cached_property
from typing import Any, Final

import grpc.aio
from grpc import StatusCode

from proxy.backends.grpc_channel import open_channel
from proxy.config import SideConfig
from proxy.errors import ProxyError, Reason, Refused, Throttled, Unavailable, Uncertain
from proxy.milvus.sdk.grpc_gen import common_pb2, milvus_pb2_grpc
from proxy.milvus.status import error_of


class Effect(Enum):
    """What a call that failed on the way may have left behind."""

    NONE = "none"
    WRITE = "write"


class Calls:
    """The channel opens with the first call and belongs to the event loop of that call."""

    def __init__(self, side: SideConfig) -> None:
        self._side = side
        token = side.token.get_secret_value() if side.token else None
        credentials = base64.b64encode(token.encode()).decode() if token else None
        self._metadata = (("authorization", credentials),) if credentials else ()

    async def read(self, method: str, request: Any, database: str = "") -> Any:
        """The reply, of which the status says success. Raises Refused, Unavailable."""
        return await self._call(method, request, database, Effect.NONE)

    async def write(self, method: str, request: Any, database: str = "") -> Any:
        """Raises Refused (not applied), Unavailable (not applied), Uncertain."""
        return await self._call(method, request, database, Effect.WRITE)

    async def close(self) -> None:
        if "_channel" in self.__dict__:
            await self._channel.close()

    async def _call(self, method: str, request: Any, database: str, effect: Effect) -> Any:
        metadata = (*self._metadata, ("dbname", database)) if database else self._metadata
        call = getattr(self._stub, method)
        try:
            reply = await call(request, timeout=self._side.timeout, metadata=metadata or None)
        except grpc.aio.AioRpcError as error:
            raise _failure(error, self._side.url, effect) from error
        _check(reply, effect)
        return reply

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        return open_channel(self._side, self._side.url)

    @cached_property
    def _stub(self) -> Any:
        return milvus_pb2_grpc.MilvusServiceStub(self._channel)


def _check(reply: Any, effect: Effect) -> None:
    status = reply if isinstance(reply, common_pb2.Status) else reply.status
    error = error_of(status)
    if isinstance(error, Uncertain) and effect is Effect.NONE:
        raise Unavailable(str(error))
    if error is not None:
        raise error


_NOT_SENT: Final = ("failed to connect to all addresses", "DNS resolution failed")
_ADVICE: Final = (
    ("DNS resolution failed", "there is no such host: check the name in `url`"),
    ("Connection refused", "nothing listens there: check that Milvus runs and that `url` has its gRPC port (19530)"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS: use http:// in `url`"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not trusted: give its authority as `tls.ca_file`"),
    ("Hostname Verification", "its certificate is for another name: give that as `tls.server_name`"),
    ("Failed parsing HTTP/2", "it does not speak gRPC: `url` must be Milvus's gRPC port (19530)"),
    ("http1", "it does not speak gRPC: `url` must be Milvus's gRPC port (19530)"),
    ("Connection reset by peer", "it closes the connection: if it speaks TLS, use https:// in `url`"),
    ("Socket closed", "it closes the connection: if it speaks TLS, use https:// in `url`, and see `tls.cert_file`"),
)
_REFUSALS: Final = {
    StatusCode.UNAUTHENTICATED: (Reason.UNAUTHENTICATED, "check `token` (user:password)"),
    StatusCode.PERMISSION_DENIED: (Reason.FORBIDDEN, "the user of `token` lacks a right"),
    StatusCode.UNIMPLEMENTED: (Reason.UNSUPPORTED, "it does not know the call: is it Milvus, and version 2.3 or later?"),
    StatusCode.INVALID_ARGUMENT: (Reason.INVALID, "the request is malformed"),
}


def _failure(error: grpc.aio.AioRpcError, url: str, effect: Effect) -> ProxyError:
    code, details = error.code(), error.details() or ""
    if code in _REFUSALS:
        reason, advice = _REFUSALS[code]
        return Refused(f"Milvus at {url}: {advice} ({details})", reason)
    if code is StatusCode.RESOURCE_EXHAUSTED:
        return _exhausted(details, url)
    if any(sign in details for sign in _NOT_SENT):
        return Unavailable(f"Milvus at {url} cannot be reached; {_advice(details)} ({details})")
    text = f"Milvus at {url} did not answer: {code.name} {details}"
    return Uncertain(text) if effect is Effect.WRITE else Unavailable(text)


def _exhausted(details: str, url: str) -> ProxyError:
    if "larger than max" in details:
        return Refused(f"Milvus at {url}: {details}", Reason.TOO_LARGE)
    return Throttled(f"Milvus at {url}: {details}")


def _advice(details: str) -> str:
    return next((advice for sign, advice in _ADVICE if sign in details), "see the reason")
