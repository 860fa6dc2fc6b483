"""Where a pair is known to differ from the reference. Strict: a gap that is healed, or that names no case, fails the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.errors import Refused, Unavailable, Unsupported


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
LITE: Final = "direct->milvus-lite"

GAPS: tuple[Gap, ...] = (
    *(
        Gap(
            "test_ids_come_back_as_they_went[numbers]",
            pair,
            Owner.THEIRS,
            Refused,
            "Milvus 2.3.5 takes a row with the id 2**63-1 and shows it in no read, so we do not put it",
        )
        for pair in ("direct->milvus", LITE, *THROUGH_MILVUS)
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
        Gap(case, LITE, Owner.THEIRS, raises, why)
        for why, raises, cases in (
            (
                "milvus-lite has neither binary nor half vectors",
                Refused,
                (
                    "test_binary_vectors_can_be_had",
                    *(f"test_half_vectors_keep_their_type[{metric}]" for metric in ("cosine", "dot", "euclidean")),
                ),
            ),
            (
                "milvus-lite moves a point to the partition of the last write with its id",
                AssertionError,
                tuple(f"test_one_id_in_two_partitions_is_two_points[{kind}]" for kind in ("number", "text")),
            ),
            (
                "milvus-lite counts the rows of all partitions whichever it is asked for",
                AssertionError,
                tuple(
                    f"test_partitions_bound_a_scan[{which}]"
                    for which in ("None", "(None,)", "('p',)", "(None, 'q')", "('p', 'q')")
                ),
            ),
            ("milvus-lite cannot release a partition", Refused, ("test_a_dropped_partition_takes_its_points",)),
            ("milvus-lite releases what it renames", Refused, ("test_a_renamed_collection_keeps_its_points",)),
            (
                "milvus-lite does not say that an alias exists by the code for it",
                Unavailable,
                ("test_an_alias_moves_and_goes", "test_several_aliases_change_one_after_the_other"),
            ),
        )
        for case in cases
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
