"""Calls that change what collections are -> the model's schema writes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from proxy.errors import NotFound, Refused
from proxy.frontends.milvus import indexes
from proxy.frontends.milvus.calls import Incoming, found, named, parsed, partitions
from proxy.milvus.schema import (
    DEFAULT_DATABASE,
    DEFAULT_PARTITION,
    FIRST_FIELD_ID,
    INDEX_NAME,
    METRIC_TYPE,
    METRICS,
    collection_name,
    index_params,
    pairs,
    schema_of,
)
from proxy.milvus.sdk.grpc_gen import milvus_pb2, schema_pb2
from proxy.model.operation import (
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropIndex,
    DropPartition,
    RenameCollection,
    SchemaWrite,
    SetAlias,
    SetLoaded,
)
from proxy.model.schema import Schema
from proxy.ports import Catalog


def decode_schema(call: Incoming, catalog: Catalog, *, accepted: bool) -> SchemaWrite:
    """`accepted`: the primary's reply is there. Raises Refused: NotFound where the collection must be there, and as Milvus."""
    change = _DECODERS[call.method](call, catalog)
    if isinstance(change, CreateIndex) and not accepted:
        indexes.check(catalog.schema(change.collection), change.field, change.name, change.params)
    return change


def _create(call: Incoming, _: Catalog) -> SchemaWrite:
    schema = schema_of(_described(call))
    return CreateCollection(replace(schema, native={**schema.native, "loaded": False}))


def _described(call: Incoming) -> milvus_pb2.DescribeCollectionResponse:
    """What Milvus would say of it; its numbers are made from the request, so that every reading of it gives the same."""
    message = call.message
    schema = parsed(schema_pb2.CollectionSchema, message.schema)
    if not schema.fields:
        raise Refused("the schema of the collection holds no field")
    schema.name = message.collection_name
    for number, field in enumerate(schema.fields, FIRST_FIELD_ID):
        field.fieldID = number
    digest = hashlib.blake2b(call.name(schema.name).encode() + message.schema, digest_size=8).digest()
    return milvus_pb2.DescribeCollectionResponse(
        schema=schema,
        collection_name=schema.name,
        collectionID=int.from_bytes(digest, "big") >> 1,
        db_name=call.database or DEFAULT_DATABASE,
        shards_num=message.shards_num or 1,
        consistency_level=message.consistency_level,
        properties=message.properties,
        num_partitions=message.num_partitions or 1,
    )


def _drop(call: Incoming, catalog: Catalog) -> SchemaWrite:
    # To drop what is not there is no error in Milvus.
    return DropCollection(_resolved(named(call), catalog))


def _rename(call: Incoming, catalog: Catalog) -> SchemaWrite:
    database = call.message.newDBName or call.database
    return RenameCollection(found(call, catalog), collection_name(database, call.message.newName))


def _create_index(call: Incoming, catalog: Catalog) -> SchemaWrite:
    schema = catalog.schema(found(call, catalog))
    message = call.message
    if message.field_name not in {*schema.vectors, *schema.fields, schema.id_name}:
        raise Refused(f"cannot create index on non-exist field: {message.field_name}")
    params = indexes.flat(pairs(message.extra_params))
    name = indexes.name_of(schema, message.field_name, message.index_name)
    metric = METRICS.get(str(params.get(METRIC_TYPE, "")).upper())
    canonical = {"metric": metric.value} if metric and message.field_name in schema.vectors else {}
    return CreateIndex(schema.collection, message.field_name, name, {INDEX_NAME: name, **params, **canonical})


def _drop_index(call: Incoming, catalog: Catalog) -> SchemaWrite:
    schema = catalog.schema(found(call, catalog))
    wanted = call.message.index_name or call.message.field_name
    return DropIndex(schema.collection, call.message.field_name or indexed_field(schema, wanted) or wanted, wanted)


def indexed_field(schema: Schema, index: str) -> str | None:
    """The field that has the index of this name."""
    return next((field for field, params in index_params(schema).items() if params.get(INDEX_NAME, field) == index), None)


def _create_partition(call: Incoming, catalog: Catalog) -> SchemaWrite:
    return CreatePartition(found(call, catalog), call.message.partition_name)


def _drop_partition(call: Incoming, catalog: Catalog) -> SchemaWrite:
    if call.message.partition_name == DEFAULT_PARTITION:
        raise Refused("default partition cannot be deleted")
    return DropPartition(found(call, catalog), call.message.partition_name)


def _set_alias(call: Incoming, catalog: Catalog) -> SchemaWrite:
    return SetAlias(call.name(call.message.alias), found(call, catalog))


def _drop_alias(call: Incoming, _: Catalog) -> SchemaWrite:
    return DropAlias(call.name(call.message.alias))


def _load(call: Incoming, catalog: Catalog) -> SchemaWrite:
    return SetLoaded(found(call, catalog), loaded=True)


def _release(call: Incoming, catalog: Catalog) -> SchemaWrite:
    return SetLoaded(found(call, catalog), loaded=False)


def _release_partitions(call: Incoming, catalog: Catalog) -> SchemaWrite:
    """Milvus wants that before a partition is dropped. Here one is never loaded apart from the others, so nothing changes."""
    schema = catalog.schema(found(call, catalog))
    partitions(schema, call.message.partition_names)
    return SetLoaded(schema.collection, catalog.loaded(schema.collection))


def _resolved(name: str, catalog: Catalog) -> str:
    try:
        return catalog.resolve(name)
    except NotFound:
        return name


_DECODERS: Final[Mapping[str, Callable[[Incoming, Catalog], SchemaWrite]]] = {
    "CreateCollection": _create,
    "DropCollection": _drop,
    "RenameCollection": _rename,
    "CreateIndex": _create_index,
    "DropIndex": _drop_index,
    "CreatePartition": _create_partition,
    "DropPartition": _drop_partition,
    "CreateAlias": _set_alias,
    "AlterAlias": _set_alias,
    "DropAlias": _drop_alias,
    "LoadCollection": _load,
    "LoadPartitions": _load,
    "ReleaseCollection": _release,
    "ReleasePartitions": _release_partitions,
}
