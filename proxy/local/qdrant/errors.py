"""Every refusal of the local server, with the codes and prefixes of the real one; and the engine's failures as refusals.

Not: the kinds (proxy.qdrant.kinds), how a reply is written (rest, grpc_server).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from proxy.qdrant.kinds import ABSENT, BAD_REQUEST, EXISTS, FORMAT, INTERNAL, NOT_FOUND, VALIDATION, WRONG_INPUT, Kind

__all__ = [
    "ABSENT",
    "BAD_REQUEST",
    "EXISTS",
    "FORMAT",
    "INTERNAL",
    "NOT_FOUND",
    "VALIDATION",
    "WRONG_INPUT",
    "Fault",
    "absent",
    "engine_faults",
]


class Fault(Exception):
    """A request refused; `str()` is the text for the client, prefix included."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(kind.prefix + message)
        self.kind = kind


def absent(what: str) -> Fault:
    """For everything that the real server has and this one does not."""
    return Fault(ABSENT, f"{what} not available in the local server")


@contextmanager
def engine_faults() -> Iterator[None]:
    """Around one call of the engine. Raises Fault for whatever the engine raises."""
    try:
        yield
    except Fault:
        raise
    except BaseException as error:
        # The engine raises plain Exception, and a BaseException of a class that cannot be imported when it panics.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _fault(error) from error


def _fault(error: BaseException) -> Fault:
    text = str(error)
    if type(error).__name__ == "PanicException" or "Service runtime error" in text:
        return Fault(INTERNAL, text)
    if text.startswith("No point with id"):
        return Fault(NOT_FOUND, f"{text} found")
    return Fault(WRONG_INPUT, text)
