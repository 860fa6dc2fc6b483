"""The whole error tree, sorted by what the caller does next: fix the request, try later, tell us."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.model.feature import Feature


class Reason(StrEnum):
    """Why a request is refused; each frontend has a table from this to its product's own codes."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    UNSUPPORTED = "unsupported"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"


class ProxyError(Exception):
    """Base of everything that we raise on purpose."""


class Refused(ProxyError):
    """The request is wrong as asked; retrying cannot help."""

    def __init__(self, message: str, reason: Reason = Reason.INVALID) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def unsupported(self) -> str:
        """What a side cannot do; "" where it is refused for another reason."""
        return str(self) if self.reason is Reason.UNSUPPORTED else ""


class Unsupported(Refused):
    """A side cannot express the request; names the feature, and the side (a product or a place)."""

    def __init__(self, feature: Feature, by: str, detail: str = "") -> None:
        super().__init__(f"{feature} is not supported by {by}{': ' if detail else ''}{detail}", Reason.UNSUPPORTED)
        self.feature = feature
        self.by = by

    @property
    def unsupported(self) -> str:
        return self.feature


class NotFound(Refused):
    """A collection, alias or index that does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.NOT_FOUND)


class AlreadyExists(Refused):
    def __init__(self, message: str) -> None:
        super().__init__(message, Reason.ALREADY_EXISTS)


class ConfigError(Refused):
    """A setting is wrong; `path` is the key's path in the file, such as `target.grpc_url`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class Unavailable(ProxyError):
    """The other side failed before it took the request; the same request may succeed later."""


class Throttled(Unavailable):
    """The other side asks for patience; `retry_after` in seconds where it says one."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Uncertain(Unavailable):
    """The request was sent and its outcome is unknown: it may have been applied, or may still be."""


class Broken(ProxyError):
    """We did; the message names the invariant."""
