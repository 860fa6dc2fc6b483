"""The kinds of Qdrant's refusals, with the codes and the prefixes of the real server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grpc import StatusCode


@dataclass(frozen=True, slots=True)
class Kind:
    http: int
    grpc: StatusCode
    prefix: str


WRONG_INPUT: Final = Kind(400, StatusCode.INVALID_ARGUMENT, "Wrong input: ")
BAD_REQUEST: Final = Kind(400, StatusCode.INVALID_ARGUMENT, "Bad request: ")
FORMAT: Final = Kind(400, StatusCode.INVALID_ARGUMENT, "Format error in JSON body: ")
VALIDATION: Final = Kind(422, StatusCode.INVALID_ARGUMENT, "Validation error in JSON body: ")
NOT_FOUND: Final = Kind(404, StatusCode.NOT_FOUND, "Not found: ")
EXISTS: Final = Kind(409, StatusCode.ALREADY_EXISTS, "Wrong input: ")
ABSENT: Final = Kind(501, StatusCode.UNIMPLEMENTED, "")
INTERNAL: Final = Kind(500, StatusCode.INTERNAL, "Service internal error: ")
UNAVAILABLE: Final = Kind(503, StatusCode.UNAVAILABLE, "Service unavailable: ")
THROTTLED: Final = Kind(429, StatusCode.RESOURCE_EXHAUSTED, "Rate limiting exceeded: ")
UNAUTHENTICATED: Final = Kind(401, StatusCode.UNAUTHENTICATED, "")
FORBIDDEN: Final = Kind(403, StatusCode.PERMISSION_DENIED, "Forbidden: ")
TOO_LARGE: Final = Kind(413, StatusCode.OUT_OF_RANGE, "Payload error: ")
