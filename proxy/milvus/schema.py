"""Collections: Milvus's description of one <-> the model's Schema.

`Schema.native` holds `described` (the DescribeCollectionResponse without status, base64), so that
a collection is described again exactly as its source did. Indexes live in `VectorField.index` and, of payload fields, in
`Schema.native["indexes"]`.
Not here: rows (columns.py), requests.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from proxy.errors import Refused
from proxy.milvus.sdk.grpc_gen import common_pb2, milvus_pb2, schema_pb2
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Product, Schema, VectorField, VectorKind

DEFAULT_DATABASE: Final = "default"
DEFAULT_PARTITION: Final = "_default"
META: Final = "$meta"
INDEX_NAME: Final = "index_name"
METRIC_TYPE: Final = "metric_type"
_SPARSE_INDEX: Final = "SPARSE_INVERTED_INDEX"
"""Milvus 2.4 has no automatic one for sparse vectors."""
_OURS: Final = frozenset({"index_id", "metric"})
"""What we keep among an index's parameters: Milvus's number of it, and the canonical metric."""
FIRST_FIELD_ID: Final = 100
KNOWN: Final = 256
"""Descriptions of collections of which what each write asks for is remembered."""

METRICS: Final[Mapping[str, Metric]] = {
    "L2": Metric.EUCLIDEAN,
    "IP": Metric.DOT,
    "COSINE": Metric.COSINE,
    "HAMMING": Metric.HAMMING,
    "JACCARD": Metric.JACCARD,
}
METRIC_NAMES: Final[Mapping[Metric, str]] = {metric: name for name, metric in METRICS.items()}

DENSE_TYPES: Final[Mapping[int, DType]] = {
    schema_pb2.FloatVector: DType.FLOAT32,
    schema_pb2.Float16Vector: DType.FLOAT16,
    schema_pb2.BFloat16Vector: DType.BFLOAT16,
    schema_pb2.Int8Vector: DType.INT8,
    schema_pb2.BinaryVector: DType.BINARY,
}
SCALAR_TYPES: Final[Mapping[int, FieldType]] = {
    schema_pb2.Bool: FieldType.BOOL,
    schema_pb2.Int8: FieldType.INT8,
    schema_pb2.Int16: FieldType.INT16,
    schema_pb2.Int32: FieldType.INT32,
    schema_pb2.Int64: FieldType.INT64,
    schema_pb2.Float: FieldType.FLOAT32,
    schema_pb2.Double: FieldType.FLOAT64,
    schema_pb2.String: FieldType.STRING,
    schema_pb2.VarChar: FieldType.STRING,
    schema_pb2.Text: FieldType.STRING,
    schema_pb2.JSON: FieldType.JSON,
    schema_pb2.Array: FieldType.ARRAY,
}
SCALAR_CODES: Final[Mapping[FieldType, int]] = {
    FieldType.BOOL: schema_pb2.Bool,
    FieldType.INT8: schema_pb2.Int8,
    FieldType.INT16: schema_pb2.Int16,
    FieldType.INT32: schema_pb2.Int32,
    FieldType.INT64: schema_pb2.Int64,
    FieldType.FLOAT32: schema_pb2.Float,
    FieldType.FLOAT64: schema_pb2.Double,
    FieldType.STRING: schema_pb2.VarChar,
    FieldType.JSON: schema_pb2.JSON,
    FieldType.ARRAY: schema_pb2.Array,
}
_DENSE_CODES: Final[Mapping[DType, int]] = {dtype: code for code, dtype in DENSE_TYPES.items()}
MAX_LENGTH: Final = 65535
_MAX_CAPACITY: Final = 4096
"""Milvus's own upper limits of `max_length` and `max_capacity`."""


def collection_name(database: str, name: str) -> str:
    """The model's one name of a collection: bare in the default database, `database/name` in any other."""
    return name if database in ("", DEFAULT_DATABASE) else f"{database}/{name}"


def split_name(collection: str) -> tuple[str, str]:
    """(database, name), the reverse of `collection_name`; "" for the default database."""
    database, slash, name = collection.rpartition("/")
    return (database, name) if slash else ("", collection)


def pairs(items: Iterable[common_pb2.KeyValuePair]) -> dict[str, str]:
    return {item.key: item.value for item in items}


def key_values(items: Mapping[str, Any]) -> list[common_pb2.KeyValuePair]:
    return [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in items.items()]


# ---- Milvus -> model ----


