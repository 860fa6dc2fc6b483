"""Vectors that a point may lack, and types that Milvus lacks. Pure.

Milvus wants every vector of every row. In the place of one that the point does not have is a filler, and a column beside each
vector says what is there; searches by that vector ask for `PRESENT` only.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np

from proxy.model.point import Sparse, Vector
from proxy.model.schema import DType, VectorField, VectorKind


class Presence(IntEnum):
    """As stored."""

    ABSENT = 0
    PRESENT = 1
    EMPTY = 2
    """A sparse vector without components, which Milvus does not take and no search by product finds."""


WIDENED: Final = frozenset({DType.INT8, DType.UINT8})
"""Stored as float32, which holds all their values: Milvus got int8 late and has no uint8."""
_NARROW: Final = {DType.INT8: np.int8, DType.UINT8: np.uint8}


def presence_of(vector: Vector | None) -> Presence:
    if vector is None:
        return Presence.ABSENT
    return Presence.EMPTY if isinstance(vector, Sparse) and not len(vector.indices) else Presence.PRESENT


def filler(field: VectorField) -> Vector:
    """Of length 1, so that every metric takes it."""
    if field.kind is VectorKind.SPARSE:
        return Sparse(np.zeros(1, np.uint32), np.ones(1, np.float32))
    if field.dtype is DType.BINARY:
        return np.zeros(field.dim // 8, np.uint8)
    row = np.zeros(field.dim, np.float16 if field.dtype is DType.FLOAT16 else np.float32)
    row[0] = 1
    return row


def empty() -> Sparse:
    return Sparse(np.zeros(0, np.uint32), np.zeros(0, np.float32))


def narrowed(vector: Vector, field: VectorField) -> Vector:
    """As it was written."""
    if isinstance(vector, Sparse) or field.dtype not in WIDENED:
        return vector
    return np.rint(vector).astype(_NARROW[field.dtype])
