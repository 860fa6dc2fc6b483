"""What became of one sample: a closed union. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from proxy.compare.hits import Agreement


class Skip(StrEnum):
    UNREADABLE = "the request or its reply cannot be read"
    BUSY = "writes were under way on too many of its keys"


class Unchecked(StrEnum):
    """Why a check that was due is absent."""

    PRIMARY_FAILED = "the primary did not answer"
    BUSY = "writes were under way"
    NO_METRIC = "the vector has no metric"


class Right(StrEnum):
    """Whose answer an exact search over the union of both confirms."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    BOTH = "both"
    """Equally near to the truth."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """Recall of each answer against the exact one."""

    primary: float
    secondary: float

    @property
    def right(self) -> Right:
        if self.primary == self.secondary:
            return Right.BOTH
        return Right.PRIMARY if self.primary > self.secondary else Right.SECONDARY


@dataclass(frozen=True, slots=True)
class Searched:
    """`noise`: the primary's recall against itself; `unchecked`: of noise and ruling, if due but absent."""

    collection: str
    seconds: float
    agreement: Agreement
    violations: int
    noise: float | None
    ruling: Ruling | None
    unchecked: tuple[Unchecked, ...]
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """A fetch, a scan or a count."""

    collection: str
    seconds: float
    equal: bool
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Skipped:
    collection: str
    why: Skip


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """The secondary cannot do what the client asked with the call `route`."""

    collection: str
    route: str
    what: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The secondary was asked and gave no answer."""

    collection: str
    why: str


Finding: TypeAlias = Searched | Compared | Skipped | Unanswerable | Failed