def schema_of(
    described: milvus_pb2.DescribeCollectionResponse,
    indexes: Sequence[milvus_pb2.IndexDescription] = (),
    partitions: Sequence[str] = (),
) -> Schema:
    """`partitions`: all names as Milvus lists them. Raises Refused on a field type that the model does not have."""
    schema = described.schema
    key = next((field for field in schema.fields if field.is_primary_key), None)
    if key is None:
        raise Refused(f"the collection {schema.name} has no primary key")
    by_field = {index.field_name: _index(index) for index in indexes}
    fields = [field for field in schema.fields if not field.is_primary_key and field.name not in _full_text(schema)]
    partition_key = next((field.name for field in schema.fields if field.is_partition_key), None)
    return Schema(
        collection=collection_name(described.db_name or schema.dbName, schema.name),
        vectors={f.name: _vector(f, by_field.get(f.name, {})) for f in fields if _is_vector(f)},
        fields={f.name: _field(f, by_field.get(f.name, {})) for f in fields if not _is_vector(f)},
        id_kind=IdKind.INT64 if key.data_type == schema_pb2.Int64 else IdKind.STRING,
        id_name=key.name,
        auto_id=key.autoID or schema.autoID,
        dynamic=schema.enable_dynamic_field,
        partitions=() if partition_key else tuple(name for name in partitions if name != DEFAULT_PARTITION),
        partition_key=partition_key,
        native={"described": _kept(described), "indexes": {f.name: by_field[f.name] for f in fields if f.name in by_field}},
    )


def server_made(schema: Schema) -> frozenset[str]:
    """Fields that the server computes from others (BM25, embeddings): no request holds them."""
    return _rules(schema).made


def needed_vectors(schema: Schema) -> tuple[str, ...]:
    """The vectors that every row must have."""
    nullable = _rules(schema).nullable
    return tuple(name for name in schema.vectors if name not in nullable)


@dataclass(frozen=True, slots=True)
class _Rules:
    """Names of the fields that the server computes, and of those that may be null."""

    made: frozenset[str]
    nullable: frozenset[str]


def _rules(schema: Schema) -> _Rules:
    known = schema.native.get("described")
    return _foreign_rules(schema) if known is None else _known_rules(known)


def _foreign_rules(schema: Schema) -> _Rules:
    """As `_foreign` would make it: without functions."""
    return _Rules(frozenset(), frozenset(field.name for field in schema.fields.values() if field.nullable))


@lru_cache(KNOWN)
def _known_rules(described: str) -> _Rules:
    """Each write asks for them, and to read a description again costs as much as the write."""
    schema = milvus_pb2.DescribeCollectionResponse.FromString(b64decode(described)).schema
    made = (name for function in schema.functions for name in function.output_field_names)
    return _Rules(frozenset(made), frozenset(field.name for field in schema.fields if field.nullable))


def _kept(described: milvus_pb2.DescribeCollectionResponse) -> str:
    kept = milvus_pb2.DescribeCollectionResponse()
    kept.CopyFrom(described)
    for name in ("status", "request_time", "aliases"):
        kept.ClearField(name)
    return b64encode(kept.SerializeToString()).decode()


def _full_text(schema: schema_pb2.CollectionSchema) -> frozenset[str]:
    # Milvus refuses to return the sparse vectors that BM25 makes, so they are no part of a point's readable state.
    made = (function.output_field_names for function in schema.functions if function.type == schema_pb2.BM25)
    return frozenset(name for names in made for name in names)


def _index(index: milvus_pb2.IndexDescription) -> dict[str, Any]:
    return {INDEX_NAME: index.index_name, "index_id": str(index.indexID), **pairs(index.params)}


def _is_vector(field: schema_pb2.FieldSchema) -> bool:
    return field.data_type in DENSE_TYPES or field.data_type == schema_pb2.SparseFloatVector


def _vector(field: schema_pb2.FieldSchema, index: Mapping[str, Any]) -> VectorField:
    dim = int(pairs(field.type_params).get("dim", 0))
    metric = METRICS.get(str(index.get(METRIC_TYPE, "")).upper())
    kind = VectorKind.SPARSE if field.data_type == schema_pb2.SparseFloatVector else VectorKind.DENSE
    return VectorField(field.name, kind, dim, metric, DENSE_TYPES.get(field.data_type, DType.FLOAT32), index)


def _field(field: schema_pb2.FieldSchema, index: Mapping[str, Any]) -> Field:
    length = pairs(field.type_params).get("max_length")
    return Field(
        name=field.name,
        type=_type(field.name, field.data_type),
        element=_type(field.name, field.element_type) if field.data_type == schema_pb2.Array else None,
        max_length=int(length) if length else None,
        nullable=field.nullable,
        default=_default(field),
        index=(str(index.get("index_type") or "AUTOINDEX")) if index else None,
    )


def _type(name: str, code: int) -> FieldType:
    if code not in SCALAR_TYPES:
        raise Refused(f"the field {name} is of type {schema_pb2.DataType.Name(code)}, which cannot be migrated")
    return SCALAR_TYPES[code]


