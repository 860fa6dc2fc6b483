"""Writes: from a REST operation to the engine's, applied in the order given.

Owns: every point write. Not: fields of the request that only concern the reply (wait).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.engine import twin
from proxy.local.qdrant.errors import BAD_REQUEST, VALIDATION, Fault, absent, engine_faults
from proxy.local.qdrant.filters import compile_filter
from proxy.local.qdrant.shapes import Shapes, shapes_of
from proxy.local.qdrant.vectors import engine_id

_ENGINE = edge.UpdateOperation


def write(collection: Collection, operation: models.UpdateOperation) -> int:
    """Applies one operation; returns its number. Raises Fault, then nothing of an upsert was applied."""
    with engine_faults():
        compiled = OPERATIONS[type(operation)](operation, shapes_of(collection.settings))
    return collection.update(compiled)


def upsert(collection: Collection, points: list[edge.Point], only: edge.Filter | None, mode: models.UpdateMode | None) -> int:
    """`only`: existing points that do not match it stay as they are."""
    with engine_faults():
        operation = _upsert_points(points, only, mode)
    return collection.update(operation)


def refuse_shard_key(key: Any) -> None:
    if key is not None:
        raise absent("shard keys are")


def _upsert(found: models.PointsList | models.PointsBatch, shapes: Shapes) -> edge.UpdateOperation:
    refuse_shard_key(found.shard_key)
    points = _listed(found.points, shapes) if isinstance(found, models.PointsList) else _batched(found.batch, shapes)
    return _upsert_points(points, compile_filter(found.update_filter), found.update_mode)


def _upsert_points(points: list[edge.Point], only: edge.Filter | None, mode: models.UpdateMode | None) -> edge.UpdateOperation:
    if not points:
        raise Fault(BAD_REQUEST, "Empty update request")
    return _ENGINE.upsert_points(points, condition=only, update_mode=twin(mode))


def _listed(points: Sequence[models.PointStruct], shapes: Shapes) -> list[edge.Point]:
    return [edge.Point(engine_id(point.id), shapes.vectors(point.vector), point.payload or {}) for point in points]


def _batched(batch: models.Batch, shapes: Shapes) -> list[edge.Point]:
    """The columnar form."""
    vectors = _rows(batch.vectors, len(batch.ids))
    payloads: Sequence[Any] = batch.payloads if batch.payloads is not None else [None] * len(batch.ids)
    if not len(batch.ids) == len(vectors) == len(payloads):
        raise Fault(VALIDATION, "[batch: number of ids, vectors and payloads must be equal]")
    rows = zip(batch.ids, vectors, payloads, strict=True)
    return [edge.Point(engine_id(raw), shapes.vectors(vector), payload or {}) for raw, vector, payload in rows]


def _rows(vectors: Any, count: int) -> Sequence[Any]:
    if not isinstance(vectors, dict):
        return list(vectors)
    if any(len(column) != count for column in vectors.values()):
        raise Fault(VALIDATION, "[batch: number of ids and vectors must be equal]")
    return [{name: column[row] for name, column in vectors.items()} for row in range(count)]


def _update_vectors(found: models.UpdateVectors, shapes: Shapes) -> edge.UpdateOperation:
    refuse_shard_key(found.shard_key)
    if not found.points:
        raise Fault(BAD_REQUEST, "Empty update request")
    points = [edge.PointVectors(engine_id(point.id), shapes.vectors(point.vector)) for point in found.points]
    return _ENGINE.update_vectors(points, condition=compile_filter(found.update_filter))


def _set_payload(
    found: models.SetPayload, by_ids: Callable[..., edge.UpdateOperation], by_filter: Callable[..., edge.UpdateOperation]
) -> edge.UpdateOperation:
    return _select(found, by_ids, by_filter, found.payload, found.key)


def _select(
    found: Any, by_ids: Callable[..., edge.UpdateOperation], by_filter: Callable[..., edge.UpdateOperation], *rest: Any
) -> edge.UpdateOperation:
    """`found` names its points by `points` or by `filter`."""
    refuse_shard_key(found.shard_key)
    if (points := getattr(found, "points", None)) is not None:
        return by_ids([engine_id(raw) for raw in points], *rest)
    if (condition := getattr(found, "filter", None)) is not None:
        return by_filter(compile_filter(condition), *rest)
    raise Fault(VALIDATION, "[Either list of point ids or filter must be provided]")


OPERATIONS: Final[Mapping[type, Callable[[Any, Shapes], edge.UpdateOperation]]] = {
    models.UpsertOperation: lambda found, shapes: _upsert(found.upsert, shapes),
    models.DeleteOperation: lambda found, _: _select(found.delete, _ENGINE.delete_points, _ENGINE.delete_points_by_filter),
    models.SetPayloadOperation: lambda found, _: _set_payload(
        found.set_payload, _ENGINE.set_payload, _ENGINE.set_payload_by_filter
    ),
    models.OverwritePayloadOperation: lambda found, _: _set_payload(
        found.overwrite_payload, _ENGINE.overwrite_payload, _ENGINE.overwrite_payload_by_filter
    ),
    models.DeletePayloadOperation: lambda found, _: _select(
        found.delete_payload, _ENGINE.delete_payload, _ENGINE.delete_payload_by_filter, found.delete_payload.keys
    ),
    models.ClearPayloadOperation: lambda found, _: _select(
        found.clear_payload, _ENGINE.clear_payload, _ENGINE.clear_payload_by_filter
    ),
    models.UpdateVectorsOperation: lambda found, shapes: _update_vectors(found.update_vectors, shapes),
    models.DeleteVectorsOperation: lambda found, _: _select(
        found.delete_vectors, _ENGINE.delete_vectors, _ENGINE.delete_vectors_by_filter, found.delete_vectors.vector
    ),
}
