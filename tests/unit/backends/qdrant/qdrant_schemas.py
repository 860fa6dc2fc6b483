"""Schemas and points for the tests of this folder."""

from __future__ import annotations

from typing import Any

from proxy.model.point import Key, Point, PointId, Vector
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind

COLLECTION = "c"


def dense(metric: Metric | None = Metric.COSINE, dtype: DType = DType.FLOAT32, dim: int = 2, name: str = "v") -> VectorField:
    return VectorField(name, VectorKind.DENSE, dim, metric, dtype)


def schema(*vectors: VectorField, id_kind: IdKind = IdKind.INT64, fields: tuple[Field, ...] = (), **rest: Any) -> Schema:
    named = {vector.name: vector for vector in (vectors or (dense(),))}
    return Schema(COLLECTION, named, {field.name: field for field in fields}, id_kind=id_kind, **rest)


def key(identity: PointId, partition: str | None = None, collection: str = COLLECTION) -> Key:
    return Key(collection, partition, identity)


def point(identity: PointId | Key, payload: dict[str, Any] | None = None, **vectors: Vector) -> Point:
    return Point(identity if isinstance(identity, Key) else key(identity), vectors, payload or {})


RANK = Field("rank", FieldType.INT64)
