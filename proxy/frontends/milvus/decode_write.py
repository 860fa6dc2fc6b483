"""Insert, Upsert, Delete -> the model's writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from proxy.errors import Refused
from proxy.frontends.milvus.calls import SERVER_IDS, Incoming, every_partition, found, partition, prefix_only
from proxy.frontends.milvus.filter import filter_of
from proxy.frontends.milvus.messages import Message
from proxy.frontends.milvus.operand import Scope
from proxy.frontends.milvus.templates import templates
from proxy.milvus.columns import ids_of, is_dynamic, points_of
from proxy.milvus.schema import KNOWN, needed_vectors, server_made
from proxy.model.filter import HasId
from proxy.model.operation import DataWrite, Opaque, Patch, Put, Remove, RemoveWhere
from proxy.model.point import Key, Point, PointId
from proxy.model.schema import Field, FieldType, Schema, VectorKind
from proxy.ports import Catalog


def decode_write(call: Incoming, catalog: Catalog, reply: Message | None) -> DataWrite:
    """`reply`: the primary's MutationResult. Raises Refused (as Milvus would) and Unsupported."""
    schema = catalog.schema(found(call, catalog))
    match call.method:
        case "Insert":
            return _insert(call.message, schema, reply)
        case "Upsert":
            return _upsert(call.message, schema, reply)
        case _:
            return _delete(call.message, schema, catalog)


def _insert(message: Message, schema: Schema, reply: Message | None) -> Put | Opaque:
    made = ids_of(reply.IDs) if reply is not None else ()
    if schema.auto_id and not made and not _holds_key(message, schema):
        return Opaque(schema.collection, SERVER_IDS)
    points = _points(message, schema, made or None)
    return Put(schema.collection, _complete(points, message, schema), insert=True, complete=not _rules(schema).made)


def _upsert(message: Message, schema: Schema, reply: Message | None) -> Put | Patch:
    points = _points(message, schema, None)
    if message.partial_update and not message.field_ops:
        return Patch(schema.collection, points)
    if schema.auto_id:
        # Servers from 2.4 on give such a row another id: what was under the given one is gone.
        both = (*points, *_moved(points, ids_of(reply.IDs) if reply is not None else ()))
        return Put(schema.collection, both, complete=False)
    if message.partial_update:
        return Put(schema.collection, points, complete=False)
    return Put(schema.collection, _complete(points, message, schema), complete=not _rules(schema).made)


def _delete(message: Message, schema: Schema, catalog: Catalog) -> Remove | RemoveWhere:
    named = bool(message.partition_name) and not schema.partition_key
    where = (partition(schema, message.partition_name),) if named else every_partition(schema)
    if not message.expr.strip():
        return Remove(schema.collection, frozenset())
    scope = Scope(schema, templates(message.expr_template_values), prefix_only(catalog))
    match filter_of(message.expr, scope):
        case HasId(ids):
            return Remove(schema.collection, frozenset(Key(schema.collection, p, id) for p in where for id in ids))
        case condition:
            return RemoveWhere(schema.collection, condition, where if named else None)


def _points(message: Message, schema: Schema, ids: Sequence[PointId] | None) -> tuple[Point, ...]:
    where = None if schema.partition_key else partition(schema, message.partition_name)
    return points_of(schema, message.fields_data, message.num_rows, where, ids)


def _moved(points: Sequence[Point], ids: Sequence[PointId]) -> Iterable[Point]:
    return (replace(point, key=point.key._replace(id=id)) for point, id in zip(points, ids, strict=False))


def _holds_key(message: Message, schema: Schema) -> bool:
    return any(column.field_name == schema.id_name for column in message.fields_data)


# ---- the whole state: what the server fills in, and what it would not have accepted ----


@dataclass(frozen=True, slots=True)
class _Rules:
    """What each write is asked about. `made`: whether the server adds what no request holds and a reader sees; `dims` of dense
    vectors; `optional`: what may be missing; `limits`: bytes of texts."""

    made: bool

    dims: Mapping[str, int | None]
    needed: tuple[str, ...]
    known: frozenset[str]
    optional: tuple[Field, ...]
    limits: tuple[tuple[str, int], ...]


_RULES: Final[dict[int, tuple[Schema, _Rules]]] = {}
"""By the schema's identity, which lasts from one change of it to the next; with it, so that the identity is not another's."""


def _rules(schema: Schema) -> _Rules:
    known = _RULES.get(id(schema))
    if known is None:
        if len(_RULES) >= KNOWN:
            _RULES.clear()
        known = _RULES[id(schema)] = schema, _rules_of(schema)
    return known[1]


def _rules_of(schema: Schema) -> _Rules:
    fields, made = schema.fields.values(), server_made(schema)
    needed = (*needed_vectors(schema), *(field.name for field in fields if not field.nullable and field.default is None))
    limits = {field.name: field.max_length for field in fields if field.type is FieldType.STRING}
    return _Rules(
        made=not made.isdisjoint({*schema.vectors, *schema.fields}),
        dims={name: vector.dim for name, vector in schema.vectors.items() if vector.kind is VectorKind.DENSE},
        needed=tuple(name for name in needed if name not in made),
        known=frozenset((schema.id_name, *schema.vectors, *schema.fields)),
        optional=tuple(field for field in fields if field.nullable or field.default is not None),
        limits=tuple((name, limit) for name, limit in limits.items() if limit),
    )


def _complete(points: tuple[Point, ...], message: Message, schema: Schema) -> tuple[Point, ...]:
    rules = _rules(schema)
    _check_columns(message, rules, schema)
    _check_lengths(points, rules)
    return tuple(_filled(point, rules.optional) for point in points) if rules.optional else points


def _filled(point: Point, optional: Iterable[Field]) -> Point:
    absent = {field.name: field.default for field in optional if point.payload.get(field.name) is None}
    return replace(point, payload={**point.payload, **absent}) if absent else point


def _check_columns(message: Message, rules: _Rules, schema: Schema) -> None:
    there = {column.field_name: column for column in message.fields_data if not is_dynamic(column)}
    for name, wanted in rules.dims.items():
        if name in there and (dim := there[name].vectors.dim) != wanted:
            raise Refused(f"the dim ({dim}) of field data({name}) is not equal to schema dim ({wanted})")
    for name in rules.needed:
        if name not in there:
            raise Refused(f"fieldSchema({name}) has no corresponding fieldData pass in")
    for name in there:
        if name not in rules.known:
            raise Refused(f"the field {name} is not in the schema of {schema.collection}")


def _check_lengths(points: Iterable[Point], rules: _Rules) -> None:
    for name, limit in rules.limits:
        for row, point in enumerate(points):
            text = point.payload.get(name)
            if isinstance(text, str) and len(text) * 4 > limit and len(text.encode()) > limit:
                raise Refused(f"length of varchar field {name} exceeds max length, row number: {row}, max length: {limit}")
