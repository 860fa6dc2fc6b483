"""Hybrid searches: the parts are searched one by one, and their hits made one list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import assert_never

import numpy as np

from proxy.model.operation import DistributionBased, Hit, Hits, Hybrid, Like, ReciprocalRank, Search
from proxy.model.point import Key
from proxy.model.schema import Schema
from proxy.ports import Backend
from proxy.reads.contents import with_contents
from proxy.reads.examples import searched


async def fused(backend: Backend, read: Hybrid, schema: Schema) -> Hits:
    parts = [await _hits(backend, part, schema) for part in read.parts]
    values = fused_values(parts, read.fusion)
    enough = {key: value for key, value in values.items() if read.threshold is None or value >= read.threshold}
    best = sorted(enough, key=lambda key: -enough[key])[read.offset : read.offset + read.k]
    known = {hit.key: hit for hits in parts for hit in hits}
    ranked = [replace(known[key], value=enough[key]) for key in best]
    shown = await with_contents(backend, ranked, read.fields, read.vector_names)
    return (tuple(shown[hit.key] for hit in ranked if hit.key in shown),)


def fused_values(parts: Sequence[Sequence[Hit]], fusion: ReciprocalRank | DistributionBased) -> dict[Key, float]:
    """In the order of first appearance; of float32, so that a threshold which a client took from a score holds for it."""
    total: defaultdict[Key, float] = defaultdict(float)
    for number, hits in enumerate(parts):
        for hit, value in zip(hits, _values(hits, number, fusion), strict=True):
            total[hit.key] += value
    return {key: float(np.float32(value)) for key, value in total.items()}


def _values(hits: Sequence[Hit], part: int, fusion: ReciprocalRank | DistributionBased) -> list[float]:
    match fusion:
        case ReciprocalRank(k, weights):
            weight = weights[part] if weights else 1.0
            return [1 / ((rank + 1) / weight + k - 1) if weight else 0.0 for rank in range(len(hits))]
        case DistributionBased():
            return _normalised([hit.value for hit in hits])
        case _:
            assert_never(fusion)


def _normalised(values: Sequence[float]) -> list[float]:
    """One value, or several equal ones, say nothing of a distribution: in the middle."""
    spread = stdev(values) if len(values) > 1 else 0.0
    if spread == 0.0:
        return [0.5] * len(values)
    low = fmean(values) - 3 * spread
    return [(value - low) / (6 * spread) for value in values]


async def _hits(backend: Backend, part: Search | Like, schema: Schema) -> tuple[Hit, ...]:
    search = await searched(backend, part, schema) if isinstance(part, Like) else part
    (hits,) = await backend.search(replace(search, fields=(), vector_names=()))
    return hits
