"""Collections, partitions and aliases as an application on Milvus keeps them, with the official client.

What the port wants to be idempotent and the product is not, such an application looks for before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conformance.drivers.milvus_errors import asked
from conformance.drivers.milvus_filter import CAPACITY
from conformance.drivers.milvus_indexes import DTYPES, Indexes, vector_of
from pymilvus import CollectionSchema, DataType, MilvusClient

from proxy.errors import AlreadyExists, Refused
from proxy.model.operation import (
    ChangeAliases,
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
    UpdateSettings,
)
from proxy.model.schema import DType, Field, FieldType, IdKind, Schema, VectorField, VectorKind

_VECTORS: Final = {
    DType.FLOAT32: DataType.FLOAT_VECTOR,
    DType.FLOAT16: DataType.FLOAT16_VECTOR,
    DType.BINARY: DataType.BINARY_VECTOR,
}
_SCALARS: Final = {
    FieldType.BOOL: DataType.BOOL,
    FieldType.INT64: DataType.INT64,
    FieldType.FLOAT64: DataType.DOUBLE,
    FieldType.STRING: DataType.VARCHAR,
    FieldType.JSON: DataType.JSON,
    FieldType.ARRAY: DataType.ARRAY,
}
_LONGEST: Final = {"max_length": 65535}


class Collections:
    def __init__(self, client: MilvusClient) -> None:
        self._client = client
        self._indexes = Indexes(client)

    async def names(self) -> tuple[str, ...]:
        return tuple(await asked(self._client.list_collections))

    async def aliases(self) -> Mapping[str, str]:
        told = [await asked(self._client.list_aliases, name) for name in await self.names()]
        return {alias: each["collection_name"] for each in told for alias in each["aliases"]}

    async def describe(self, collection: str) -> Schema:
        told = await asked(self._client.describe_collection, collection)
        key = next(field for field in told["fields"] if field.get("is_primary"))
        vectors = {field["name"]: field for field in told["fields"] if field["type"] in DTYPES}
        return Schema(
            told["collection_name"],
            {name: vector_of(field, await self._indexes.metric(collection, name)) for name, field in vectors.items()},
            id_kind=IdKind.INT64 if key["type"] == DataType.INT64 else IdKind.STRING,
            id_name=key["name"],
        )

    async def apply(self, change: SchemaWrite) -> None:
        match change:
            case CreateCollection() | DropCollection() | RenameCollection():
                await self._whole(change)
            case CreatePartition() | DropPartition():
                await self._partition(change)
            case CreateIndex() | DropIndex():
                await self._indexes.apply(change)
            case SetAlias() | DropAlias() | ChangeAliases():
                for each in change.changes if isinstance(change, ChangeAliases) else (change,):
                    await self._alias(each)
            case UpdateSettings():
                pass  # of another product: such an application has none
            case _:
                raise Refused(f"no call of Milvus's client is {type(change).__name__}")

    async def _whole(self, change: CreateCollection | DropCollection | RenameCollection) -> None:
        match change:
            case CreateCollection(schema):
                await self._create(schema)
            case DropCollection(collection):
                await asked(self._client.drop_collection, collection)
            case RenameCollection(collection, to):
                await asked(self._client.rename_collection, collection, to)

    async def _create(self, schema: Schema) -> None:
        """Milvus accepts it twice, and takes what is there with another metric for the same."""
        try:
            await asked(self._client.create_collection, schema.collection, schema=_declared(schema), consistency_level="Strong")
        except Refused as refusal:
            if schema.collection in await self.names():
                raise AlreadyExists(str(refusal)) from refusal
            raise
        known = (await self.describe(schema.collection)).vectors
        if any(known[name].metric not in (None, vector.metric) for name, vector in schema.vectors.items()):
            raise AlreadyExists(f"{schema.collection} has another metric")
        for vector in schema.vectors.values():
            await self._indexes.find_nearest(schema.collection, vector)
        if all(vector.metric for vector in schema.vectors.values()):
            await asked(self._client.load_collection, schema.collection)

    async def _partition(self, change: CreatePartition | DropPartition) -> None:
        there = await asked(self._client.has_partition, change.collection, change.partition)
        match change:
            case CreatePartition(collection, partition) if not there:
                await asked(self._client.create_partition, collection, partition)
            case DropPartition(collection, partition) if there:
                await asked(self._client.release_partitions, collection, partition)
                await asked(self._client.drop_partition, collection, partition)

    async def _alias(self, change: SetAlias | DropAlias) -> None:
        match change:
            case DropAlias(alias):
                await asked(self._client.drop_alias, alias)
            case SetAlias(alias, collection):
                try:
                    await asked(self._client.create_alias, collection, alias)
                except AlreadyExists:
                    await asked(self._client.alter_alias, collection, alias)


def _declared(schema: Schema) -> CollectionSchema:
    made = MilvusClient.create_schema(auto_id=schema.auto_id, enable_dynamic_field=schema.dynamic)
    texts = schema.id_kind is IdKind.STRING
    key: dict[str, Any] = _LONGEST if texts else {}
    made.add_field(schema.id_name, DataType.VARCHAR if texts else DataType.INT64, is_primary=True, **key)
    for vector in schema.vectors.values():
        # of several vectors, a point may lack one
        made.add_field(vector.name, nullable=len(schema.vectors) > 1, **_of_vector(vector))
    for field in schema.fields.values():
        made.add_field(field.name, _SCALARS[field.type], nullable=field.nullable, **_details(field))
    return made


def _of_vector(vector: VectorField) -> dict[str, Any]:
    if vector.kind is VectorKind.SPARSE:
        return {"datatype": DataType.SPARSE_FLOAT_VECTOR}
    return {"datatype": _VECTORS[vector.dtype], "dim": vector.dim}


def _details(field: Field) -> dict[str, Any]:
    length = {"max_length": field.max_length} if field.max_length else {}
    element = {"element_type": _SCALARS[field.element], "max_capacity": CAPACITY} if field.element else {}
    return length | element
