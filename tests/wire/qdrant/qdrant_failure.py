"""Qdrant's own engine, asked beside our frontend; and a client's failure, the same in both protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse

_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
}


def failure(client: QdrantClient, call: Callable[[QdrantClient], Any]) -> Any:
    """None, or the code and the words."""
    try:
        call(client)
    except UnexpectedResponse as error:
        return _CODES[error.status_code], error.structured()["status"]["error"]  # type: ignore[no-untyped-call]
    except grpc.RpcError as error:
        return error.code(), error.details()
    return None
