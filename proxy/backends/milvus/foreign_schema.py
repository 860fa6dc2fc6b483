"""The schema of a foreign collection in Milvus's own terms. Pure.

Where fields may hold anything whatever the schema says (`is_loose`), none is a column: the payload is in the dynamic field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from proxy.backends.milvus.foreign_ids import MAPPED
from proxy.backends.milvus.foreign_large import REST
from proxy.backends.milvus.foreign_names import ID, identifier
from proxy.backends.milvus.foreign_vectors import WIDENED
from proxy.milvus.schema import MAX_LENGTH, SCALAR_CODES
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind

NO_VECTOR: Final = VectorField("__none__", VectorKind.DENSE, 2, Metric.EUCLIDEAN)
"""The vector that Milvus wants where the collection has none."""
_REST: Final = Field(REST, FieldType.ARRAY, FieldType.STRING, MAX_LENGTH)


def is_foreign(schema: Schema) -> bool:
    return "described" not in schema.native


def is_loose(schema: Schema) -> bool:
    """Collections of products that know no types, or allow a declared field to be missing."""
    return is_foreign(schema) and schema.id_kind in MAPPED


def stored_schema(schema: Schema, columns: Mapping[str, str], guards: Mapping[str, str], *, rename: bool) -> Schema:
    """`columns` and `guards`: see landing.py. `rename`: the collection's name may be one that Milvus does not take."""
    vectors = [_stored_vector(schema.vectors[name], column) for name, column in columns.items()] or [NO_VECTOR]
    declared = {} if is_loose(schema) else {n: _stored_field(f) for n, f in schema.fields.items() if _is_column(f)}
    ours = [_REST] if is_loose(schema) else []
    beside = [Field(column, FieldType.INT8) for column in guards.values()]
    mapped = schema.id_kind in MAPPED
    return replace(
        schema,
        collection=identifier(schema.collection) if rename else schema.collection,
        vectors={field.name: field for field in vectors},
        fields=declared | {field.name: field for field in (*beside, *ours)},
        id_kind=IdKind.STRING if mapped else schema.id_kind,
        id_name=ID if mapped else schema.id_name,
        native={},
    )


def _stored_vector(field: VectorField, column: str) -> VectorField:
    return replace(field, name=column, dtype=DType.FLOAT32 if field.dtype in WIDENED else field.dtype, index={})


def _is_column(field: Field) -> bool:
    return field.type in SCALAR_CODES and (field.element is None or field.element in SCALAR_CODES)


def _stored_field(field: Field) -> Field:
    text = FieldType.STRING in (field.type, field.element)
    return replace(field, max_length=field.max_length or MAX_LENGTH) if text else field
