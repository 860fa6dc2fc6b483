"""A point's vectors as Qdrant stores them: cosine ones at length 1, small datatypes rounded, sparse ones in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from qdrant_client import models as m

from proxy.errors import Reason, Refused
from proxy.frontends.qdrant.calls import KindRefusal
from proxy.model.point import Sparse, Vector
from proxy.model.schema import Metric, Schema, VectorField, VectorKind
from proxy.qdrant.kinds import FORMAT, VALIDATION
from proxy.qdrant.schema import Datatype, datatype_of

Floats: TypeAlias = npt.NDArray[np.float32]
_ZERO: Final = float(np.finfo(np.float32).eps)
_UNIT: Final = 1e-6
"""How near the square of a length is to 0 or 1 for Qdrant to leave the vector as it is."""


def stored_vectors(raw: Any, schema: Schema) -> dict[str, Vector]:
    """Raises Refused for what does not belong to the collection."""
    if raw is None:
        return {}
    named: Mapping[str, Any] = raw if isinstance(raw, dict) else {"": raw}
    return {name: stored_vector(_declared(name, schema), each, schema) for name, each in named.items()}


def stored_vector(field: VectorField, raw: Any, schema: Schema) -> Vector:
    if isinstance(raw, m.SparseVector):
        _need(field.kind is VectorKind.SPARSE, "Wrong usage of sparse vectors")
        return sparse(raw)
    _need(field.kind is not VectorKind.SPARSE, "Wrong usage of sparse vectors")
    values = dense(raw)
    _need(values.ndim == 1 or field.kind is VectorKind.MULTI, "Wrong usage of multi vectors")
    _need(values.shape[-1] == field.dim, f"Vector dimension error: expected dim: {field.dim}, got {values.shape[-1]}")
    rows = values.reshape(1, -1) if field.kind is VectorKind.MULTI and values.ndim == 1 else values
    return _stored(rows, field, datatype_of(schema, field.name))


def dense(raw: Any) -> Floats:
    """One vector, or the rows of a multivector. Raises Refused for text or a picture that the server would make one of."""
    if not isinstance(raw, list):
        raise Refused(f"vectors made by the server ({type(raw).__name__}) cannot be followed", Reason.UNSUPPORTED)
    try:
        with np.errstate(over="ignore"):  # beyond float32 it is infinite, as there
            values = np.array(raw, np.float64).astype(np.float32)
    except ValueError as error:
        raise KindRefusal("[vectors: all vectors of a multivector must have the same dimension]", VALIDATION) from error
    if not values.size or values.ndim > 2:
        raise KindRefusal("[vector: must not be empty]", VALIDATION)
    return values


def sparse(raw: m.SparseVector) -> Sparse:
    if len(raw.indices) != len(raw.values):
        raise KindRefusal("[values: must be the same length as indices]", VALIDATION)
    if any(not 0 <= index < 2**32 for index in raw.indices):
        raise KindRefusal("indices: must be unsigned 32-bit integers", FORMAT)
    indices = np.array(raw.indices, np.uint32)
    order = np.argsort(indices, kind="stable")
    if len(np.unique(indices)) != len(indices):
        raise KindRefusal("[indices: must be unique]", VALIDATION)
    return Sparse(indices[order], np.array(raw.values, np.float32)[order])


def _stored(values: Floats, field: VectorField, datatype: Datatype) -> Floats:
    match datatype:
        case Datatype.UINT8:
            # Truncated and cut off, and never normalised.
            return np.nan_to_num(np.trunc(values), nan=0.0).clip(0, 255).astype(np.float32)
        case Datatype.FLOAT16:
            with np.errstate(over="ignore"):
                return _directed(values, field).astype(np.float16).astype(np.float32)
        case Datatype.FLOAT32:
            return _directed(values, field)
        case Datatype.OTHER:
            raise Refused(f"the datatype of vector {field.name!r} is not known here", Reason.UNSUPPORTED)


def _directed(values: Floats, field: VectorField) -> Floats:
    if field.metric is not Metric.COSINE:
        return values
    wide = values.astype(np.float64)
    squares = (wide * wide).sum(axis=-1, keepdims=True)
    kept = (squares < _ZERO) | (np.abs(squares - 1) <= _UNIT)
    with np.errstate(invalid="ignore"):  # infinite lengths: NaN, as there
        return np.where(kept, values, (wide / np.where(kept, 1.0, np.sqrt(squares))).astype(np.float32))


def _declared(name: str, schema: Schema) -> VectorField:
    if name not in schema.vectors:
        raise Refused(f"Not existing vector name error: {name}")
    return schema.vectors[name]


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Refused(otherwise)
