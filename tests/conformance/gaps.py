"""Where a pair is known to differ from the reference. Strict: a gap that is healed, or that names no case, fails the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.errors import Refused, Unavailable
from proxy.model.filter import Op


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


MILVUS_FILTERS: Final = ("milvus->memory", "milvus->qdrant")
LITE: Final = "direct->milvus-lite"
QDRANT_OVER_LITE: Final = "qdrant-rest->milvus-lite"
QDRANT_OVER_ITSELF: Final = "qdrant-rest->qdrant"
QDRANT_FILTERS: Final = ("qdrant-rest->memory", "qdrant-grpc->memory", "qdrant-grpc->milvus", QDRANT_OVER_ITSELF)
"""Milvus-lite takes no part in the cases of filters."""
THROUGH_QDRANT: Final = (*QDRANT_FILTERS, QDRANT_OVER_LITE)

GAPS: tuple[Gap, ...] = (
    *(
        Gap(
            "test_ids_come_back_as_they_went[numbers]",
            pair,
            Owner.THEIRS,
            Refused,
            "Milvus 2.3.5 takes a row with the id 2**63-1 and shows it in no read, so we do not put it",
        )
        for pair in ("direct->milvus", LITE, "milvus->milvus")
    ),
    *(
        Gap(
            f"test_filter_selects_what_it_selects_in_memory[{case}]",
            pair,
            Owner.NOBODY,
            Refused,
            "Milvus's filters have no times: its applications keep numbers, or texts that are ordered as texts",
        )
        for case in ("texts that are times", "times between", "not times between")
        for pair in MILVUS_FILTERS
    ),
    *(
        Gap(case, "milvus->milvus", Owner.THEIRS, AssertionError, why)
        for case, why in (
            ("test_a_zero_vector_is_as_far_as_orthogonal", "Milvus 2.3.5 finds no zero vector by cosine"),
            *(
                (
                    f"test_half_vectors_keep_their_type[{metric}]",
                    "Milvus 2.3.5 keeps half vectors and compares other numbers",
                )
                for metric in ("cosine", "dot", "euclidean")
            ),
        )
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
        Gap(case, pair, Owner.NOBODY, Refused, "a collection of Qdrant is made with its metrics")
        for case in (
            "test_a_vector_without_a_metric_cannot_be_searched",
            *(f"test_an_index_names_the_metric[{metric}]" for metric in ("cosine", "dot", "euclidean")),
        )
        for pair in THROUGH_QDRANT
    ),
    *(
        Gap(f"test_filter_selects_what_it_selects_in_memory[{case}]", pair, owner, raises, why)
        for owner, raises, why, cases in (
            (Owner.NOBODY, Refused, "the bounds of Qdrant's ranges are doubles", tuple(f"{op} 2**53+1" for op in Op)),
            (Owner.NOBODY, Refused, "Qdrant has no text patterns but a prefix and a part", ("suffix", "one character")),
            (
                Owner.NOBODY,
                Refused,
                "Qdrant cannot tell an empty array from what is missing",
                ("dynamic length 0 to 0", "dynamic length None to None"),
            ),
            (
                Owner.NOBODY,
                Refused,
                "Qdrant cannot tell an array of an empty array from a single value",
                ("dynamic length 1 to 1",),
            ),
        )
        for case in cases
        for pair in QDRANT_FILTERS
    ),
    Gap(
        "test_filter_selects_what_it_selects_in_memory[dynamic 2**53]",
        QDRANT_OVER_ITSELF,
        Owner.NOBODY,
        AssertionError,
        "Qdrant's match of an integer finds no double",
    ),
    *(
        Gap(case, QDRANT_OVER_LITE, Owner.THEIRS, raises, why)
        for raises, why, cases in (
            (
                Refused,
                "milvus-lite has no `in` on the dynamic field, where a Qdrant client's payload lies",
                (
                    "test_counts_are_exact",
                    "test_a_filter_narrows_the_candidates",
                    *(f"test_pages_give_each_point_once[some-{limit}-numbers]" for limit in (1, 10, 57, 100)),
                ),
            ),
            (
                Unavailable,
                "milvus-lite does not say that an alias exists by the code for it",
                ("test_an_alias_moves_and_goes", "test_several_aliases_change_one_after_the_other"),
            ),
        )
        for case in cases
    ),
)
