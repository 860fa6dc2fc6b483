from __future__ import annotations

import numpy as np
import pytest

from proxy.compare.hits import agreement, mean_agreement, rank_biased_overlap, untied, violations
from proxy.model.filter import Equals
from proxy.model.operation import Hit
from proxy.model.point import Key, Point


def key(id: int) -> Key:
    return Key("books", None, id)


def hits(*found: tuple[int, float]) -> list[Hit]:
    return [Hit(key(id), value, Point(key(id), {"": np.zeros(2, np.float32)})) for id, value in found]


FIRST = hits((1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6))


def test_equal_answers_agree_wholly() -> None:
    found = agreement(FIRST, FIRST)
    assert (found.recall, found.overlap, found.largest_drift, found.missed) == (1.0, 1.0, 0.0, ())


def test_recall_counts_the_firsts_hits_that_the_second_has() -> None:
    found = agreement(FIRST, hits((1, 0.9), (3, 0.7), (9, 0.5), (8, 0.4)))
    assert found.recall == 0.5
    assert found.missed == (key(2), key(4))


def test_a_short_answer_misses_what_it_lacks() -> None:
    assert agreement(FIRST, FIRST[:1]).recall == 0.25
    assert agreement(FIRST, []).recall == 0.0


def test_an_empty_truth_is_found_by_anything() -> None:
    assert agreement([], []).recall == 1.0
    assert agreement([], []).overlap == 1.0
    assert agreement([], FIRST).recall == 1.0
    assert agreement([], FIRST).overlap == 0.0


def test_a_tie_at_the_end_is_no_miss() -> None:
    assert agreement(FIRST, hits((1, 0.9), (2, 0.8), (3, 0.7), (9, 0.600001))).recall == 1.0


def test_a_tie_replaces_only_hits_of_its_own_value_and_only_one_each() -> None:
    first = hits((1, 0.9), (2, 0.5), (3, 0.5))
    assert agreement(first, hits((7, 0.5), (8, 0.5), (9, 0.5))).missed == (key(1),)
    assert agreement(first, hits((1, 0.9), (9, 0.5))).recall == pytest.approx(2 / 3)


def test_drift_is_of_the_values_of_shared_keys() -> None:
    found = agreement(FIRST, hits((1, 0.8), (2, 0.8), (9, 0.1)))
    assert found.largest_drift == pytest.approx(0.1)
    assert found.mean_drift == pytest.approx(0.05)


def test_overlap_weighs_the_first_ranks_most() -> None:
    keys = [key(id) for id in range(10)]
    swapped_first = [keys[1], keys[0], *keys[2:]]
    swapped_last = [*keys[:-2], keys[-1], keys[-2]]
    assert rank_biased_overlap(keys, swapped_first) < rank_biased_overlap(keys, swapped_last) < 1
    assert rank_biased_overlap(keys, [key(id) for id in range(20, 30)]) == 0


def test_overlap_is_the_papers_sum() -> None:
    a, b = [key(1), key(2), key(3)], [key(1), key(3), key(2)]
    p = 0.9
    assert rank_biased_overlap(a, b) == pytest.approx((1 + p / 2 + p * p) / (1 + p + p * p))


def test_the_order_within_a_tie_costs_no_overlap() -> None:
    first, second = hits((1, 0.5), (2, 0.5), (3, 0.4)), hits((2, 0.5), (1, 0.5), (3, 0.4))
    assert agreement(first, second).overlap == 1.0
    assert [hit.key.id for hit in untied(first, second)] == [1, 2, 3]


def test_the_mean_is_over_the_query_vectors() -> None:
    whole = mean_agreement([agreement(FIRST, FIRST), agreement(FIRST, hits((1, 0.7)))])
    assert whole.recall == 0.625
    assert whole.largest_drift == pytest.approx(0.2)
    assert len(whole.missed) == 3


def test_a_violation_is_a_point_that_the_filter_excludes() -> None:
    points = [Point(key(1), {}, {"n": 1}), Point(key(2), {}, {"n": 2}), Point(key(3), {}, {})]
    assert violations(points, Equals(("n",), 1)) == (key(2), key(3))


def test_overlap_counts_every_depth_of_answers_of_any_length() -> None:
    first, second = [key(id) for id in (1, 2, 3, 4, 5)], [key(id) for id in (3, 9, 1)]
    p, overlaps = 0.9, [0, 0, 2, 2, 2]
    wanted = sum(p**d * found / (d + 1) for d, found in enumerate(overlaps)) / sum(p**d for d in range(5))
    assert rank_biased_overlap(first, second) == pytest.approx(wanted)
    assert rank_biased_overlap(second, first) == pytest.approx(wanted)
