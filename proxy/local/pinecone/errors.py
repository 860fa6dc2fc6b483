"""Refusals, with the codes and bodies of the real server: the data plane's and the control plane's differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from grpc import StatusCode


@dataclass(frozen=True, slots=True)
class Kind:
    http: int
    grpc: StatusCode


INVALID: Final = Kind(400, StatusCode.INVALID_ARGUMENT)
UNAUTHENTICATED: Final = Kind(401, StatusCode.UNAUTHENTICATED)
FORBIDDEN: Final = Kind(403, StatusCode.PERMISSION_DENIED)
NOT_FOUND: Final = Kind(404, StatusCode.NOT_FOUND)
EXISTS: Final = Kind(409, StatusCode.ALREADY_EXISTS)
EXHAUSTED: Final = Kind(429, StatusCode.RESOURCE_EXHAUSTED)
ABSENT: Final = Kind(501, StatusCode.UNIMPLEMENTED)


class Fault(Exception):
    """A request refused; `str()` is the text for the client."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def of_data(self) -> dict[str, Any]:
        return {"code": self.kind.grpc.value[0], "message": str(self), "details": []}

    def of_control(self) -> dict[str, Any]:
        return {"error": {"code": self.kind.grpc.name, "message": str(self)}, "status": self.kind.http}


def absent(what: str) -> Fault:
    """For everything that the real server has and this one does not."""
    return Fault(ABSENT, f"{what} not available in the local server")