def _default(field: schema_pb2.FieldSchema) -> Any:
    which = field.default_value.WhichOneof("data")
    value = getattr(field.default_value, which) if which else None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


# ---- model -> Milvus ----


def described(schema: Schema) -> milvus_pb2.DescribeCollectionResponse:
    """As the source said it; what only we know of a foreign collection is filled in. No status, no aliases."""
    known = schema.native.get("described")
    answer = milvus_pb2.DescribeCollectionResponse()
    if known is None:
        answer.MergeFrom(milvus_pb2.DescribeCollectionResponse(schema=_foreign(schema), shards_num=1))
    else:
        answer.ParseFromString(b64decode(known))
    database, name = split_name(schema.collection)
    answer.schema.name = answer.collection_name = name
    answer.db_name = database or DEFAULT_DATABASE
    answer.num_partitions = max(answer.num_partitions if schema.partition_key else 0, len(schema.partitions) + 1)
    return answer


def collection_schema(schema: Schema) -> schema_pb2.CollectionSchema:
    """What CreateCollection takes; a vector must have a name in Milvus, so names come from the caller."""
    return described(schema).schema


def index_params(schema: Schema) -> dict[str, dict[str, str]]:
    """Field -> what CreateIndex takes, `index_name` included: of vectors with a metric and of indexed payload fields."""
    vectors = {name: _vector_index(field) for name, field in schema.vectors.items() if field.index or field.metric}
    known: Mapping[str, Mapping[str, Any]] = schema.native.get("indexes", {})
    scalars = {
        name: _texts(known.get(name, {"index_type": field.index})) for name, field in schema.fields.items() if field.index
    }
    return vectors | scalars


def _vector_index(field: VectorField) -> dict[str, str]:
    if METRIC_TYPE in field.index or field.metric is None:
        return _texts(field.index)
    kind = _SPARSE_INDEX if field.kind is VectorKind.SPARSE else "AUTOINDEX"
    return {"index_type": kind, METRIC_TYPE: METRIC_NAMES[field.metric]}


def _texts(index: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in index.items() if key not in _OURS and value not in (None, "")}


def field_ids(schema: schema_pb2.CollectionSchema) -> dict[str, int]:
    """Name -> Milvus's number of the field; `$meta` gets the one behind the last."""
    numbers = {field.name: field.fieldID for field in schema.fields}
    return numbers | {META: max(numbers.values(), default=FIRST_FIELD_ID - 1) + 1}


def _foreign(schema: Schema) -> schema_pb2.CollectionSchema:
    key_type = schema_pb2.Int64 if schema.id_kind is IdKind.INT64 else schema_pb2.VarChar
    key = schema_pb2.FieldSchema(name=schema.id_name, is_primary_key=True, data_type=key_type, autoID=schema.auto_id)
    if key_type == schema_pb2.VarChar:
        key.type_params.extend(key_values({"max_length": MAX_LENGTH}))
    made = schema_pb2.CollectionSchema(enable_dynamic_field=schema.dynamic)
    made.fields.append(key)
    made.fields.extend(_vector_schema(field) for field in schema.vectors.values())
    made.fields.extend(_field_schema(field, schema) for field in schema.fields.values())
    for number, field in enumerate(made.fields, FIRST_FIELD_ID):
        field.fieldID = number
    return made


def _vector_schema(field: VectorField) -> schema_pb2.FieldSchema:
    if field.kind is VectorKind.SPARSE:
        return schema_pb2.FieldSchema(name=field.name, data_type=schema_pb2.SparseFloatVector)
    if field.kind is VectorKind.MULTI or field.dtype not in _DENSE_CODES:
        raise Refused(f"the vector {field.name} ({field.kind} {field.dtype}) has no type in {Product.MILVUS}")
    code = _DENSE_CODES[field.dtype]
    return schema_pb2.FieldSchema(name=field.name, data_type=code, type_params=key_values({"dim": field.dim}))


def _field_schema(field: Field, schema: Schema) -> schema_pb2.FieldSchema:
    if field.type not in SCALAR_CODES or (field.element and field.element not in SCALAR_CODES):
        raise Refused(f"the field {field.name} ({field.type}) has no type in {Product.MILVUS}")
    made = schema_pb2.FieldSchema(
        name=field.name,
        data_type=SCALAR_CODES[field.type],
        element_type=SCALAR_CODES[field.element] if field.element else schema_pb2.DataType.Value("None"),
        nullable=field.nullable,
        is_partition_key=field.name == schema.partition_key,
    )
    if FieldType.STRING in (field.type, field.element):
        made.type_params.extend(key_values({"max_length": field.max_length or MAX_LENGTH}))
    if field.type is FieldType.ARRAY:
        made.type_params.extend(key_values({"max_capacity": _MAX_CAPACITY}))
    return made
