"""A Qdrant collection as the model's schema: its vectors, its indexed fields, and what only Qdrant reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from google.protobuf.json_format import MessageToDict, ParseDict

from proxy.model.evolve import INDEXES
from proxy.model.schema import REFUSALS, FieldType, Metric, Schema, VectorField, VectorKind
from proxy.qdrant.sdk import grpc

CONFIG: Final = "config"
"""In a schema's `native`: the CollectionConfig that the server tells, as JSON with the names of the protobuf fields."""
CUSTOM_SHARDING: Final = "custom sharding cannot be followed: a point's key would depend on its shard"
Index = grpc.PayloadSchemaType
"""As a collection tells it; requests use FieldType, which counts from 0."""

DISTANCES: Final[Mapping[Metric, grpc.Distance.ValueType]] = {
    Metric.COSINE: grpc.Distance.Cosine,
    Metric.DOT: grpc.Distance.Dot,
    Metric.EUCLIDEAN: grpc.Distance.Euclid,
    Metric.MANHATTAN: grpc.Distance.Manhattan,
}
METRICS: Final = {distance: metric for metric, distance in DISTANCES.items()}
FIELD_TYPES: Final[Mapping[grpc.PayloadSchemaType.ValueType, FieldType]] = {
    Index.Keyword: FieldType.STRING,
    Index.Integer: FieldType.INT64,
    Index.Float: FieldType.FLOAT64,
    Index.Geo: FieldType.GEO,
    Index.Text: FieldType.STRING,
    Index.Bool: FieldType.BOOL,
    Index.Datetime: FieldType.DATETIME,
    Index.Uuid: FieldType.UUID,
}
INDEX_NAMES: Final = {number: name for name, number in Index.items()}


class Datatype(StrEnum):
    """How the server stores the components of a vector; a reader gets float32 all the same."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    UINT8 = "uint8"
    OTHER = "other"


_DATATYPES: Final = {
    grpc.Datatype.Default: Datatype.FLOAT32,
    grpc.Datatype.Float32: Datatype.FLOAT32,
    grpc.Datatype.Float16: Datatype.FLOAT16,
    grpc.Datatype.Uint8: Datatype.UINT8,
}


def native_of(config: grpc.CollectionConfig, indexes: Mapping[str, grpc.PayloadSchemaInfo]) -> dict[str, Any]:
    """What a schema keeps, so that the collection can be told again exactly as the server would."""
    custom = config.params.sharding_method == grpc.ShardingMethod.Custom
    return {
        CONFIG: MessageToDict(config, preserving_proto_field_name=True),
        INDEXES: {path: told_index(info) for path, info in indexes.items()},
        **({REFUSALS: [CUSTOM_SHARDING]} if custom else {}),
    }


def told_index(info: grpc.PayloadSchemaInfo) -> dict[str, Any]:
    """Without the number of points, which changes with every write."""
    return {name: value for name, value in MessageToDict(info, preserving_proto_field_name=True).items() if name != "points"}


def config_of(schema: Schema) -> grpc.CollectionConfig:
    """What `native_of` kept; empty where the schema is not a Qdrant collection's."""
    return ParseDict(dict(schema.native.get(CONFIG, {})), grpc.CollectionConfig(), ignore_unknown_fields=True)


def indexes_of(schema: Schema) -> dict[str, grpc.PayloadSchemaInfo]:
    return {path: index_info(told) for path, told in schema.native.get(INDEXES, {}).items()}


def index_info(told: Mapping[str, Any]) -> grpc.PayloadSchemaInfo:
    return ParseDict(dict(told), grpc.PayloadSchemaInfo(), ignore_unknown_fields=True)


def vectors_of(params: grpc.CollectionParams) -> dict[str, VectorField]:
    """All are float32 here, as a reader gets them; `datatype_of` tells what storing rounds."""
    config = params.vectors_config
    dense = {"": config.params} if config.HasField("params") else dict(config.params_map.map)
    fields = {name: _vector(name, each) for name, each in dense.items()}
    sparse = params.sparse_vectors_config.map
    return fields | {name: VectorField(name, VectorKind.SPARSE, 0, Metric.DOT) for name in sparse}


def _vector(name: str, params: grpc.VectorParams) -> VectorField:
    kind = VectorKind.MULTI if params.HasField("multivector_config") else VectorKind.DENSE
    return VectorField(name, kind, int(params.size), METRICS.get(params.distance))


def datatype_of(schema: Schema, vector: str) -> Datatype:
    """Cheap: asked for every vector of every write."""
    params = schema.native.get(CONFIG, {}).get("params", {})
    config = params.get("vectors_config", {})
    told = config.get("params") if vector == "" else None
    told = told or config.get("params_map", {}).get("map", {}).get(vector)
    told = told or params.get("sparse_vectors_config", {}).get("map", {}).get(vector, {}).get("index", {})
    return _DATATYPES.get(grpc.Datatype.Value(told.get("datatype", "Default")), Datatype.OTHER)
