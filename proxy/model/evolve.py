"""What a schema becomes by a change of schema. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from proxy.model.operation import (
    AddVector,
    CreateIndex,
    CreatePartition,
    DropIndex,
    DropPartition,
    DropVector,
    RenameCollection,
    UpdateSettings,
)
from proxy.model.schema import Metric, Schema, VectorField

Evolution: TypeAlias = (
    CreateIndex | DropIndex | CreatePartition | DropPartition | RenameCollection | UpdateSettings | AddVector | DropVector
)
INDEXES: Final = "payload_schema"
"""In a schema's `native`, where its product tells its payload indexes by field: kept true by every change of one, which has the
product's own description of the index in its parameter of this name."""


def evolved(schema: Schema, change: Evolution) -> Schema:
    """Idempotent; what the schema does not have is left alone (an index on a dynamic field is no part of the schema)."""
    match change:
        case RenameCollection(_, to):
            return replace(schema, collection=to)
        case CreatePartition(_, partition):
            return schema.with_partitions(tuple(dict.fromkeys((*schema.partitions, partition))))
        case DropPartition(_, partition):
            return schema.with_partitions(tuple(name for name in schema.partitions if name != partition))
        case CreateIndex() | DropIndex():
            return _indexed(schema, change)
        case UpdateSettings(_, native, _):
            return replace(schema, native=native)
        case AddVector(_, field, native):
            return replace(schema, vectors={**schema.vectors, field.name: field}, native=native)
        case DropVector(_, name, native):
            return replace(schema, vectors={k: vector for k, vector in schema.vectors.items() if k != name}, native=native)


def _indexed(schema: Schema, change: CreateIndex | DropIndex) -> Schema:
    match change:
        case CreateIndex(_, field, _, params) if field in schema.vectors:
            vector = schema.vectors[field]
            metric = Metric(params["metric"]) if "metric" in params else vector.metric
            return replace(schema, vectors={**schema.vectors, field: replace(vector, metric=metric, index=dict(params))})
        case DropIndex(_, field, _) if field in schema.vectors:
            return replace(schema, vectors={**schema.vectors, field: replace(schema.vectors[field], metric=None, index={})})
        case CreateIndex(_, field, _, params):
            return _with_payload_index(schema, field, str(params.get("index_type", "")), params.get(INDEXES))
        case DropIndex(_, field, _):
            return _with_payload_index(schema, field, None, None)


def _with_payload_index(schema: Schema, name: str, index: str | None, told: Any) -> Schema:
    if INDEXES in schema.native:
        others = {field: kept for field, kept in schema.native[INDEXES].items() if field != name}
        indexes = others if told is None else {**others, name: told}
        schema = replace(schema, native={**schema.native, INDEXES: indexes})
    if name not in schema.fields:
        return schema
    return replace(schema, fields={**schema.fields, name: replace(schema.fields[name], index=index)})


def indexed(schema: Schema, field: str) -> bool | None:
    """Whether a vector or payload field has an index; None where the schema does not tell."""
    if field in schema.vectors:
        return bool(schema.vectors[field].index)
    if INDEXES in schema.native:
        return field in schema.native[INDEXES]
    return schema.fields[field].index is not None if field in schema.fields else None


def same_collection(a: Schema, b: Schema) -> bool:
    """Whether both hold the same data: indexes, partitions and the product's own settings aside."""
    return _shape(a) == _shape(b) and all(_metrics_agree(a.vectors[name], b.vectors[name]) for name in a.vectors)


def _metrics_agree(a: VectorField, b: VectorField) -> bool:
    return a.metric is None or b.metric is None or a.metric is b.metric


def _shape(schema: Schema) -> Mapping[str, object]:
    return {
        "vectors": {v.name: (v.kind, v.dim, v.dtype) for v in schema.vectors.values()},
        "fields": {f.name: (f.type, f.element, f.max_length, f.nullable) for f in schema.fields.values()},
        "id": (schema.id_kind, schema.id_name, schema.auto_id),
        "rest": (schema.dynamic, schema.partition_key),
    }
