"""Collections, partitions, indexes and aliases in Milvus: what is there, and changing it.

Every change is idempotent; the few that Milvus refuses to repeat are looked at first. Not: points, and which request a change
becomes (creation.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

from proxy.backends.milvus.calls import Calls
from proxy.backends.milvus.creation import (
    create_collection,
    create_index,
    drop_index,
    simple_request,
)
from proxy.backends.milvus.foreign_schema import is_foreign
from proxy.errors import AlreadyExists, NotFound, Reason, Refused, Unavailable
from proxy.milvus.schema import INDEX_NAME, collection_name, index_params, schema_of, split_name
from proxy.milvus.sdk.grpc_gen import common_pb2, milvus_pb2
from proxy.model.evolve import INDEXES, same_collection
from proxy.model.operation import (
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropIndex,
    DropPartition,
    DropVector,
    RenameCollection,
    SchemaWrite,
    SetAlias,
    SetLoaded,
    UpdateSettings,
)
from proxy.model.schema import Schema

SETTLE_SECONDS: Final = 300.0
"""Longest wait for a load, a flush or an index; then the step counts as not done and is repeated."""
POLL_SECONDS: Final = 0.1


class Structure:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    # ---- what is there ----

    async def collections(self) -> tuple[str, ...]:
        databases = (await self._calls.read("ListDatabases", milvus_pb2.ListDatabasesRequest())).db_names
        names = [await self._collections_in(database) for database in databases]
        return tuple(sorted(name for some in names for name in some))

    async def describe(self, collection: str) -> Schema:
        """`native["loaded"]` tells whether it is loaded as a whole. Raises NotFound."""
        described = await self._described(collection)
        indexes = await self._indexes(collection)
        partitions = await self.partitions(collection)
        loaded = await self._load_state(collection) == common_pb2.LoadStateLoaded
        schema = schema_of(described, indexes, partitions)
        return replace(schema, native={**schema.native, "loaded": loaded})

    async def aliases(self) -> Mapping[str, str]:
        """alias -> collection"""
        found = {}
        for collection in await self.collections():
            database = split_name(collection)[0]
            for alias in (await self._described(collection)).aliases:
                found[collection_name(database, alias)] = collection
        return found

    async def partitions(self, collection: str) -> tuple[str, ...]:
        """As Milvus lists them, `_default` included."""
        request = milvus_pb2.ShowPartitionsRequest(collection_name=split_name(collection)[1])
        return tuple((await self._read("ShowPartitions", request, collection)).partition_names)

    # ---- changing it ----

    async def apply(self, change: SchemaWrite) -> None:
        """Raises AlreadyExists where a collection exists with another schema."""
        match change:
            case CreateCollection(schema):
                await self._create(schema)
            case RenameCollection(collection, to):
                await self._rename(collection, to)
            case CreateIndex() | DropIndex():
                await self._index(change)
            case DropPartition(collection, partition):
                await self._drop_partition(collection, partition)
            case SetAlias() | DropAlias() | ChangeAliases():
                await self._alias(change)
            case SetLoaded(collection, loaded):
                await (self._load(collection) if loaded else self._release(collection))
            case DropCollection() | CreatePartition():  # Milvus takes these twice
                await self._write(type(change).__name__, simple_request(change), _place(change))
            case _:
                _refuse_vectors(change)

    async def quiesce(self, collection: str) -> None:
        """Flushes and waits until the indexes hold everything."""
        name = split_name(collection)[1]
        flushed = await self._write("Flush", milvus_pb2.FlushRequest(collection_names=[name]), collection)
        segments = flushed.coll_segIDs[name].data
        stamp = flushed.coll_flush_ts.get(name, 0)
        state = milvus_pb2.GetFlushStateRequest(segmentIDs=segments, flush_ts=stamp, collection_name=name)

        async def done() -> bool:
            return bool((await self._read("GetFlushState", state, collection)).flushed) and await self._indexed(collection)

        await _until(done, f"the flush of {collection}")

    async def _create(self, schema: Schema) -> None:
        wanted = replace(schema, auto_id=False)
        found = await self._found(schema.collection)
        if found is None:
            await self._write("CreateCollection", create_collection(wanted), schema.collection)
        elif not same_collection(found, schema) and not same_collection(found, wanted):
            raise AlreadyExists(f"collection {schema.collection} exists in Milvus with another schema")
        for partition in wanted.partitions:
            await self.apply(CreatePartition(schema.collection, partition))
        for field, params in index_params(wanted).items():
            await self.apply(CreateIndex(schema.collection, field, params.get(INDEX_NAME, ""), params))
        if schema.native.get("loaded", is_foreign(schema)) and index_params(wanted):
            await self._load(schema.collection)

    async def _rename(self, collection: str, to: str) -> None:
        if await self._found(collection) is None and await self._found(to) is not None:
            return
        (database, name), (to_database, to_name) = split_name(collection), split_name(to)
        request = milvus_pb2.RenameCollectionRequest(oldName=name, newName=to_name, db_name=database, newDBName=to_database)
        await self._write("RenameCollection", request, collection)

    async def _index(self, change: CreateIndex | DropIndex) -> None:
        match change:
            case CreateIndex(params=params) if INDEXES in params:
                pass  # a payload index of another product: it changes no answer
            case CreateIndex():
                await self._write("CreateIndex", create_index(change), change.collection)
            case DropIndex():
                await self._drop_index(change)

    async def _drop_index(self, change: DropIndex) -> None:
        """Milvus refuses that while the collection is loaded; it is loaded again unless its vectors lack an index then."""
        known = {name for index in await self._indexes(change.collection) for name in (index.field_name, index.index_name)}
        if known.isdisjoint((change.field, change.name)):
            return
        loaded = await self._load_state(change.collection) == common_pb2.LoadStateLoaded
        if loaded:
            await self._release(change.collection)
        await self._write("DropIndex", drop_index(change), change.collection)
        schema = await self.describe(change.collection)
        if loaded and all(field.metric for field in schema.vectors.values()):
            await self._load(change.collection)

    async def _drop_partition(self, collection: str, partition: str) -> None:
        name = split_name(collection)[1]
        if partition not in await self.partitions(collection):
            return
        # Milvus refuses to drop a partition that is loaded.
        release = milvus_pb2.ReleasePartitionsRequest(collection_name=name, partition_names=[partition])
        await self._write("ReleasePartitions", release, collection)
        request = milvus_pb2.DropPartitionRequest(collection_name=name, partition_name=partition)
        await self._write("DropPartition", request, collection)

    async def _alias(self, change: SetAlias | DropAlias | ChangeAliases) -> None:
        match change:
            case SetAlias(alias, collection):
                await self._set_alias(alias, collection)
            case DropAlias():  # Milvus takes it twice
                await self._write("DropAlias", simple_request(change), _place(change))
            case ChangeAliases(changes):
                for each in changes:
                    await self._alias(each)

    async def _set_alias(self, alias: str, collection: str) -> None:
        names = {"alias": split_name(alias)[1], "collection_name": split_name(collection)[1]}
        try:
            await self._write("CreateAlias", milvus_pb2.CreateAliasRequest(**names), collection)
        except AlreadyExists:
            await self._write("AlterAlias", milvus_pb2.AlterAliasRequest(**names), collection)

    async def _load(self, collection: str) -> None:
        """A loaded one is left alone: after a change of indexes Milvus would refuse."""
        if await self._load_state(collection) == common_pb2.LoadStateLoaded:
            return
        name = split_name(collection)[1]
        await self._write("LoadCollection", milvus_pb2.LoadCollectionRequest(collection_name=name), collection)
        progress = milvus_pb2.GetLoadingProgressRequest(collection_name=name)

        async def done() -> bool:
            return int((await self._read("GetLoadingProgress", progress, collection)).progress) >= 100

        await _until(done, f"the load of {collection}")

    async def _release(self, collection: str) -> None:
        request = milvus_pb2.ReleaseCollectionRequest(collection_name=split_name(collection)[1])
        await self._write("ReleaseCollection", request, collection)

    # ---- calls ----

    async def _found(self, collection: str) -> Schema | None:
        try:
            return await self.describe(collection)
        except NotFound:
            return None

    async def _described(self, collection: str) -> Any:
        request = milvus_pb2.DescribeCollectionRequest(collection_name=split_name(collection)[1])
        return await self._read("DescribeCollection", request, collection)

    async def _indexes(self, collection: str) -> tuple[Any, ...]:
        request = milvus_pb2.DescribeIndexRequest(collection_name=split_name(collection)[1])
        try:
            return tuple((await self._read("DescribeIndex", request, collection)).index_descriptions)
        except NotFound:
            return ()  # Milvus says so of a collection that has no index

    async def _indexed(self, collection: str) -> bool:
        return not any(index.pending_index_rows for index in await self._indexes(collection))

    async def _load_state(self, collection: str) -> int:
        request = milvus_pb2.GetLoadStateRequest(collection_name=split_name(collection)[1])
        return int((await self._read("GetLoadState", request, collection)).state)

    async def _collections_in(self, database: str) -> list[str]:
        reply = await self._calls.read("ShowCollections", milvus_pb2.ShowCollectionsRequest(), database)
        return [collection_name(database, name) for name in reply.collection_names]

    async def _read(self, method: str, request: Any, collection: str) -> Any:
        return await self._calls.read(method, request, split_name(collection)[0])

    async def _write(self, method: str, request: Any, collection: str) -> Any:
        return await self._calls.write(method, request, split_name(collection)[0])


def _refuse_vectors(change: UpdateSettings | AddVector | DropVector) -> None:
    """Settings of another product have no place here, and are no harm."""
    if not isinstance(change, UpdateSettings):
        raise Refused("Milvus keeps the vectors that a collection was created with", Reason.UNSUPPORTED)


def renamed(change: SchemaWrite, name: Callable[[str], str]) -> SchemaWrite:
    """With the collection's and the alias's names as Milvus has them; schemas are translated as a whole (landing.py)."""
    match change:
        case CreateCollection():
            return change
        case RenameCollection(collection, to):
            return RenameCollection(name(collection), name(to))
        case SetAlias() | DropAlias():
            return _renamed_alias(change, name)
        case ChangeAliases(changes):
            return ChangeAliases(tuple(_renamed_alias(each, name) for each in changes))
        case _:
            return replace(change, collection=name(change.collection))


def _renamed_alias(change: SetAlias | DropAlias, name: Callable[[str], str]) -> SetAlias | DropAlias:
    if isinstance(change, SetAlias):
        return SetAlias(name(change.alias), name(change.collection))
    return DropAlias(name(change.alias))


def _place(change: DropCollection | CreatePartition | DropAlias) -> str:
    """A name in the database where the change is made."""
    return change.alias if isinstance(change, DropAlias) else change.collection


async def _until(done: Callable[[], Coroutine[Any, Any, bool]], what: str) -> None:
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            while not await done():  # noqa: ASYNC110  Milvus tells only when asked
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise Unavailable(f"Milvus did not finish {what} in {SETTLE_SECONDS:.0f} s") from error
