"""How well one answer to a search agrees with another. Pure; knows neither sides nor samples.

Owns: recall with ties, rank-biased overlap, drift of the values. Not: which answer is right (the referee in proxy/shadow).
Answers are nearest first, each key once; values are canonical (proxy/model/schema.Metric).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from proxy.model.evaluate import matches
from proxy.model.filter import Filter
from proxy.model.operation import Hit
from proxy.model.point import Key, Point

# Two engines sum a dot product of some thousand float32 components in different orders.
VALUE_TOLERANCE: Final = 1e-5
# Webber, Moffat, Zobel: the first ten ranks carry 86 % of the weight.
PERSISTENCE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of a second answer with a first one, taken as true. `recall`, `overlap` in [0, 1]; the drifts in the metric's unit.

    `missed`: keys that count against recall.
    """

    recall: float
    overlap: float
    largest_drift: float
    mean_drift: float
    missed: tuple[Key, ...]


def agreement(first: Sequence[Hit], second: Sequence[Hit]) -> Agreement:
    missed = misses(first, second)
    drifts = _drifts(first, second)
    return Agreement(
        recall=1 - len(missed) / len(first) if first else 1.0,
        overlap=rank_biased_overlap([hit.key for hit in first], [hit.key for hit in untied(first, second)]),
        largest_drift=max(drifts, default=0.0),
        mean_drift=math.fsum(drifts) / len(drifts) if drifts else 0.0,
        missed=missed,
    )


def mean_agreement(each: Sequence[Agreement]) -> Agreement:
    """Of a search with several query vectors. `each` is not empty."""
    count = len(each)
    return Agreement(
        recall=math.fsum(one.recall for one in each) / count,
        overlap=math.fsum(one.overlap for one in each) / count,
        largest_drift=max(one.largest_drift for one in each),
        mean_drift=math.fsum(one.mean_drift for one in each) / count,
        missed=tuple(key for one in each for key in one.missed),
    )


def near(a: float, b: float, tolerance: float = VALUE_TOLERANCE) -> bool:
    """Absolute near zero, where the relative error of a difference of large numbers has no bound."""
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


def misses(first: Sequence[Hit], second: Sequence[Hit]) -> tuple[Key, ...]:
    """Keys of `first` that `second` lacks and did not replace by a tie.

    Which of several points at the k-th value an engine returns is its own choice: a hit of `second` that `first` lacks, at
    the value of first's last hit, stands for one of first's hits at that value.
    """
    shared = {hit.key for hit in second}
    absent = [hit for hit in first if hit.key not in shared]
    if not absent:
        return ()
    last, known = first[-1].value, {hit.key for hit in first}
    ties = sum(near(hit.value, last) for hit in second if hit.key not in known)
    replaced = {hit.key for hit in [hit for hit in absent if near(hit.value, last)][:ties]}
    return tuple(hit.key for hit in absent if hit.key not in replaced)


def untied(first: Sequence[Hit], second: Sequence[Hit]) -> list[Hit]:
    """`second` with its runs of equal values in the order of `first`, so that ties cost no overlap."""
    ranks = {hit.key: rank for rank, hit in enumerate(first)}
    runs: list[list[Hit]] = []
    for hit in second:
        if runs and near(runs[-1][0].value, hit.value):
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return [hit for run in runs for hit in sorted(run, key=lambda hit: ranks.get(hit.key, len(ranks)))]


def rank_biased_overlap(first: Sequence[Key], second: Sequence[Key], p: float = PERSISTENCE) -> float:
    """Sum over depths d of p^(d-1) times the overlap of both first d, over the longer answer, scaled so that equal is 1.

    Webber, Moffat, Zobel: A similarity measure for indefinite rankings (ACM TOIS 28(4), 2010), equation 4 cut at the depth.
    """
    seen_first: set[Key | None] = set()  # None: behind the end of the shorter answer
    seen_second: set[Key | None] = set()
    overlap, weight, total, weights = 0, 1.0, 0.0, 0.0
    for d, (a, b) in enumerate(zip_longest(first, second), start=1):
        overlap += (a == b) + (a in seen_second) + (b in seen_first)
        seen_first.add(a)
        seen_second.add(b)
        total += weight * overlap / d
        weights += weight
        weight *= p
    return total / weights if weights else 1.0


def violations(points: Sequence[Point], condition: Filter) -> tuple[Key, ...]:
    """Keys of points that an answer holds although their payload does not satisfy the filter."""
    return tuple(point.key for point in points if not matches(condition, point))


def _drifts(first: Sequence[Hit], second: Sequence[Hit]) -> list[float]:
    values = {hit.key: hit.value for hit in first}
    return [abs(values[hit.key] - hit.value) for hit in second if hit.key in values]
