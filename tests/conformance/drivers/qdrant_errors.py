"""What the official client of Qdrant raises, as ours: by the codes that an application would look at."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Final, TypeVar

import orjson
from grpc import StatusCode
from grpc.aio import AioRpcError
from qdrant_client.http.exceptions import UnexpectedResponse

from proxy.errors import AlreadyExists, NotFound, ProxyError, Refused, Unavailable

T = TypeVar("T")
_BY_STATUS: Final[Mapping[int | None, type[ProxyError]]] = {
    400: Refused,
    404: NotFound,
    409: AlreadyExists,
    422: Refused,
    501: Refused,
}
_BY_CODE: Final[Mapping[StatusCode, type[ProxyError]]] = {
    StatusCode.INVALID_ARGUMENT: Refused,
    StatusCode.NOT_FOUND: NotFound,
    StatusCode.ALREADY_EXISTS: AlreadyExists,
    StatusCode.UNIMPLEMENTED: Refused,
}


async def asked(call: Awaitable[T]) -> T:
    try:
        return await call
    except UnexpectedResponse as error:
        said = orjson.loads(error.content)["status"]["error"]
        raise _BY_STATUS.get(error.status_code, Unavailable)(f"{error.status_code}: {said}") from error
    except AioRpcError as error:
        raise _BY_CODE.get(error.code(), Unavailable)(f"{error.code().name}: {error.details()}") from error
