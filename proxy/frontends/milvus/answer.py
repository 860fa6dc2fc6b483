"""What a client asks about its collections and its server, answered from the catalog alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from proxy.errors import NotFound
from proxy.frontends.milvus.calls import CodedNotFound, CodedRefusal, Incoming, found, found_named, named, partition
from proxy.frontends.milvus.messages import Message
from proxy.milvus.schema import DEFAULT_DATABASE, DEFAULT_PARTITION, INDEX_NAME, described, index_params, key_values, split_name
from proxy.milvus.sdk.grpc_gen import common_pb2, milvus_pb2, schema_pb2
from proxy.model.schema import Schema
from proxy.ports import Catalog

LOGICAL_BITS: Final = 18
"""A Milvus timestamp: milliseconds since the epoch, then these bits of a counter."""
_LOADED: Final = 100
_SERVER_FACTS: Final = ("build_time", "git_commit", "go_version", "deploy_mode")


def answer(call: Incoming, catalog: Catalog, timestamp: int) -> Message:
    """Raises Refused with Milvus's own number where it has one."""
    return _ANSWERS[call.method](call, catalog, timestamp)


# ---- the server ----


def _connect(_: Incoming, catalog: Catalog, timestamp: int) -> Message:
    facts = {name: catalog.fact(name) for name in _SERVER_FACTS}
    server = common_pb2.ServerInfo(build_tags=catalog.fact("build_tags") or catalog.fact("version"), **facts)
    return milvus_pb2.ConnectResponse(status=common_pb2.Status(), server_info=server, identifier=timestamp)


def _version(_: Incoming, catalog: Catalog, __: int) -> Message:
    return milvus_pb2.GetVersionResponse(status=common_pb2.Status(), version=catalog.fact("version"))


def _health(_: Incoming, __: Catalog, ___: int) -> Message:
    return milvus_pb2.CheckHealthResponse(status=common_pb2.Status(), isHealthy=True)


def _components(_: Incoming, __: Catalog, ___: int) -> Message:
    state = milvus_pb2.ComponentInfo(role="standalone", state_code=common_pb2.Healthy)
    return milvus_pb2.ComponentStates(state=state, status=common_pb2.Status())


def _timestamp(_: Incoming, __: Catalog, timestamp: int) -> Message:
    return milvus_pb2.AllocTimestampResponse(status=common_pb2.Status(), timestamp=timestamp)


def _databases(catalog: Catalog) -> list[str]:
    return sorted({DEFAULT_DATABASE} | {split_name(name)[0] or DEFAULT_DATABASE for name in catalog.collections()})


def _list_databases(_: Incoming, catalog: Catalog, __: int) -> Message:
    names = _databases(catalog)
    return milvus_pb2.ListDatabasesResponse(status=common_pb2.Status(), db_names=names, created_timestamp=[0] * len(names))


def _describe_database(call: Incoming, catalog: Catalog, _: int) -> Message:
    name = call.database or DEFAULT_DATABASE
    if name not in _databases(catalog):
        raise CodedNotFound(f"database not found[database={name}]", 800)
    return milvus_pb2.DescribeDatabaseResponse(status=common_pb2.Status(), db_name=name)


# ---- collections ----


def _describe(call: Incoming, catalog: Catalog, _: int) -> Message:
    try:
        return _description(call, named(call), catalog)
    except CodedNotFound as missing:
        # the very words that clients before 2.4 look for
        raise CodedNotFound(f"can't find collection {missing}", missing.code) from None


def _description(call: Incoming, name: str, catalog: Catalog) -> milvus_pb2.DescribeCollectionResponse:
    collection = found_named(call, name, catalog)
    told = described(catalog.schema(collection))
    told.status.SetInParent()
    told.collection_name = split_name(name)[1]
    told.aliases.extend(_aliases(collection, catalog))
    return told


def _aliases(collection: str, catalog: Catalog) -> list[str]:
    return [split_name(alias)[1] for alias, name in catalog.aliases().items() if name == collection]


def _describe_several(call: Incoming, catalog: Catalog, _: int) -> Message:
    told = [_description(call, call.name(bare), catalog) for bare in call.message.collection_name]
    return milvus_pb2.BatchDescribeCollectionResponse(status=common_pb2.Status(), responses=told)


