"""Point ids and vectors, between the REST models and the engine.

Owns: every check that the engine omits: a vector of the wrong inner shape makes it panic *after* its write-ahead log took the
operation, and then the collection can never be loaded again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.errors import FORMAT, VALIDATION, Fault, absent

EngineId: TypeAlias = int | UUID
EngineVector: TypeAlias = Any
"""list[float], list[list[float]] or edge.SparseVector."""


def engine_id(raw: int | str | UUID) -> EngineId:
    """Any of the spellings of a UUID is the same id. Raises Fault for anything but a u64 or a UUID."""
    try:
        if isinstance(raw, int) and 0 <= raw < 2**64:
            return raw
        if not isinstance(raw, int):
            return raw if isinstance(raw, UUID) else UUID(raw)
    except ValueError:
        pass  # not a UUID either
    raise Fault(FORMAT, f"value {raw} is not a valid point ID, valid values are either an unsigned integer or a UUID")


def engine_vector(vector: Any) -> EngineVector:
    """One vector, dense, multi or sparse. Raises Fault for a shape that is none."""
    match vector:
        case models.SparseVector():
            return _sparse(vector)
        case [[*_], *_]:
            return _multi(vector)
        case list():
            return vector
        case _:
            raise absent(f"server-side inference ({type(vector).__name__}) is")


def _sparse(vector: models.SparseVector) -> edge.SparseVector:
    if len(vector.indices) != len(vector.values):
        raise Fault(VALIDATION, "[values: must be the same length as indices]")
    if len(set(vector.indices)) != len(vector.indices):
        raise Fault(VALIDATION, "[indices: must be unique]")
    if any(not 0 <= index < 2**32 for index in vector.indices):
        raise Fault(FORMAT, "indices: must be unsigned 32-bit integers")
    return edge.SparseVector(vector.indices, vector.values)


def _multi(vector: list[list[float]]) -> list[list[float]]:
    if not vector[0] or any(len(row) != len(vector[0]) for row in vector):
        raise Fault(VALIDATION, "[vectors: all vectors of a multivector must have the same, non-zero dimension]")
    return vector


def average(positives: Sequence[EngineVector], negatives: Sequence[EngineVector]) -> EngineVector:
    """What `average_vector` searches for: mean(p), or 2 * mean(p) - mean(n)."""
    if any(isinstance(vector, edge.SparseVector) for vector in (*positives, *negatives)):
        return _average_sparse(positives, negatives)
    if isinstance(positives[0][0], list):
        return [row for vector in positives for row in vector] + [[-x for x in row] for vector in negatives for row in vector]
    try:
        mean = np.mean(np.array(positives, np.float32), axis=0)
        towards = 2 * mean - np.mean(np.array(negatives, np.float32), axis=0) if negatives else mean
    except ValueError as error:
        raise Fault(VALIDATION, "[recommend: the examples have different dimensions]") from error
    return list(towards.tolist())


def _average_sparse(positives: Sequence[EngineVector], negatives: Sequence[EngineVector]) -> edge.SparseVector:
    mean = _mean_sparse(positives)
    if negatives:
        away = _mean_sparse(negatives)
        mean = {index: 2 * mean.get(index, 0.0) - away.get(index, 0.0) for index in mean.keys() | away.keys()}
    return edge.SparseVector(list(mean), list(mean.values()))


def _mean_sparse(vectors: Sequence[EngineVector]) -> dict[int, float]:
    total: dict[int, float] = {}
    for vector in vectors:
        for index, value in zip(vector.indices, vector.values, strict=True):
            total[index] = total.get(index, 0.0) + value / len(vectors)
    return total
