"""Writes of points -> the model's. What Qdrant changes as it stores (cosine vectors, datatypes) is changed here likewise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from qdrant_client import models as m

from proxy.errors import Refused
from proxy.frontends.qdrant.calls import Call, KindRefusal, found, refuse_shard_keys
from proxy.frontends.qdrant.filter import filter_of
from proxy.frontends.qdrant.ids import point_id
from proxy.frontends.qdrant.paths import place
from proxy.frontends.qdrant.routes import Action
from proxy.frontends.qdrant.vectors import stored_alike, stored_vectors
from proxy.model.edit import Change, DropFields, DropVectors, MergePayload, ReplacePayload
from proxy.model.filter import EVERYTHING, AnyOf, Filter
from proxy.model.operation import Batch, DataWrite, Edit, EditWhere, Patch, Put, PutIf, Remove, RemoveWhere, SingleWrite
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.ports import Catalog
from proxy.qdrant.kinds import BAD_REQUEST, VALIDATION

Decoder: TypeAlias = Callable[[Any, Schema], SingleWrite]
_NEVER: Final = AnyOf(())


def decode_write(call: Call, catalog: Catalog) -> DataWrite:
    """Raises Refused as Qdrant would, and Unsupported."""
    schema = catalog.schema(found(call, catalog))
    if call.action is Action.UPDATE_BATCH:
        return Batch(schema.collection, tuple(_operation(each, schema) for each in call.body.operations))
    return _DECODERS[call.action](call.body, schema)


def _operation(operation: m.UpdateOperation, schema: Schema) -> SingleWrite:
    action, field = _OPERATIONS[type(operation)]
    return _DECODERS[action](getattr(operation, field), schema)


# ---- whole points ----


def _upsert(body: m.PointsList | m.PointsBatch, schema: Schema) -> SingleWrite:
    refuse_shard_keys(body.shard_key)
    structs = body.points if isinstance(body, m.PointsList) else _rows(body.batch)
    points = _points(_some(structs), schema)
    if body.update_filter is None and body.update_mode in (None, m.UpdateMode.UPSERT):
        return Put(schema.collection, points)
    present = _NEVER if body.update_mode is m.UpdateMode.INSERT_ONLY else filter_of(body.update_filter)
    return PutIf(schema.collection, points, body.update_mode is not m.UpdateMode.UPDATE_ONLY, present)


def _rows(batch: m.Batch) -> list[m.PointStruct]:
    """The columnar form."""
    vectors = _vector_rows(batch.vectors, len(batch.ids))
    payloads: Sequence[Any] = batch.payloads if batch.payloads is not None else [None] * len(batch.ids)
    if not len(batch.ids) == len(vectors) == len(payloads):
        raise KindRefusal("[batch: number of ids, vectors and payloads must be equal]", VALIDATION)
    rows = zip(batch.ids, vectors, payloads, strict=True)
    return [m.PointStruct.model_construct(id=raw, vector=vector, payload=payload) for raw, vector, payload in rows]


def _vector_rows(vectors: Any, count: int) -> Sequence[Any]:
    if not isinstance(vectors, dict):
        return list(vectors)
    if any(len(column) != count for column in vectors.values()):
        raise KindRefusal("[batch: number of ids and vectors must be equal]", VALIDATION)
    return [{name: column[row] for name, column in vectors.items()} for row in range(count)]


def _points(structs: Sequence[Any], schema: Schema) -> tuple[Point, ...]:
    alike = stored_alike([each.vector for each in structs], schema)
    if alike is None:
        return tuple(_point(each, schema) for each in structs)
    rows = zip(structs, alike, strict=True)
    return tuple(Point(_key(each.id, schema), vectors, each.payload or {}) for each, vectors in rows)


def _point(struct: m.PointStruct, schema: Schema) -> Point:
    return Point(_key(struct.id, schema), stored_vectors(struct.vector, schema), struct.payload or {})


def _update_vectors(body: m.UpdateVectors, schema: Schema) -> Patch:
    refuse_shard_keys(body.shard_key)
    points = tuple(Point(_key(e.id, schema), stored_vectors(e.vector, schema)) for e in _some(body.points))
    return Patch(schema.collection, points, filter_of(body.update_filter), must_exist=True)


def _some(points: Sequence[Any]) -> Sequence[Any]:
    if not points:
        raise KindRefusal("Empty update request", BAD_REQUEST)
    return points


# ---- by ids or by filter ----


def _delete(body: m.PointIdsList | m.FilterSelector, schema: Schema) -> Remove | RemoveWhere:
    keys, condition = _selected(body, schema)
    if keys is None:
        return RemoveWhere(schema.collection, condition)
    return Remove(schema.collection, frozenset(keys))


def _edits(change: Callable[[Any, Schema], Change]) -> Decoder:
    def decode(body: Any, schema: Schema) -> Edit | EditWhere:
        keys, condition = _selected(body, schema)
        if keys is None:
            return EditWhere(schema.collection, condition, change(body, schema))
        return Edit(schema.collection, keys, change(body, schema))

    return decode


def _selected(body: Any, schema: Schema) -> tuple[tuple[Key, ...] | None, Filter]:
    """Qdrant takes the ids where a request has both."""
    refuse_shard_keys(body.shard_key)
    if (points := getattr(body, "points", None)) is not None:
        return tuple(_key(each, schema) for each in points), EVERYTHING
    if (condition := getattr(body, "filter", None)) is not None:
        return None, filter_of(condition)
    raise KindRefusal("[Either list of point ids or filter must be provided]", VALIDATION)


def _merge(body: m.SetPayload, _: Schema) -> Change:
    return MergePayload(body.payload, place(body.key) if body.key is not None else ())


def _drop_vectors(body: m.DeleteVectors, schema: Schema) -> Change:
    for name in body.vector:
        if name not in schema.vectors:
            raise Refused(f"Not existing vector name error: {name}")
    return DropVectors(tuple(body.vector))


def _key(raw: Any, schema: Schema) -> Key:
    return Key(schema.collection, None, point_id(raw))


_DECODERS: Final[Mapping[Action, Decoder]] = {
    Action.UPSERT: _upsert,
    Action.UPDATE_VECTORS: _update_vectors,
    Action.DELETE: _delete,
    Action.SET_PAYLOAD: _edits(_merge),
    Action.OVERWRITE_PAYLOAD: _edits(lambda body, _: ReplacePayload(body.payload)),
    Action.DELETE_PAYLOAD: _edits(lambda body, _: DropFields(tuple(map(place, body.keys)))),
    Action.CLEAR_PAYLOAD: _edits(lambda _, __: ReplacePayload({})),
    Action.DELETE_VECTORS: _edits(_drop_vectors),
}
_OPERATIONS: Final[Mapping[type, tuple[Action, str]]] = {
    m.UpsertOperation: (Action.UPSERT, "upsert"),
    m.DeleteOperation: (Action.DELETE, "delete"),
    m.SetPayloadOperation: (Action.SET_PAYLOAD, "set_payload"),
    m.OverwritePayloadOperation: (Action.OVERWRITE_PAYLOAD, "overwrite_payload"),
    m.DeletePayloadOperation: (Action.DELETE_PAYLOAD, "delete_payload"),
    m.ClearPayloadOperation: (Action.CLEAR_PAYLOAD, "clear_payload"),
    m.UpdateVectorsOperation: (Action.UPDATE_VECTORS, "update_vectors"),
    m.DeleteVectorsOperation: (Action.DELETE_VECTORS, "delete_vectors"),
}