def _has(call: Incoming, catalog: Catalog, _: int) -> Message:
    try:
        catalog.resolve(named(call))
    except NotFound:
        return milvus_pb2.BoolResponse(status=common_pb2.Status(), value=False)
    return milvus_pb2.BoolResponse(status=common_pb2.Status(), value=True)


def _show(call: Incoming, catalog: Catalog, _: int) -> Message:
    names = [name for name in catalog.collections() if split_name(name)[0] == call.database]
    if call.message.type == milvus_pb2.InMemory or call.message.collection_names:
        asked = {call.name(bare) for bare in call.message.collection_names} or set(names)
        names = [name for name in names if name in asked and catalog.loaded(name)]
    told = [described(catalog.schema(name)) for name in names]
    return milvus_pb2.ShowCollectionsResponse(
        status=common_pb2.Status(),
        collection_names=[split_name(name)[1] for name in names],
        collection_ids=[each.collectionID for each in told],
        created_timestamps=[each.created_timestamp for each in told],
        created_utc_timestamps=[each.created_utc_timestamp for each in told],
        inMemory_percentages=[_LOADED if catalog.loaded(name) else 0 for name in names],
        query_service_available=[catalog.loaded(name) for name in names],
    )


def _load_state(call: Incoming, catalog: Catalog, _: int) -> Message:
    try:
        loaded = catalog.loaded(catalog.resolve(named(call)))
    except NotFound:
        return milvus_pb2.GetLoadStateResponse(status=common_pb2.Status(), state=common_pb2.LoadStateNotExist)
    state = common_pb2.LoadStateLoaded if loaded else common_pb2.LoadStateNotLoad
    return milvus_pb2.GetLoadStateResponse(status=common_pb2.Status(), state=state)


def _loading_progress(call: Incoming, catalog: Catalog, _: int) -> Message:
    collection = found(call, catalog)
    if not catalog.loaded(collection):
        raise CodedRefusal(f"collection not loaded[collection={split_name(collection)[1]}]", 101)
    return milvus_pb2.GetLoadingProgressResponse(status=common_pb2.Status(), progress=_LOADED, refresh_progress=_LOADED)


def _flush(call: Incoming, catalog: Catalog, timestamp: int) -> Message:
    """A write is durable when it is answered, so there is nothing left to do, and no segment to wait for."""
    for bare in call.message.collection_names:
        found_named(call, call.name(bare), catalog)
    told = milvus_pb2.FlushResponse(status=common_pb2.Status(), db_name=call.database or DEFAULT_DATABASE)
    for bare in call.message.collection_names:
        told.coll_segIDs[bare].CopyFrom(schema_pb2.LongArray())
        told.flush_coll_segIDs[bare].CopyFrom(schema_pb2.LongArray())
        told.coll_seal_times[bare] = (timestamp >> LOGICAL_BITS) // 1000
        told.coll_flush_ts[bare] = timestamp
    return told


def _flush_all(_: Incoming, __: Catalog, timestamp: int) -> Message:
    return milvus_pb2.FlushAllResponse(status=common_pb2.Status(), flush_all_ts=timestamp)


def _flush_state(_: Incoming, __: Catalog, ___: int) -> Message:
    return milvus_pb2.GetFlushStateResponse(status=common_pb2.Status(), flushed=True)


def _flush_all_state(_: Incoming, __: Catalog, ___: int) -> Message:
    return milvus_pb2.GetFlushAllStateResponse(status=common_pb2.Status(), flushed=True)


# ---- partitions, aliases ----


def _has_partition(call: Incoming, catalog: Catalog, _: int) -> Message:
    schema = catalog.schema(found(call, catalog))
    there = call.message.partition_name in (DEFAULT_PARTITION, *schema.partitions)
    return milvus_pb2.BoolResponse(status=common_pb2.Status(), value=there)


def _show_partitions(call: Incoming, catalog: Catalog, _: int) -> Message:
    schema = catalog.schema(found(call, catalog))
    told = described(schema)
    asked = call.message.partition_names
    for name in asked:
        partition(schema, name)
    names = [name for name in (DEFAULT_PARTITION, *schema.partitions) if not asked or name in asked]
    return milvus_pb2.ShowPartitionsResponse(
        status=common_pb2.Status(),
        partition_names=names,
        partitionIDs=range(told.collectionID + 1, told.collectionID + 1 + len(names)),
        created_timestamps=[told.created_timestamp] * len(names),
        created_utc_timestamps=[told.created_utc_timestamp] * len(names),
        inMemory_percentages=[_LOADED if catalog.loaded(schema.collection) else 0] * len(names),
    )


