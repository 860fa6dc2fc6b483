"""Where a pair is known to differ from the reference. Strict: a gap that is healed, or that names no case, fails the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.errors import Refused


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


GAPS: tuple[Gap, ...] = (
    Gap(
        "test_ids_come_back_as_they_went[numbers]",
        "direct->milvus",
        Owner.THEIRS,
        Refused,
        "Milvus 2.3.5 takes a row with the id 2**63-1 and shows it in no read, so we do not put it",
    ),
)
