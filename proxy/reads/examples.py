"""Searches by example: the points that stand for vectors are read, and one query vector is made of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from proxy.errors import NotFound, Refused
from proxy.model.operation import Example, Fetch, Like, Search
from proxy.model.point import Key, Point, Sparse, Vector
from proxy.model.schema import Metric, Schema
from proxy.ports import Backend

T = TypeVar("T")


async def searched(backend: Backend, like: Like, schema: Schema) -> Search:
    """Raises NotFound where an example does not exist, and Refused where it lacks the vector."""
    examples = (*like.positive, *like.negative)
    keys = tuple(dict.fromkeys(example for example in examples if isinstance(example, Key)))
    points: Mapping[Key, Point] = {}
    for collection in dict.fromkeys(key.collection for key in keys):
        of_it = tuple(key for key in keys if key.collection == collection)
        points = {**points, **await backend.fetch(Fetch(collection, of_it, (), (like.vector_name,)))}
    unit = schema.vectors[like.search.using].metric is Metric.COSINE
    positive = [_vector(example, points, like.vector_name, unit) for example in like.positive]
    negative = [_vector(example, points, like.vector_name, unit) for example in like.negative]
    return replace(like.search, vectors=(mean(positive, negative),))


def mean(positive: Sequence[Vector], negative: Sequence[Vector]) -> Vector:
    """Of multivectors: all rows, those of `negative` turned round. `positive` has one at least. Raises Refused."""
    if len(positive) == 1 and not negative:
        return positive[0]
    if any(isinstance(vector, Sparse) for vector in (*positive, *negative)):
        return _sparse_mean(_all_of(Sparse, positive), _all_of(Sparse, negative))
    near, away = _all_of(np.ndarray, positive), _all_of(np.ndarray, negative)
    if len({vector.shape[-1] for vector in (*near, *away)}) > 1:
        raise Refused("the examples have different dimensions")
    if near[0].ndim == 2:
        return np.concatenate([*near, *(-vector for vector in away)])
    middle: npt.NDArray[np.float32] = np.mean(near, axis=0, dtype=np.float32)
    return middle + middle - np.mean(away, axis=0, dtype=np.float32) if away else middle


def _vector(example: Example, points: Mapping[Key, Point], name: str, unit: bool) -> Vector:
    if not isinstance(example, Key):
        return example
    if example not in points:
        raise NotFound(f"No point with id {example.id} found")
    vector = points[example].vectors.get(name)
    if vector is None:
        raise Refused(f"Not existing vector name error: {name}")
    # sides keep the length of a cosine vector or do not: only the direction counts
    return _unit(vector) if unit and not isinstance(vector, Sparse) else vector


def _unit(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    wide = vector.astype(np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    unit: npt.NDArray[np.float64] = np.divide(wide, length, out=np.zeros_like(wide), where=length > 0)
    return unit.astype(np.float32)


def _all_of(kind: type[T], vectors: Sequence[object]) -> list[T]:
    of_kind = [vector for vector in vectors if isinstance(vector, kind)]
    if len(of_kind) < len(vectors):
        raise Refused("the examples are of different kinds")
    return of_kind


def _sparse_mean(positive: Sequence[Sparse], negative: Sequence[Sparse]) -> Sparse:
    middle = _sums(positive)
    if negative:
        away = _sums(negative)
        middle = {index: 2 * middle.get(index, 0.0) - away.get(index, 0.0) for index in middle.keys() | away.keys()}
    indices = np.array(sorted(middle), np.uint32)
    return Sparse(indices, np.array([middle[int(index)] for index in indices], np.float32))


def _sums(vectors: Sequence[Sparse]) -> dict[int, float]:
    total: dict[int, float] = {}
    for vector in vectors:
        for index, value in zip(vector.indices.tolist(), vector.values.tolist(), strict=True):
            total[index] = total.get(index, 0.0) + value / len(vectors)
    return total
