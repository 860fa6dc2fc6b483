"""Collections: the model's schema <-> Qdrant's. Pure: what is created, what is lost, what is refused, what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from proxy.backends.qdrant.ids import is_own_kind
from proxy.backends.qdrant.names import (
    EMPTY,
    ID,
    PARTITION,
    addressable,
    collection_name,
    field_name,
    json_path,
    parse_field_name,
)
from proxy.model.evolve import INDEXES
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind
from proxy.ports import Fit
from proxy.qdrant.schema import (
    CONFIG,
    DISTANCES,
    FIELD_TYPES,
    INDEX_NAMES,
    Index,
    config_of,
    index_info,
    indexes_of,
    native_of,
    vectors_of,
)
from proxy.qdrant.sdk import grpc

PROVISIONAL_METRIC: Final = Metric.EUCLIDEAN
"""Of a vector whose metric no index has named yet: keeps vectors as they are until then."""

_INDEXES: Final[Mapping[FieldType, grpc.FieldType.ValueType]] = {
    FieldType.BOOL: grpc.FieldType.FieldTypeBool,
    FieldType.INT8: grpc.FieldType.FieldTypeInteger,
    FieldType.INT16: grpc.FieldType.FieldTypeInteger,
    FieldType.INT32: grpc.FieldType.FieldTypeInteger,
    FieldType.INT64: grpc.FieldType.FieldTypeInteger,
    FieldType.FLOAT32: grpc.FieldType.FieldTypeFloat,
    FieldType.FLOAT64: grpc.FieldType.FieldTypeFloat,
    FieldType.STRING: grpc.FieldType.FieldTypeKeyword,
    FieldType.DATETIME: grpc.FieldType.FieldTypeDatetime,
    FieldType.UUID: grpc.FieldType.FieldTypeKeyword,
    FieldType.GEO: grpc.FieldType.FieldTypeGeo,
}
_FIELD_INDEX_NAMES: Final = {number: name.removeprefix("FieldType") for name, number in grpc.FieldType.items()}
OWN_FIELDS: Final = frozenset({ID, PARTITION, EMPTY})
_MAX_DIM: Final = 65536
_WIDENED: Final = frozenset({DType.FLOAT16, DType.BFLOAT16, DType.INT8, DType.UINT8})


def fit(schema: Schema) -> Fit:
    request = create(schema)
    indexes = {path: _FIELD_INDEX_NAMES[kind].lower() for path, kind in payload_indexes(schema).items()}
    if is_own_kind(schema) and INDEXES in schema.native:
        indexes = {path: INDEX_NAMES[index.data_type].lower() for path, index in indexes_of(schema).items()}
    target = {**MessageToDict(request, preserving_proto_field_name=True), "payload_indexes": indexes}
    losses = () if _alike(schema) else tuple(_losses(schema))
    return Fit(schema.collection, target, losses=losses, refusals=tuple(_refusals(schema)))


def create(schema: Schema) -> grpc.CreateCollection:
    if _alike(schema):
        return _create_alike(schema)
    dense = {v.name: _params(v) for v in schema.vectors.values() if v.kind is not VectorKind.SPARSE}
    sparse = {v.name: grpc.SparseVectorParams() for v in schema.vectors.values() if v.kind is VectorKind.SPARSE}
    request = grpc.CreateCollection(collection_name=collection_name(schema.collection))
    if dense.keys() == {""}:
        request.vectors_config.params.CopyFrom(dense[""])
    else:
        request.vectors_config.params_map.CopyFrom(grpc.VectorParamsMap(map=dense))
    if sparse:
        request.sparse_vectors_config.CopyFrom(grpc.SparseVectorConfig(map=sparse))
    return request


def _alike(schema: Schema) -> bool:
    """A collection of Qdrant's own, whose vectors come as Qdrant stores them."""
    return is_own_kind(schema) and CONFIG in schema.native


