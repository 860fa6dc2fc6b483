"""Says which of two answers to a search is right: an exact search over the union of both.

Owns: the rule. Not: when it is asked (shadow), fetching the points (trial). Pure.
The union is not the collection: a point that both sides missed stays unknown, so a ruling compares, it does not certify.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from proxy.compare.hits import misses
from proxy.model.distance import nearest_first, values
from proxy.model.evaluate import matches
from proxy.model.filter import Filter
from proxy.model.operation import Hit
from proxy.model.point import Key, Point, Vector
from proxy.model.schema import Metric
from proxy.shadow.findings import Ruling
from proxy.shadow.judge import Ranked


def rule(pair: Ranked, points: Mapping[Key, Point], metric: Metric, using: str, query: Vector, condition: Filter) -> Ruling:
    """`points`: those of the union that the primary has, by id, with the vector `using` and the payload that the filter needs.

    A hit that the primary does not have, or that the filter excludes, is right in nobody's answer.
    """
    eligible = {key: point for key, point in points.items() if using in point.vectors and matches(condition, point)}
    exact = _exact(eligible, metric, using, query)
    truth = exact[: max(len(pair.first), len(pair.second))]
    return Ruling(_recall(truth, exact, pair.first), _recall(truth, exact, pair.second))


def _exact(points: Mapping[Key, Point], metric: Metric, using: str, query: Vector) -> list[Hit]:
    """All of them, nearest first."""
    found = values(metric, query, [point.vectors[using] for point in points.values()])
    hits = [Hit(key, float(value), point) for (key, point), value in zip(points.items(), found, strict=True)]
    return [hits[i] for i in np.argsort(nearest_first(metric, found), kind="stable")]


def _recall(truth: Sequence[Hit], exact: Sequence[Hit], answer: Sequence[Hit]) -> float:
    answered = {hit.key for hit in answer}
    known = [hit for hit in exact if hit.key in answered]
    return 1 - len(misses(truth, known)) / len(truth) if truth else 1.0
