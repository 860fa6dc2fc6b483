"""Collections, indexes and aliases on a Qdrant server: looking and changing. Every change is idempotent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.json_format import ParseDict

from proxy.backends.qdrant import compile, schema
from proxy.backends.qdrant.client import Client
from proxy.backends.qdrant.ids import is_own_kind
from proxy.backends.qdrant.names import PARTITION, collection_name, parse_collection_name
from proxy.errors import AlreadyExists, NotFound, Reason, Refused, Unavailable, Unsupported
from proxy.model.evolve import INDEXES
from proxy.model.feature import Feature
from proxy.model.operation import CreateIndex, DropAlias, SetAlias
from proxy.model.schema import DType, Product, Schema, VectorField
from proxy.qdrant.sdk import grpc

MAX_PARTITIONS: Final = 4096
"""As many as Milvus allows a collection; `describe` tells no more."""
QUIESCE_SECONDS: Final = 600.0
QUIESCE_PAUSE: Final = 0.2


class Structure:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def collections(self) -> tuple[str, ...]:
        reply = await self._client.read(self._client.collections.List, grpc.ListCollectionsRequest())
        return tuple(sorted(parse_collection_name(each.name) for each in reply.collections))

    async def aliases(self) -> Mapping[str, str]:
        reply = await self._client.read(self._client.collections.ListAliases, grpc.ListAliasesRequest())
        return {parse_collection_name(each.alias_name): parse_collection_name(each.collection_name) for each in reply.aliases}

    async def describe(self, collection: str) -> Schema:
        found = await self._look(collection)
        partitions = await self._partitions(collection) if schema.has_partitions(found) else ()
        return schema.parse_schema(collection, found, partitions)

    async def create(self, wanted: Schema) -> None:
        _check(wanted)
        if await self._exists(wanted.collection):
            clashes = schema.vector_clashes(wanted, await self.describe(wanted.collection))
            if clashes:
                raise AlreadyExists(f"collection {wanted.collection} exists on the target and differs: {'; '.join(clashes)}")
        else:
            await self._client.write(self._client.collections.Create, schema.create(wanted))
        await self._create_indexes(wanted)

    async def _create_indexes(self, wanted: Schema) -> None:
        if is_own_kind(wanted) and INDEXES in wanted.native:
            for path, told in wanted.native[INDEXES].items():
                await self._own_index(wanted.collection, path, told)
            return
        for path, kind in schema.payload_indexes(wanted).items():
            await self._index(wanted.collection, path, kind)

    async def _own_index(self, collection: str, path: str, told: Mapping[str, Any]) -> None:
        await self._client.update(self._client.points.CreateFieldIndex, schema.own_index(collection, path, told))

    async def drop(self, collection: str) -> None:
        request = grpc.DeleteCollection(collection_name=collection_name(collection))
        try:
            await self._client.write(self._client.collections.Delete, request)
        except NotFound:
            return

    async def create_index(self, change: CreateIndex, wanted: Schema) -> None:
        """`wanted`: the schema with the index. On a vector it may name the metric, which Qdrant wants at creation."""
        if change.field in wanted.vectors:
            await self._with_metrics(wanted)
            return
        if is_own_kind(wanted) and INDEXES in change.params:
            await self._own_index(wanted.collection, change.field, change.params[INDEXES])
            return
        path = schema.index_path(change.field, wanted)
        if path in (indexes := schema.payload_indexes(wanted)):
            await self._index(wanted.collection, path, indexes[path])

    async def drop_partition(self, collection: str, partition: str) -> None:
        await self._client.update(self._client.points.Delete, compile.delete_partition(collection, partition))

    async def change_aliases(self, changes: Sequence[SetAlias | DropAlias]) -> None:
        """One atomic request, as moving one alias is."""
        known = set(await self.aliases())
        actions: list[grpc.AliasOperations] = []
        for change in changes:
            name = collection_name(change.alias)
            if change.alias in known:
                actions.append(grpc.AliasOperations(delete_alias=grpc.DeleteAlias(alias_name=name)))
                known.discard(change.alias)
            if isinstance(change, SetAlias):
                target = grpc.CreateAlias(collection_name=collection_name(change.collection), alias_name=name)
                actions.append(grpc.AliasOperations(create_alias=target))
                known.add(change.alias)
        if actions:
            await self._client.write(self._client.collections.UpdateAliases, grpc.ChangeAliases(actions=actions))

    async def update_settings(self, collection: str, patch: Mapping[str, Any]) -> None:
        request = ParseDict(dict(patch), grpc.UpdateCollection(), ignore_unknown_fields=True)
        request.collection_name = collection_name(collection)
        await self._client.write(self._client.collections.Update, request)

    async def add_vector(self, collection: str, field: VectorField) -> None:
        if field.name in (await self.describe(collection)).vectors:
            return
        request = schema.add_vector(collection, field)
        await self._client.update(self._client.points.CreateVectorName, request)

    async def drop_vector(self, collection: str, name: str) -> None:
        if name not in (await self.describe(collection)).vectors:
            return
        request = grpc.DeleteVectorNameRequest(collection_name=collection_name(collection), wait=True, vector_name=name)
        await self._client.update(self._client.points.DeleteVectorName, request)

    async def quiesce(self, collection: str) -> None:
        """Waits for Qdrant's own indexing."""
        try:
            async with asyncio.timeout(QUIESCE_SECONDS):
                await self._indexed(collection)
        except TimeoutError as error:
            raise Unavailable(f"collection {collection} is still being indexed after {QUIESCE_SECONDS:.0f} s") from error

    async def _indexed(self, collection: str) -> None:
        while True:
            if (await self._look(collection)).status != grpc.CollectionStatus.Yellow:
                return
            await asyncio.sleep(QUIESCE_PAUSE)

    async def _with_metrics(self, wanted: Schema) -> None:
        clashes = schema.vector_clashes(wanted, await self.describe(wanted.collection))
        if not clashes:
            return
        name = collection_name(wanted.collection)
        reply = await self._client.read(self._client.points.Count, grpc.CountPoints(collection_name=name, exact=True))
        if reply.result.count:
            raise AlreadyExists(
                f"collection {wanted.collection} was made before its metric was known and has points: {'; '.join(clashes)}; "
                "drop it on the target and backfill it"
            )
        await self.drop(wanted.collection)
        await self.create(wanted)

    async def _exists(self, collection: str) -> bool:
        request = grpc.CollectionExistsRequest(collection_name=collection_name(collection))
        return bool((await self._client.read(self._client.collections.CollectionExists, request)).result.exists)

    async def _look(self, collection: str) -> grpc.CollectionInfo:
        request = grpc.GetCollectionInfoRequest(collection_name=collection_name(collection))
        found: grpc.CollectionInfo = (await self._client.read(self._client.collections.Get, request)).result
        return found

    async def _index(self, collection: str, path: str, kind: grpc.FieldType.ValueType) -> None:
        request = grpc.CreateFieldIndexCollection(
            collection_name=collection_name(collection), wait=True, field_name=path, field_type=kind
        )
        await self._client.update(self._client.points.CreateFieldIndex, request)

    async def _partitions(self, collection: str) -> tuple[str, ...]:
        request = grpc.FacetCounts(collection_name=collection_name(collection), key=PARTITION, limit=MAX_PARTITIONS, exact=True)
        reply = await self._client.read(self._client.points.Facet, request)
        return tuple(sorted(hit.value.string_value for hit in reply.hits))


def _check(wanted: Schema) -> None:
    if any(vector.dtype is DType.BINARY for vector in wanted.vectors.values()):
        raise Unsupported(Feature.BINARY_VECTORS, Product.QDRANT)
    if refusals := schema.fit(wanted).refusals:
        raise Refused(f"collection {wanted.collection} cannot be on Qdrant: {'; '.join(refusals)}", Reason.UNSUPPORTED)
