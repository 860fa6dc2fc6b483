"""Where a pair is known to differ from the reference. Strict: a gap that is healed, or that names no case, fails the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.errors import Refused, Unsupported


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


THROUGH_MILVUS: Final = ("milvus->memory", "milvus->qdrant")

GAPS: tuple[Gap, ...] = (
    *(
        Gap(
            "test_ids_come_back_as_they_went[numbers]",
            pair,
            Owner.THEIRS,
            Refused,
            "Milvus 2.3.5 takes a row with the id 2**63-1 and shows it in no read, so we do not put it",
        )
        for pair in ("direct->milvus", *THROUGH_MILVUS)
    ),
    *(
        Gap(
            "test_filter_selects_what_it_selects_in_memory[dynamic 2**53+1]",
            pair,
            Owner.NOBODY,
            AssertionError,
            "Milvus compares numbers in JSON as doubles, so our client cannot ask for this one alone",
        )
        for pair in THROUGH_MILVUS
    ),
    *(
        Gap(
            "test_a_dropped_partition_takes_its_points",
            pair,
            Owner.OURS,
            Refused,
            "Milvus wants a loaded partition released before it is dropped; the frontend refuses ReleasePartitions by name",
        )
        for pair in THROUGH_MILVUS
    ),
    *(
        Gap(
            f"test_filter_selects_what_it_selects_in_memory[{case}]",
            "milvus->qdrant",
            Owner.NOBODY,
            Unsupported,
            "our client asks Milvus for more by a range of texts and chooses itself; Qdrant has no order of texts",
        )
        for case in ("is null", "nested key is null", "is empty", "suffix", "middle", "one character")
    ),
)
