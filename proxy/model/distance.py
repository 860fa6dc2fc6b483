"""The canonical metric value of two vectors, by the definition. Owns exactness, not speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from proxy.errors import Refused
from proxy.model.operation import Search
from proxy.model.point import Sparse, Vector
from proxy.model.schema import DType, Metric, Schema, VectorField, VectorKind

Values: TypeAlias = npt.NDArray[np.floating[Any]]
Number = TypeVar("Number", float, Values)


def metric_of(schema: Schema, search: Search) -> Metric:
    """Raises Refused where the collection cannot be searched so."""
    if search.using not in schema.vectors:
        raise Refused(f"collection {schema.collection} has no vector {search.using!r}")
    field = schema.vectors[search.using]
    if field.metric is None:
        raise Refused(f"vector {search.using!r} of collection {schema.collection} has no metric: create an index first")
    for vector in search.vectors:
        check_dimension(schema.collection, field, vector)
    return field.metric


def check_dimension(collection: str, field: VectorField, vector: Vector) -> None:
    """Raises Refused."""
    found = dimension(field, vector)
    if found != field.dim:
        raise Refused(f"vector {field.name!r} has dimension {found}, the collection {collection} wants {field.dim}")


def dimension(field: VectorField, vector: Vector) -> int:
    if isinstance(vector, Sparse):
        return field.dim if field.kind is VectorKind.SPARSE else 0
    return int(vector.shape[-1]) * (8 if field.dtype is DType.BINARY else 1)


def values(metric: Metric, query: Vector, rows: Sequence[Vector]) -> Values:
    """One value for each of `rows`, which are of the query's kind and dimension.

    Dense and binary against dense, sparse against sparse (DOT). Multivectors: the sum over the query's rows of the nearest
    row's value (MaxSim).
    """
    if not rows:
        return np.zeros(0)
    if isinstance(query, Sparse):
        return np.array([_sparse_dot(query, row) for row in rows if isinstance(row, Sparse)])
    if query.ndim == 2:
        return np.array([_max_sim(metric, query, np.asarray(row)) for row in rows])
    return _dense(metric, query, np.stack([np.asarray(row) for row in rows]))


def is_hit(query: Vector, row: Vector) -> bool:
    """False for a sparse vector that shares no index with the query: it is not at 0, it is not found."""
    if not isinstance(query, Sparse):
        return True
    return isinstance(row, Sparse) and bool(np.isin(row.indices, query.indices).any())


def nearest_first(metric: Metric, found: Number) -> Number:
    """Values turned so that ascending order is nearest first."""
    return -found if metric.larger_is_nearer else found


def within(metric: Metric, threshold: float | None, far: float | None) -> Callable[[float], bool]:
    """Whether a value is at least as near as `threshold` and not nearer than `far` (None: no bound)."""
    sign = -1 if metric.larger_is_nearer else 1
    farthest = np.inf if threshold is None else sign * threshold
    nearest = -np.inf if far is None else sign * far
    return lambda value: bool(nearest <= sign * value <= farthest)


def _dense(metric: Metric, query: npt.NDArray[Any], rows: npt.NDArray[Any]) -> Values:
    if metric in (Metric.HAMMING, Metric.JACCARD):
        return _bits(metric, np.unpackbits(query), np.unpackbits(rows, axis=1))
    found: Values = _FORMULAS[metric](query.astype(np.float64), rows.astype(np.float64))
    return found


def _cosine(query: Values, rows: Values) -> Any:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    # a zero vector has no direction: as far from everything as orthogonal
    return np.divide(rows @ query, lengths, out=np.zeros(len(rows)), where=lengths > 0)


_FORMULAS: Final[Mapping[Metric, Callable[[Values, Values], Any]]] = {
    Metric.DOT: lambda query, rows: rows @ query,
    Metric.COSINE: _cosine,
    Metric.EUCLIDEAN: lambda query, rows: np.linalg.norm(rows - query, axis=1),
    Metric.MANHATTAN: lambda query, rows: np.abs(rows - query).sum(axis=1),
}


def _bits(metric: Metric, a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> Values:
    both, either = (a & b).sum(axis=1).astype(np.float64), (a | b).sum(axis=1).astype(np.float64)
    shared: Values = np.divide(both, either, out=np.ones(len(b)), where=either > 0)
    return either - both if metric is Metric.HAMMING else 1 - shared


def _sparse_dot(a: Sparse, b: Sparse) -> float:
    _, in_a, in_b = np.intersect1d(a.indices, b.indices, assume_unique=True, return_indices=True)
    return float(a.values[in_a].astype(np.float64) @ b.values[in_b].astype(np.float64))


def _max_sim(metric: Metric, query: npt.NDArray[Any], rows: npt.NDArray[Any]) -> float:
    best = max if metric.larger_is_nearer else min
    return float(sum(best(_dense(metric, row, rows)) for row in query))
