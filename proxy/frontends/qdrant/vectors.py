"""A point's vectors as Qdrant stores them: cosine ones at length 1, those of small datatypes rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from proxy.errors import Reason, Refused
from proxy.frontends.qdrant.values import UNNAMED, Floats, field_of, floats, vectors_of
from proxy.model.point import Sparse, Vector
from proxy.model.schema import Metric, Schema, VectorField, VectorKind
from proxy.qdrant.schema import Datatype, datatype_of

_ZERO: Final = float(np.finfo(np.float32).eps)
_UNIT: Final = 1e-6
"""How near the square of a length is to 0 or 1 for Qdrant to leave the vector as it is."""


def stored_vectors(raw: Any, schema: Schema) -> dict[str, Vector]:
    """Raises Refused for what does not belong to the collection."""
    found = {} if raw is None else vectors_of(raw, schema)
    return {name: stored_vector(vector, schema, name) for name, vector in found.items()}


def stored_alike(raws: Sequence[Any], schema: Schema) -> list[dict[str, Vector]] | None:
    """The vectors of many points, each kind in one step. None where points differ in what they have, or it is not plain: then
    they are to be taken one by one."""
    named = [raw if isinstance(raw, Mapping) else {UNNAMED: raw} for raw in raws]
    names = named[0].keys()
    if not names or any(each.keys() != names for each in named):
        return None
    columns = [_stored_column([each[name] for each in named], schema, name) for name in names]
    rows = zip(*(column for column in columns if column is not None), strict=True)
    return None if any(column is None for column in columns) else [dict(zip(names, row, strict=True)) for row in rows]


def _stored_column(rows: Sequence[Any], schema: Schema, name: str) -> Floats | None:
    """(points, dim); None where they are not all dense vectors of the collection."""
    field = schema.vectors.get(name)
    if field is None or field.kind is not VectorKind.DENSE or not all(isinstance(row, list | np.ndarray) for row in rows):
        return None
    try:
        values = floats(rows)
    except ValueError:
        return None
    return _stored_dense(values, field, datatype_of(schema, name)) if values.shape == (len(rows), field.dim) else None


def stored_vector(vector: Vector, schema: Schema, name: str) -> Vector:
    """Qdrant rounds the vector of a query in the same way."""
    return _stored(vector, field_of(schema, name), datatype_of(schema, name))


def _stored(vector: Vector, field: VectorField, datatype: Datatype) -> Vector:
    if isinstance(vector, Sparse):
        return _stored_sparse(vector, field, datatype)
    return _stored_dense(vector.astype(np.float32, copy=False), field, datatype)


def _stored_dense(values: Floats, field: VectorField, datatype: Datatype) -> Floats:
    """Of one vector, or of a row for each."""
    match datatype:
        case Datatype.FLOAT32:
            return _directed(values, field)
        case Datatype.FLOAT16:
            return _halved(_directed(values, field))
        case Datatype.UINT8:
            # Truncated and cut off, and never normalised.
            return np.trunc(np.nan_to_num(values, nan=0.0)).clip(0, 255).astype(np.float32)
        case Datatype.OTHER:
            raise Refused(f"the datatype of vector {field.name!r} is not known here", Reason.UNSUPPORTED)


def _stored_sparse(vector: Sparse, field: VectorField, datatype: Datatype) -> Sparse:
    match datatype:
        case Datatype.FLOAT32:
            return vector
        case Datatype.FLOAT16:
            return Sparse(vector.indices, _halved(vector.values))
        case _:
            # Its scale is the server's own.
            raise Refused(f"sparse vectors of datatype {datatype} ({field.name!r}) cannot be followed", Reason.UNSUPPORTED)


def _halved(values: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def _directed(values: Floats, field: VectorField) -> Floats:
    if field.metric is not Metric.COSINE:
        return values
    wide = values.astype(np.float64)
    squares = (wide * wide).sum(axis=-1, keepdims=True)
    kept = (squares < _ZERO) | (np.abs(squares - 1) <= _UNIT)
    with np.errstate(invalid="ignore"):  # of an infinite length: NaN, as there
        units: Floats = np.where(kept, values, (wide / np.where(kept, 1.0, np.sqrt(squares))).astype(np.float32))
    return units
