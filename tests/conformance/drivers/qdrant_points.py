"""Points and hits between the model and what the official client of Qdrant takes and gives. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import numpy as np
from conformance.drivers.qdrant_filter import can_be_said, key_of
from qdrant_client import models

from proxy.model.point import GeoPoint, Key, Point, PointId, Sparse, Vector

_NUMBERS: Final = 2**64
_UUIDS: Final = 2**128


# ---- ids ----


def id_of(found: PointId) -> int | str:
    return found if isinstance(found, int) else str(found)


def parse_id(found: int | str | UUID) -> int | UUID:
    return found if isinstance(found, int) else UUID(str(found))


def behind(found: PointId) -> int | str | None:
    """The least id that may follow, all numbers before all UUIDs; None at the end."""
    if isinstance(found, int):
        return found + 1 if found + 1 < _NUMBERS else str(UUID(int=0))
    following = UUID(str(found)).int + 1
    return str(UUID(int=following)) if following < _UUIDS else None


# ---- points ----


def struct_of(point: Point) -> models.PointStruct:
    vectors: dict[str, Any] = {name: vector_of(vector) for name, vector in point.vectors.items()}
    payload = {name: _json(value) for name, value in point.payload.items()}
    return models.PointStruct(id=id_of(point.key.id), vector=vectors, payload=payload)


def vector_of(vector: Vector) -> Any:
    """Of any models.VectorInput."""
    if isinstance(vector, Sparse):
        return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
    return vector.tolist()


def parse_point(found: models.Record | models.ScoredPoint, collection: str, fields: tuple[str, ...] | None) -> Point:
    payload = found.payload or {}
    shown = payload if fields is None else {name: payload[name] for name in fields if name in payload}
    assert fields is None or sayable(fields) is None or shown == payload, "what was not asked for came along"
    return Point(Key(collection, None, parse_id(found.id)), _vectors(found.vector), shown)


def _vectors(found: Any) -> dict[str, Vector]:
    return {name: _vector(vector) for name, vector in (found or {}).items()}


def _vector(found: models.SparseVector | list[Any]) -> Vector:
    if isinstance(found, models.SparseVector):
        return Sparse(np.array(found.indices, np.uint32), np.array(found.values, np.float32))
    return np.array(found, np.float32)


def _json(value: Any) -> Any:
    return {"lon": value.lon, "lat": value.lat} if isinstance(value, GeoPoint) else value


# ---- what is to be shown ----


def payload_selector(fields: tuple[str, ...] | None) -> bool | list[str]:
    if fields is None or not fields:
        return fields is None
    said = sayable(fields)
    return True if said is None else said


def sayable(fields: tuple[str, ...]) -> list[str] | None:
    """None: one of them has no path, so the whole payload is asked for."""
    return [key_of((name,)) for name in fields] if all(map(can_be_said, fields)) else None


def vector_selector(names: tuple[str, ...] | None, declared: Mapping[str, Any]) -> bool | list[str]:
    return bool(declared) if names is None else list(names) or False
