"""Exact search where the index is not: every candidate is read and measured here. One page in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.backends.milvus.rows import Rows
from proxy.model.distance import nearest_first, values, within
from proxy.model.operation import Hit, Hits, Search
from proxy.model.point import Point, Vector
from proxy.model.schema import Metric

PAGE: Final = 4_096


async def exactly_nearest(rows: Rows, search: Search, metric: Metric, partitions: Sequence[str | None]) -> Hits:
    """`rows` have the vector that is searched."""
    best: list[list[Hit]] = [[] for _ in search.vectors]
    after = None
    while page := await rows.take(partitions, after, PAGE):
        after = page[-1].key
        candidates = [point for point in page if search.using in point.vectors]
        best = [_merged(search, metric, hits, vector, candidates) for hits, vector in zip(best, search.vectors, strict=True)]
    return tuple(tuple(_asked(hit, search) for hit in hits[search.offset :]) for hits in best)


def _merged(search: Search, metric: Metric, best: list[Hit], vector: Vector, candidates: Sequence[Point]) -> list[Hit]:
    asked = within(metric, search.threshold, search.far)
    found = values(metric, vector, [point.vectors[search.using] for point in candidates])
    hits = [Hit(point.key, float(value), point) for point, value in zip(candidates, found, strict=True) if asked(float(value))]
    ranked = sorted([*best, *hits], key=lambda hit: nearest_first(metric, hit.value))
    return ranked[: search.offset + search.k]


def _asked(hit: Hit, search: Search) -> Hit:
    vectors = {name: vector for name, vector in hit.point.vectors.items() if name in search.vector_names}
    return Hit(hit.key, hit.value, Point(hit.key, vectors, hit.point.payload))