def _list_aliases(call: Incoming, catalog: Catalog, _: int) -> Message:
    if call.message.collection_name:
        names = _aliases(found(call, catalog), catalog)
    else:
        names = [split_name(alias)[1] for alias in catalog.aliases() if split_name(alias)[0] == call.database]
    return milvus_pb2.ListAliasesResponse(
        status=common_pb2.Status(),
        db_name=call.database or DEFAULT_DATABASE,
        collection_name=call.message.collection_name,
        aliases=names,
    )


def _describe_alias(call: Incoming, catalog: Catalog, _: int) -> Message:
    database, alias = call.database or DEFAULT_DATABASE, call.message.alias
    collection = catalog.aliases().get(call.name(alias))
    if collection is None:
        raise CodedNotFound(f"alias not found[database={database}][alias={alias}]", 1600)
    return milvus_pb2.DescribeAliasResponse(
        status=common_pb2.Status(), db_name=database, alias=alias, collection=split_name(collection)[1]
    )


# ---- indexes ----


def _indexes(call: Incoming, catalog: Catalog) -> list[milvus_pb2.IndexDescription]:
    schema = catalog.schema(found(call, catalog))
    name, field = call.message.index_name, getattr(call.message, "field_name", "")
    known = [
        _index(schema, at, params)
        for at, params in index_params(schema).items()
        if name in ("", params.get(INDEX_NAME, at)) and field in ("", at)
    ]
    if not known:
        raise CodedNotFound(f"index not found[indexName={name}]", 700)
    return known


def _index(schema: Schema, field: str, params: Mapping[str, str]) -> milvus_pb2.IndexDescription:
    rest = {key: value for key, value in params.items() if key != INDEX_NAME}
    number = schema.vectors[field].index.get("index_id", 0) if field in schema.vectors else 0
    return milvus_pb2.IndexDescription(
        index_name=params.get(INDEX_NAME, field),
        indexID=int(number),
        params=key_values(rest),
        field_name=field,
        state=common_pb2.Finished,
    )


def _describe_index(call: Incoming, catalog: Catalog, _: int) -> Message:
    return milvus_pb2.DescribeIndexResponse(status=common_pb2.Status(), index_descriptions=_indexes(call, catalog))


def _index_statistics(call: Incoming, catalog: Catalog, _: int) -> Message:
    return milvus_pb2.GetIndexStatisticsResponse(status=common_pb2.Status(), index_descriptions=_indexes(call, catalog))


def _index_state(call: Incoming, catalog: Catalog, _: int) -> Message:
    return milvus_pb2.GetIndexStateResponse(status=common_pb2.Status(), state=_indexes(call, catalog)[0].state)


def _index_progress(call: Incoming, catalog: Catalog, _: int) -> Message:
    _indexes(call, catalog)
    return milvus_pb2.GetIndexBuildProgressResponse(status=common_pb2.Status())


_ANSWERS: Final[Mapping[str, Callable[[Incoming, Catalog, int], Message]]] = {
    "Connect": _connect,
    "GetVersion": _version,
    "CheckHealth": _health,
    "GetComponentStates": _components,
    "AllocTimestamp": _timestamp,
    "ListDatabases": _list_databases,
    "DescribeDatabase": _describe_database,
    "DescribeCollection": _describe,
    "BatchDescribeCollection": _describe_several,
    "HasCollection": _has,
    "ShowCollections": _show,
    "GetLoadState": _load_state,
    "GetLoadingProgress": _loading_progress,
    "Flush": _flush,
    "FlushAll": _flush_all,
    "GetFlushState": _flush_state,
    "GetFlushAllState": _flush_all_state,
    "HasPartition": _has_partition,
    "ShowPartitions": _show_partitions,
    "ListAliases": _list_aliases,
    "DescribeAlias": _describe_alias,
    "DescribeIndex": _describe_index,
    "GetIndexStatistics": _index_statistics,
    "GetIndexState": _index_state,
    "GetIndexBuildProgress": _index_progress,
}
