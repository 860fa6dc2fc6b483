"""A schema -> what Milvus is asked to create, and what is lost on the way. Pure. Not: asking (structure.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, assert_never

from google.protobuf.json_format import MessageToDict
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from proxy.errors import Refused, Unsupported
from proxy.milvus.schema import (
    INDEX_NAME,
    METRIC_NAMES,
    METRIC_TYPE,
    collection_schema,
    described,
    index_params,
    key_values,
    split_name,
)
from proxy.model.feature import Feature
from proxy.model.operation import CreateIndex, CreatePartition, DropAlias, DropCollection, DropIndex
from proxy.model.schema import DType, IdKind, Metric, Product, Schema, VectorKind
from proxy.ports import Fit

_OURS: Final = frozenset({"metric", "index_id", INDEX_NAME})
_FIELD_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def create_collection(schema: Schema) -> Any:
    """Every point comes with its id, so the server makes none. Raises Refused where Milvus has no such type."""
    answer, made = described(schema), collection_schema(schema)
    made.autoID = False
    for field in made.fields:
        field.autoID = False
    return milvus_pb2.CreateCollectionRequest(
        collection_name=split_name(schema.collection)[1],
        schema=made.SerializeToString(),
        shards_num=answer.shards_num,
        consistency_level=common_pb2.Bounded if always_readable(schema) else answer.consistency_level,
        properties=answer.properties,
        num_partitions=answer.num_partitions if schema.partition_key else 0,
    )


def create_index(change: CreateIndex) -> Any:
    return milvus_pb2.CreateIndexRequest(
        collection_name=split_name(change.collection)[1],
        field_name=change.field,
        index_name=change.name,
        extra_params=key_values(_params(change.params)),
    )


def drop_index(change: DropIndex) -> Any:
    return milvus_pb2.DropIndexRequest(
        collection_name=split_name(change.collection)[1], field_name=change.field, index_name=change.name
    )


def simple_request(change: DropCollection | CreatePartition | DropAlias) -> Any:
    """Those that Milvus takes twice without an error."""
    match change:
        case DropCollection(collection):
            return milvus_pb2.DropCollectionRequest(collection_name=split_name(collection)[1])
        case CreatePartition(collection, partition):
            return milvus_pb2.CreatePartitionRequest(collection_name=split_name(collection)[1], partition_name=partition)
        case DropAlias(alias):
            return milvus_pb2.DropAliasRequest(alias=split_name(alias)[1])
        case _:
            assert_never(change)


def fit(schema: Schema) -> Fit:
    refusals = tuple(_refusals(schema))
    return Fit(schema.collection, {} if refusals else _target(schema), tuple(_losses(schema)), refusals)


def _target(schema: Schema) -> Mapping[str, Any]:
    return {
        "schema": MessageToDict(collection_schema(schema), preserving_proto_field_name=True),
        "indexes": index_params(schema),
        "partitions": list(schema.partitions),
    }


def _losses(schema: Schema) -> Iterator[str]:
    if schema.auto_id:
        yield "the collection is created without autoID, because its points come with their ids: clients must give ids"


def unsupported(schema: Schema) -> Iterator[Unsupported]:
    """What the collection has and Milvus has not."""
    if schema.id_kind not in (IdKind.INT64, IdKind.STRING):
        yield Unsupported(Feature.UUID_IDS, Product.MILVUS, f"ids of kind {schema.id_kind}")
    if len(schema.vectors) > 1:
        yield Unsupported(Feature.NAMED_VECTORS, Product.MILVUS, f"the collection has {len(schema.vectors)}")
    for field in schema.vectors.values():
        for trait in (field.kind, field.dtype, field.metric):
            if trait in _ABSENT_TRAITS:
                yield Unsupported(_ABSENT_TRAITS[trait], Product.MILVUS, f"vector {field.name!r}")


def always_readable(schema: Schema) -> bool:
    """A collection of another product is; Milvus's own is as its client left it, loaded or not."""
    return "described" not in schema.native


def _refusals(schema: Schema) -> Iterator[str]:
    yield from map(str, unsupported(schema))
    for name in (schema.id_name, *schema.vectors, *schema.fields):
        if not _FIELD_NAME.fullmatch(name):
            yield f"{name!r} cannot be the name of a field in Milvus"
    try:
        collection_schema(schema)
    except Refused as refusal:
        yield str(refusal)


_ABSENT_TRAITS: Final[Mapping[VectorKind | DType | Metric | None, Feature]] = {
    VectorKind.SPARSE: Feature.SPARSE_VECTORS,
    VectorKind.MULTI: Feature.MULTI_VECTORS,
    Metric.MANHATTAN: Feature.MANHATTAN,
}


def _params(params: Mapping[str, Any]) -> dict[str, str]:
    """Milvus's own, or from the metric alone where the index is of another product."""
    own = {key: str(value) for key, value in params.items() if key not in _OURS}
    if METRIC_TYPE in own or "metric" not in params:
        return own
    return {"index_type": "AUTOINDEX", METRIC_TYPE: METRIC_NAMES[Metric(params["metric"])]}
