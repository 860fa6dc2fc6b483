"""Changes of schema -> what Milvus is asked. Pure. Not: asking (structure.py), what is lost on the way (fit.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, assert_never

from proxy.backends.milvus.foreign_schema import is_foreign
from proxy.milvus.schema import (
    INDEX_NAME,
    METRIC_NAMES,
    METRIC_TYPE,
    collection_schema,
    described,
    key_values,
    split_name,
)
from proxy.milvus.sdk.grpc_gen import common_pb2, milvus_pb2
from proxy.model.operation import CreateIndex, CreatePartition, DropAlias, DropCollection, DropIndex
from proxy.model.schema import Metric, Schema

_OURS: Final = frozenset({"metric", "index_id", INDEX_NAME})


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
        consistency_level=common_pb2.Bounded if is_foreign(schema) else answer.consistency_level,
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


def _params(params: Mapping[str, Any]) -> dict[str, str]:
    """Milvus's own, or from the metric alone where the index is of another product."""
    own = {key: str(value) for key, value in params.items() if key not in _OURS}
    if METRIC_TYPE in own or "metric" not in params:
        return own
    return {"index_type": "AUTOINDEX", METRIC_TYPE: METRIC_NAMES[Metric(params["metric"])]}