def _create_alike(schema: Schema) -> grpc.CreateCollection:
    """As it is there, but for what belongs to a cluster (shards, replicas) and to a machine (optimizers, write-ahead log)."""
    config = config_of(schema)
    request = grpc.CreateCollection(
        collection_name=collection_name(schema.collection),
        vectors_config=config.params.vectors_config,
        hnsw_config=grpc.HnswConfigDiff(m=config.hnsw_config.m, ef_construct=config.hnsw_config.ef_construct),
        on_disk_payload=config.params.on_disk_payload,
        metadata=config.metadata,
    )
    if config.params.HasField("sparse_vectors_config"):
        request.sparse_vectors_config.CopyFrom(config.params.sparse_vectors_config)
    if config.HasField("quantization_config"):
        request.quantization_config.CopyFrom(config.quantization_config)
    return request


def own_index(collection: str, path: str, told: Mapping[str, Any]) -> grpc.CreateFieldIndexCollection:
    """The index of a collection of Qdrant's own kind, with its parameters."""
    info = index_info(told)
    kind = grpc.FieldType.Value(f"FieldType{INDEX_NAMES[info.data_type]}")
    request = grpc.CreateFieldIndexCollection(
        collection_name=collection_name(collection), wait=True, field_name=path, field_type=kind
    )
    if info.HasField("params"):
        request.field_index_params.CopyFrom(info.params)
    return request


def payload_indexes(schema: Schema) -> dict[str, grpc.FieldType.ValueType]:
    """JSON path -> kind: of every declared field that can have one, so that filters stay fast, and of our own fields."""
    declared = {
        index_path(field.name, schema): _INDEXES[kind]
        for field in schema.fields.values()
        if (kind := field.element or field.type) in _INDEXES and addressable(field.name)
    }
    return declared if is_own_kind(schema) else declared | _own_indexes(schema)


def _own_indexes(schema: Schema) -> dict[str, grpc.FieldType.ValueType]:
    integer = schema.id_kind is IdKind.INT64
    return {
        ID: grpc.FieldType.FieldTypeInteger if integer else grpc.FieldType.FieldTypeKeyword,
        PARTITION: grpc.FieldType.FieldTypeKeyword,
        EMPTY: grpc.FieldType.FieldTypeKeyword,
    }


def index_path(field: str, schema: Schema) -> str:
    return json_path((field if is_own_kind(schema) else field_name(field),))


def _params(vector: VectorField) -> grpc.VectorParams:
    distance = DISTANCES.get(vector.metric or PROVISIONAL_METRIC, grpc.Distance.UnknownDistance)
    params = grpc.VectorParams(size=vector.dim, distance=distance)
    if vector.kind is VectorKind.MULTI:
        params.multivector_config.CopyFrom(grpc.MultiVectorConfig(comparator=grpc.MultiVectorComparator.MaxSim))
    return params


def add_vector(collection: str, vector: VectorField) -> grpc.CreateVectorNameRequest:
    request = grpc.CreateVectorNameRequest(collection_name=collection_name(collection), wait=True, vector_name=vector.name)
    if vector.kind is VectorKind.SPARSE:
        request.sparse_config.SetInParent()
        return request
    params = _params(vector)
    request.dense_config.size, request.dense_config.distance = params.size, params.distance
    if params.HasField("multivector_config"):
        request.dense_config.multivector_config.CopyFrom(params.multivector_config)
    return request


# ---- what cannot be kept, what cannot be ----


def _losses(schema: Schema) -> list[str]:
    losses = [loss for vector in schema.vectors.values() for loss in _vector_losses(vector)]
    unindexed = [field.name for field in schema.fields.values() if (field.element or field.type) not in _INDEXES]
    if unindexed:
        losses.append(f"fields without a payload index, so that filters on them are slower: {', '.join(unindexed)}")
    if any(not addressable(field.name) for field in schema.fields.values()):
        losses.append("fields whose names hold a quote or a backslash cannot be used in filters")
    if schema.id_kind is IdKind.STRING:
        losses.append("texts as ids become UUIDs; the text is kept in the payload field __id__, but has no order in filters")
    if schema.partitions:
        losses.append("partitions become the payload field __partition__; ids are made from partition and id")
    return losses


