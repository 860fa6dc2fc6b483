"""Rows: Milvus's columns (FieldData) <-> the model's points.

Null rows: a request leaves them out of its data, a reply fills their place; both name them in `valid_data`.
The dynamic column's keys are merged into the payload. Not here: which fields a request wants (frontend and backend know).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from proxy.errors import Refused
from proxy.milvus.schema import META, collection_schema, field_ids, pairs, server_made
from proxy.milvus.sdk.grpc_gen import schema_pb2
from proxy.model.point import Point, PointId, Sparse, Value, Vector, keys_of_ids
from proxy.model.schema import Schema


class Nulls(Enum):
    """Where the rows without a value are."""

    OMITTED = "omitted"
    """As in a request."""
    IN_PLACE = "in place"
    """As in a reply."""


SCALAR_LISTS: Final[Mapping[int, str]] = {
    schema_pb2.Bool: "bool_data",
    schema_pb2.Int8: "int_data",
    schema_pb2.Int16: "int_data",
    schema_pb2.Int32: "int_data",
    schema_pb2.Int64: "long_data",
    schema_pb2.Float: "float_data",
    schema_pb2.Double: "double_data",
    schema_pb2.String: "string_data",
    schema_pb2.VarChar: "string_data",
    schema_pb2.Text: "string_data",
    schema_pb2.JSON: "json_data",
    schema_pb2.Array: "array_data",
}
_BLANKS: Final[Mapping[str, Any]] = {
    "bool_data": False,
    "int_data": 0,
    "long_data": 0,
    "float_data": 0.0,
    "double_data": 0.0,
    "string_data": "",
    "json_data": b"null",
    "array_data": schema_pb2.ScalarField(),
}
_ELEMENT_LISTS: Final = ("bool_data", "int_data", "long_data", "float_data", "double_data", "string_data", "json_data")
_BYTE_VECTORS: Final[Mapping[int, str]] = {
    schema_pb2.BinaryVector: "binary_vector",
    schema_pb2.Float16Vector: "float16_vector",
    schema_pb2.BFloat16Vector: "bfloat16_vector",
    schema_pb2.Int8Vector: "int8_vector",
}
_BYTE_TYPES: Final[Mapping[int, npt.DTypeLike]] = {
    schema_pb2.BinaryVector: np.uint8,
    schema_pb2.Float16Vector: np.dtype("<f2"),
    schema_pb2.BFloat16Vector: np.dtype("<u2"),
    schema_pb2.Int8Vector: np.int8,
}
_SPARSE_ENTRY: Final = np.dtype([("index", "<u4"), ("value", "<f4")])
_NONE: Final = np.empty(0, np.float32)
_PACKED_FIELD_1: Final = b"\x0a"
"""The protobuf tag of a packed repeated field with number 1."""


# ---- columns -> points ----


def points_of(
    schema: Schema,
    fields_data: Sequence[schema_pb2.FieldData],
    num_rows: int,
    partition: str | None,
    ids: Sequence[PointId] | None = None,
) -> tuple[Point, ...]:
    """`ids` where the columns hold none (made by the server). Raises Refused where the columns do not fit together."""
    payloads: list[dict[str, Value]] = [{} for _ in range(num_rows)]
    vectors: list[dict[str, Vector]] = [{} for _ in range(num_rows)]
    found = ids
    for column in fields_data:
        if is_dynamic(column):
            _merge(payloads, _in_place(column, values_of(column), num_rows))
        elif column.HasField("vectors"):
            _spread(vectors, column.field_name, _vector_rows(column, num_rows))
        elif column.field_name == schema.id_name:
            found = _in_place(column, values_of(column), num_rows)
        else:
            for payload, value in zip(payloads, _in_place(column, values_of(column), num_rows), strict=True):
                payload[column.field_name] = value
    if found is None or len(found) != num_rows:
        raise Refused(f"the primary key column {schema.id_name} of {schema.collection} does not hold {num_rows} rows")
    keys = keys_of_ids(schema.collection, partition, found)
    return tuple([Point(key, row, payload) for key, row, payload in zip(keys, vectors, payloads, strict=True)])


def ids_of(ids: schema_pb2.IDs) -> tuple[PointId, ...]:
    which = ids.WhichOneof("id_field")
    return tuple(getattr(ids, which).data) if which else ()


def ids_field(ids: Sequence[PointId], texts: bool) -> schema_pb2.IDs:
    return schema_pb2.IDs(**({"str_id": {"data": ids}} if texts else {"int_id": {"data": ids}}))


def is_dynamic(column: schema_pb2.FieldData) -> bool:
    # pymilvus 2.4 leaves the name of the dynamic column empty.
    return column.is_dynamic or (column.type == schema_pb2.JSON and column.field_name in ("", META))


def values_of(column: schema_pb2.FieldData) -> list[Any]:
    """The values as they lie in the column, nulls as the sender left them. Raises Refused on a type without a meaning."""
    name = SCALAR_LISTS.get(column.type)
    if name is None:
        raise Refused(f"the field {column.field_name} is of type {column.type}, which cannot be migrated")
    rows = getattr(column.scalars, name).data
    if name == "json_data":
        return [_json(row) for row in rows]
    return [elements(row) for row in rows] if name == "array_data" else list(rows)


def elements(array: schema_pb2.ScalarField) -> list[Any]:
    """One cell of an array column."""
    which = array.WhichOneof("data")
    if which is None:
        return []
    if which not in _ELEMENT_LISTS:
        raise Refused(f"arrays of {which} cannot be migrated")
    return list(getattr(array, which).data)


def _json(row: bytes) -> Value:
    try:
        value: Value = orjson.loads(row) if row else None
    except orjson.JSONDecodeError as error:
        raise Refused(f"a JSON value cannot be parsed: {error}") from error
    return value


def _in_place(column: schema_pb2.FieldData, values: Sequence[Any], num_rows: int) -> list[Any]:
    valid = column.valid_data
    if not valid:
        if len(values) != num_rows:
            raise Refused(f"the field {column.field_name} has {len(values)} rows, not {num_rows}")
        return list(values)
    if len(values) == num_rows:
        return [value if there else None for value, there in zip(values, valid, strict=True)]
    if len(valid) != num_rows or len(values) != sum(valid):
        raise Refused(f"the field {column.field_name} has {len(values)} values for {sum(valid)} valid rows of {num_rows}")
    rest = iter(values)
    return [next(rest) if there else None for there in valid]


def _merge(payloads: Sequence[dict[str, Value]], rows: Iterable[Any]) -> None:
    for payload, row in zip(payloads, rows, strict=True):
        if isinstance(row, dict):
            payload.update({key: value for key, value in row.items() if key not in payload})
        elif row is not None:
            raise Refused("the dynamic field must hold JSON objects")


def _spread(vectors: Sequence[dict[str, Vector]], name: str, rows: Iterable[Vector | None]) -> None:
    for row, vector in zip(vectors, rows, strict=True):
        if vector is not None:
            row[name] = vector


def _vector_rows(column: schema_pb2.FieldData, num_rows: int) -> Sequence[Vector | None]:
    field = column.vectors
    match field.WhichOneof("data"):
        case "float_vector":
            return _in_place(column, _rows(floats_of(field.float_vector), field.dim, column), num_rows)
        case "sparse_float_vector":
            return _in_place(column, [sparse_of(row) for row in field.sparse_float_vector.contents], num_rows)
        case name if column.type in _BYTE_VECTORS and name == _BYTE_VECTORS[column.type]:
            return _in_place(column, _rows(bytes_vector(column.type, getattr(field, name)), _width(column), column), num_rows)
        case None if column.valid_data:
            return _in_place(column, [], num_rows)
        case name:
            raise Refused(f"the vector field {column.field_name} ({name}) cannot be migrated")


def _width(column: schema_pb2.FieldData) -> int:
    dim: int = column.vectors.dim
    return dim // 8 if column.type == schema_pb2.BinaryVector else dim


def _rows(flat: npt.NDArray[Any], dim: int, column: schema_pb2.FieldData) -> list[npt.NDArray[Any]]:
    if dim <= 0 or len(flat) % dim:
        raise Refused(f"the length ({len(flat)}) of float data of {column.field_name} should divide the dim ({dim})")
    return list(flat.reshape(-1, dim))


def floats_of(array: schema_pb2.FloatArray) -> npt.NDArray[np.float32]:
    """(n,) float32."""
    # The packed bytes end the serialized form: a copy of memory, 150 times faster than a Python float for each number.
    raw, count = array.SerializeToString(), len(array.data)
    return np.frombuffer(raw, dtype="<f4", offset=len(raw) - 4 * count) if count else np.empty(0, np.float32)


def bytes_vector(code: int, raw: bytes) -> npt.NDArray[Any]:
    """Flat components; bfloat16 widened to float32 (exact), binary as bytes of 8 dimensions."""
    flat = np.frombuffer(raw, dtype=_BYTE_TYPES[code])
    return (flat.astype(np.uint32) << 16).view(np.float32) if code == schema_pb2.BFloat16Vector else flat


def sparse_of(raw: bytes) -> Sparse:
    entries = np.sort(np.frombuffer(raw, dtype=_SPARSE_ENTRY), order="index")
    return Sparse(entries["index"].astype(np.uint32), entries["value"].astype(np.float32))


# ---- points -> columns ----


def fields_data(
    schema: Schema, points: Sequence[Point], names: Sequence[str] | None = None, nulls: Nulls = Nulls.OMITTED
) -> list[schema_pb2.FieldData]:
    """Columns in the order of the schema's fields, `$meta` last.

    `names`: which (the primary key's and `$meta` included); None: all that a request may hold. A declared field that a point
    lacks is null there, so it must be nullable. Raises Refused on a value that its field cannot hold.
    """
    known = collection_schema(schema)
    numbers = field_ids(known)
    declared = {field.name: field for field in known.fields}
    wanted = _writable(schema) if names is None else frozenset(names)
    columns = [_column(field, points, nulls) for field in declared.values() if field.name in wanted]
    if schema.dynamic and META in wanted:
        columns.append(_dynamic(points, frozenset(declared)))
    for column in columns:
        column.field_id = numbers[column.field_name]
    return columns


def _writable(schema: Schema) -> frozenset[str]:
    key = () if schema.auto_id else (schema.id_name,)
    return frozenset((*key, *schema.vectors, *schema.fields, META)) - server_made(schema)


def _column(field: schema_pb2.FieldSchema, points: Sequence[Point], nulls: Nulls) -> schema_pb2.FieldData:
    column = schema_pb2.FieldData(type=field.data_type, field_name=field.name)
    rows = _cells(field, points)
    if field.nullable:
        column.valid_data.extend(row is not None for row in rows)
    elif any(row is None for row in rows):
        raise Refused(f"the field {field.name} has no value in some points, and it is not nullable")
    try:
        _fill(column, field, rows, nulls)
    except (TypeError, ValueError) as error:
        raise Refused(f"the field {field.name} cannot hold a value: {error}") from error
    return column


def _cells(field: schema_pb2.FieldSchema, points: Sequence[Point]) -> list[Any]:
    if field.is_primary_key:
        return [point.key.id for point in points]
    if field.data_type not in SCALAR_LISTS:
        return [point.vectors.get(field.name) for point in points]
    cells = [point.payload.get(field.name) for point in points]
    return [_json_cell(cell, field) for cell in cells] if field.data_type == schema_pb2.JSON else cells


def _json_cell(cell: Value, field: schema_pb2.FieldSchema) -> bytes | None:
    # In a JSON field that is not nullable, null is the JSON value.
    return None if cell is None and field.nullable else orjson.dumps(cell)


def _fill(column: schema_pb2.FieldData, field: schema_pb2.FieldSchema, rows: Sequence[Any], nulls: Nulls) -> None:
    there = [row for row in rows if row is not None]
    if field.data_type not in SCALAR_LISTS:
        fill_vectors(column, there, field)
        return
    name = SCALAR_LISTS[field.data_type]
    if name == "array_data":
        column.scalars.array_data.element_type = field.element_type
        blank = _array((), field.element_type)
        there = [blank if row == [] else _array(row, field.element_type) for row in there]
    if nulls is Nulls.IN_PLACE and len(there) < len(rows):
        rest = iter(there)
        there = [_BLANKS[name] if row is None else next(rest) for row in rows]
    getattr(column.scalars, name).data.extend(there)


def _array(values: Iterable[Any], element: int) -> schema_pb2.ScalarField:
    cell = schema_pb2.ScalarField()
    getattr(cell, SCALAR_LISTS[element]).data.extend(values)
    return cell


def _dynamic(points: Sequence[Point], declared: frozenset[str]) -> schema_pb2.FieldData:
    column = schema_pb2.FieldData(type=schema_pb2.JSON, field_name=META, is_dynamic=True)
    rows = ({key: value for key, value in point.payload.items() if key not in declared} for point in points)
    try:
        column.scalars.json_data.data.extend(orjson.dumps(row) for row in rows)
    except TypeError as error:
        raise Refused(f"the dynamic field cannot hold a value: {error}") from error
    return column


def fill_vectors(column: schema_pb2.FieldData, rows: Sequence[Any], field: schema_pb2.FieldSchema) -> None:
    """`rows` without nulls; null rows of a vector field are left out in replies as well."""
    if field.data_type == schema_pb2.SparseFloatVector:
        column.vectors.sparse_float_vector.contents.extend(sparse_bytes(row) for row in rows)
        column.vectors.dim = column.vectors.sparse_float_vector.dim = max((_span(row) for row in rows), default=0)
        return
    column.vectors.dim = int(pairs(field.type_params).get("dim", 0))
    if field.data_type == schema_pb2.FloatVector:
        column.vectors.float_vector.MergeFromString(
            _packed(np.concatenate(rows, dtype="<f4", casting="unsafe") if rows else _NONE)
        )
    else:
        setattr(column.vectors, _BYTE_VECTORS[field.data_type], b"".join(dense_bytes(field.data_type, row) for row in rows))


def dense_bytes(code: int, row: npt.NDArray[Any]) -> bytes:
    if code == schema_pb2.BFloat16Vector:
        return (row.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return row.astype(_BYTE_TYPES[code]).tobytes()


def sparse_bytes(row: Sparse) -> bytes:
    entries = np.empty(len(row.indices), dtype=_SPARSE_ENTRY)
    entries["index"], entries["value"] = row.indices, row.values
    return entries.tobytes()


def _span(row: Sparse) -> int:
    return int(row.indices[-1]) + 1 if len(row.indices) else 0


def _packed(floats: npt.NDArray[np.float32]) -> bytes:
    raw, size = floats.tobytes(), bytearray()
    left = len(raw)
    while left > 0x7F:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    return _PACKED_FIELD_1 + bytes((*size, left)) + raw
