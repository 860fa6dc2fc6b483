"""Where a pair is known to differ from the reference. Strict: a gap that is healed, or that names no case, fails the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Owner(StrEnum):
    OURS = "ours"
    """Nobody wrote it yet."""
    THEIRS = "theirs"
    """The product should, and does not."""
    NOBODY = "nobody"
    """It cannot be."""


@dataclass(frozen=True, slots=True)
class Gap:
    """`case` is the test's name with its own parameters, such as `test_filter_selects[like middle]`."""

    case: str
    pair: str
    owner: Owner
    raises: type[BaseException]
    see: str


GAPS: tuple[Gap, ...] = ()