def _vector_losses(vector: VectorField) -> list[str]:
    name, losses = vector.name or "(unnamed)", []
    if vector.dtype in _WIDENED:
        losses.append(f"vector {name} is stored as float32 instead of {vector.dtype}: the same values, more memory")
    if vector.metric is Metric.COSINE:
        losses.append(f"vector {name} is stored at length 1 with its length in the payload: exact to float32's rounding")
    if vector.metric is None and vector.kind is not VectorKind.SPARSE:
        losses.append(f"vector {name} has no metric yet: {PROVISIONAL_METRIC} until an index names one")
    return losses


def _refusals(schema: Schema) -> list[str]:
    refusals = [*schema.refusals, *(refusal for vector in schema.vectors.values() for refusal in _vector_refusals(vector))]
    if not schema.vectors:
        refusals.append("the collection has no vector")
    return refusals


def _vector_refusals(vector: VectorField) -> list[str]:
    name, refusals = vector.name or "(unnamed)", []
    if vector.dtype is DType.BINARY:
        return [f"vector {name} is binary, which Qdrant does not have"]
    if vector.kind is VectorKind.SPARSE:
        return [] if vector.metric in (None, Metric.DOT) else [f"vector {name} is sparse: Qdrant compares those by dot only"]
    if vector.metric is not None and vector.metric not in DISTANCES:
        refusals.append(f"vector {name} has the metric {vector.metric}, which Qdrant does not have")
    if not 1 <= vector.dim <= _MAX_DIM:
        refusals.append(f"vector {name} has dimension {vector.dim}; Qdrant has 1 to {_MAX_DIM}")
    return refusals


# ---- what is there ----


def parse_schema(collection: str, found: grpc.CollectionInfo, partitions: tuple[str, ...] = ()) -> Schema:
    """`collection`: as the client names it. Vectors of a foreign collection are float32 here, whatever they were."""
    indexes = dict(found.payload_schema)
    return Schema(
        collection=collection,
        vectors=vectors_of(found.config.params),
        fields={field.name: field for path, index in indexes.items() if (field := _parse_field(path, index)) is not None},
        id_kind=_parse_id_kind(indexes.get(ID)),
        partitions=partitions,
        native=native_of(found.config, {path: index for path, index in indexes.items() if path not in OWN_FIELDS}),
    )


def has_partitions(found: grpc.CollectionInfo) -> bool:
    return PARTITION in found.payload_schema


def vector_clashes(wanted: Schema, there: Schema) -> list[str]:
    """How the vectors of a collection that is there differ from those wanted; a metric not known yet may be any."""
    names = sorted(wanted.vectors.keys() | there.vectors.keys())
    pairs = ((name, wanted.vectors.get(name), there.vectors.get(name)) for name in names)
    return [f"vector {name or '(unnamed)'} is {_said(b)}, not {_said(a)}" for name, a, b in pairs if not _agree(a, b)]


def _agree(wanted: VectorField | None, there: VectorField | None) -> bool:
    if wanted is None or there is None:
        return False
    same = (wanted.kind, wanted.dim if wanted.kind is not VectorKind.SPARSE else 0) == (there.kind, there.dim)
    return same and wanted.metric in (None, there.metric)


def _said(vector: VectorField | None) -> str:
    if vector is None or vector.kind is VectorKind.SPARSE:
        return "sparse" if vector else "absent"
    return f"{vector.kind}, dimension {vector.dim}, {vector.metric or 'any metric'}"


def _parse_field(path: str, index: grpc.PayloadSchemaInfo) -> Field | None:
    name = path.removeprefix('"').removesuffix('"')
    if name in OWN_FIELDS or index.data_type not in FIELD_TYPES:
        return None
    return Field(parse_field_name(name), FIELD_TYPES[index.data_type], index=INDEX_NAMES[index.data_type].lower())


def _parse_id_kind(index: grpc.PayloadSchemaInfo | None) -> IdKind:
    """Only a collection that we made for foreign ids has an index on them."""
    if index is None:
        return IdKind.UINT64_OR_UUID
    return IdKind.INT64 if index.data_type == Index.Integer else IdKind.STRING
