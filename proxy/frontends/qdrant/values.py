"""Vectors and payloads, between Qdrant's JSON and the model. Pure.

Owns: which vectors a collection takes (in Qdrant's words where it does not), and how numbers print: a
float32 as the shortest text that is that float32 (orjson's way with numpy). Payloads are JSON on both sides; what JSON lacks
takes the form in which Qdrant has it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from proxy.errors import Reason, Refused
from proxy.frontends.qdrant.words import TARGET
from proxy.model.point import GeoPoint, Payload, PointId, Sparse, Vector
from proxy.model.schema import Schema, VectorField, VectorKind
from proxy.model.times import instant

UNNAMED: Final = ""
Floats: TypeAlias = npt.NDArray[np.float32]
_MAX_INDEX: Final = 2**32


# ---- vectors in ----


def vectors_of(raw: Any, schema: Schema) -> dict[str, Vector]:
    """Of a point: one unnamed, or several by name. Raises Refused as Qdrant does."""
    named = raw if isinstance(raw, Mapping) else {UNNAMED: raw}
    return {name: vector_of(vector, field_of(schema, name)) for name, vector in named.items()}


def field_of(schema: Schema, name: str) -> VectorField:
    if name not in schema.vectors:
        raise Refused(f"Not existing vector name error: {name}")
    return schema.vectors[name]


def vector_of(raw: Any, field: VectorField) -> Vector:
    """As it was sent; vectors.py rounds it as Qdrant does. Raises Refused."""
    match raw, field.kind:
        case (models.SparseVector(), VectorKind.SPARSE):
            return _sparse(raw)
        case (models.SparseVector(), _) | (_, VectorKind.SPARSE):
            raise Refused("Wrong usage of sparse vectors")
        case (list() | np.ndarray(), _):
            return _dense(raw, field)
        case _:
            raise Refused(f"inference ({type(raw).__name__}) is not supported by {TARGET}", Reason.UNSUPPORTED)


def _sparse(raw: models.SparseVector) -> Sparse:
    if len(raw.indices) != len(raw.values):
        raise Refused("[values: must be the same length as indices]")
    if len(set(raw.indices)) != len(raw.indices):
        raise Refused("[indices: must be unique]")
    if any(not 0 <= index < _MAX_INDEX for index in raw.indices):
        raise Refused("indices: must be unsigned 32-bit integers")
    indices = np.array(raw.indices, np.uint32)
    order = np.argsort(indices)
    return Sparse(indices[order], floats(raw.values)[order])


def floats(raw: Any) -> Floats:
    """Raises ValueError for rows of different lengths."""
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, as there
        return np.array(raw, np.float32)


def _dense(raw: Any, field: VectorField) -> Floats:
    try:
        values = floats(raw)
    except ValueError:
        raise Refused("[vectors: all vectors of a multivector must have the same, non-zero dimension]") from None
    if values.ndim == 1 and field.kind is VectorKind.MULTI:
        values = values[np.newaxis]
    if values.ndim != (2 if field.kind is VectorKind.MULTI else 1):
        raise Refused("Wrong usage of multi vectors")
    if values.shape[-1] != field.dim:
        raise Refused(f"Vector dimension error: expected dim: {field.dim}, got {values.shape[-1]}")
    return values


# ---- vectors out ----


def vectors_json(vectors: Mapping[str, Vector], schema: Schema) -> Any:
    """Bare where the collection's vector has no name. For orjson with OPT_SERIALIZE_NUMPY."""
    if schema.vectors.keys() == {UNNAMED} and UNNAMED in vectors:
        return vector_json(vectors[UNNAMED])
    return {name: vector_json(vector) for name, vector in vectors.items()}


def vector_json(vector: Vector) -> Any:
    if isinstance(vector, Sparse):
        return {"indices": vector.indices.tolist(), "values": np.ascontiguousarray(vector.values, np.float32)}
    return np.ascontiguousarray(vector, np.float32)


# ---- payloads, ids ----


def payload_json(payload: Payload) -> dict[str, Any]:
    return {name: _json(value) for name, value in payload.items()}


def id_json(found: PointId) -> int | str:
    """UUIDs in lower case with hyphens."""
    return found if isinstance(found, int) else str(found)


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {name: _json(each) for name, each in value.items()}
        case list():
            return [_json(each) for each in value]
        case datetime():
            return instant(value).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case GeoPoint(lon, lat):
            return {"lon": lon, "lat": lat}
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return value
