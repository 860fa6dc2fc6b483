"""Results -> Milvus's replies to reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from proxy.errors import Broken, Reason, Refused
from proxy.frontends.milvus.calls import Incoming, says_key_name
from proxy.frontends.milvus.decode_read import COUNT, EVERY_FIELD
from proxy.frontends.milvus.messages import CALLS, Message
from proxy.milvus.columns import Nulls, fields_data, ids_field
from proxy.milvus.schema import META, pairs, split_name
from proxy.milvus.sdk.grpc_gen import common_pb2, milvus_pb2, schema_pb2
from proxy.model.operation import (
    Count,
    Done,
    Fetch,
    Hit,
    Hits,
    Page,
    Patch,
    Put,
    Read,
    Remove,
    RemoveWhere,
    Result,
    Scan,
    Search,
    Write,
)
from proxy.model.point import Point, PointId
from proxy.model.schema import IdKind, Metric, Schema
from proxy.ports import Catalog


def encode(call: Incoming, operation: Write | Read, result: Result, catalog: Catalog, timestamp: int) -> Message:
    """`timestamp`: Milvus's TSO form, behind every one that was given before."""
    match operation, result:
        case Search(), tuple():
            return _search(call, operation, result, catalog, timestamp)
        case Scan(), Page():
            return _query(call, operation, result, catalog, timestamp)
        case Count(), int():
            return _count(call, result)
        case ((Put() | Patch() | Remove() | RemoveWhere()), Done()):
            return _mutation(call, operation, result, catalog, timestamp)
        case ((Search() | Scan() | Count() | Fetch()), _):
            raise Broken(f"{call.method} was answered with {type(result).__name__}")
        case _:
            return CALLS[call.method].response()


# ---- reads ----


def output_names(schema: Schema, asked: Sequence[str]) -> list[str]:
    """`*` expanded as Milvus does: clients drop what is not in this list."""
    if EVERY_FIELD not in asked:
        return list(asked)
    every = [schema.id_name, *schema.vectors, *schema.fields, *([META] if schema.dynamic else [])]
    return every + [name for name in asked if name != EVERY_FIELD and name not in every]


def _columns(schema: Schema, points: Sequence[Point], names: Sequence[str]) -> list[schema_pb2.FieldData]:
    declared = {schema.id_name, *schema.vectors, *schema.fields}
    keys = frozenset(names) - declared - {META}
    wanted = [name for name in names if name in declared] + ([META] if keys or META in names else [])
    shown = points if META in names or not keys else [_only(point, keys | declared) for point in points]
    return fields_data(schema, shown, wanted, Nulls.IN_PLACE)


def _only(point: Point, names: frozenset[str] | set[str]) -> Point:
    return Point(point.key, point.vectors, {key: value for key, value in point.payload.items() if key in names})


def _search(call: Incoming, search: Search, hits: Hits, catalog: Catalog, timestamp: int) -> Message:
    schema = catalog.schema(search.collection)
    flat = [hit for row in hits for hit in row]
    names = output_names(schema, call.message.output_fields)
    results = schema_pb2.SearchResultData(
        num_queries=len(hits),
        top_k=search.k,
        scores=_scores(flat, schema, search, call),
        ids=_ids(schema, [hit.key.id for hit in flat]),
        topks=[len(row) for row in hits],
        fields_data=_columns(schema, [hit.point for hit in flat], names) if names else [],
        output_fields=names,
        primary_field_name=schema.id_name if says_key_name(catalog) else "",
    )
    return milvus_pb2.SearchResults(results=results, collection_name=_bare(search.collection), session_ts=timestamp)


def _scores(hits: Sequence[Hit], schema: Schema, search: Search, call: Incoming) -> list[float]:
    squared = schema.vectors[search.using].metric is Metric.EUCLIDEAN
    values = [hit.value**2 if squared else hit.value for hit in hits]
    digits = int(pairs(call.message.search_params).get("round_decimal", -1))
    return [round(value, digits) for value in values] if digits >= 0 else values


def _query(call: Incoming, scan: Scan, page: Page, catalog: Catalog, timestamp: int) -> Message:
    if not page.end and "limit" not in pairs(call.message.query_params):
        raise Refused(f"the query matches more than {scan.limit} rows: give it a limit", Reason.TOO_LARGE)
    schema = catalog.schema(scan.collection)
    names = output_names(schema, call.message.output_fields)
    names = names if schema.id_name in names else [*names, schema.id_name]
    return milvus_pb2.QueryResults(
        fields_data=_columns(schema, page.points, names),
        collection_name=_bare(scan.collection),
        output_fields=names,
        session_ts=timestamp,
    )


def _count(call: Incoming, count: int) -> Message:
    if call.method == "Query":
        column = schema_pb2.FieldData(type=schema_pb2.Int64, field_name=COUNT)
        column.scalars.long_data.data.append(count)
        return milvus_pb2.QueryResults(
            fields_data=[column], output_fields=[COUNT], collection_name=call.message.collection_name
        )
    return CALLS[call.method].response(stats=[common_pb2.KeyValuePair(key="row_count", value=str(count))])


# ---- writes ----


def _mutation(
    call: Incoming, write: Put | Patch | Remove | RemoveWhere, done: Done, catalog: Catalog, timestamp: int
) -> Message:
    match write:
        case Put(points=points) | Patch(points=points):
            ids = done.ids or tuple(point.key.id for point in points)
            counts = {"insert_cnt": len(ids)}
            if call.method == "Upsert":
                counts = {name: len(ids) for name in ("insert_cnt", "delete_cnt", "upsert_cnt")}
            texts = catalog.schema(write.collection).id_kind is not IdKind.INT64
            return milvus_pb2.MutationResult(
                IDs=ids_field(ids, texts), succ_index=range(len(ids)), timestamp=timestamp, **counts
            )
        case Remove(keys=keys):
            return _deleted(len({key.id for key in keys}))
        case RemoveWhere():
            return _deleted(done.count)
        case _:
            assert_never(write)


def _deleted(count: int) -> Message:
    return milvus_pb2.MutationResult(IDs=schema_pb2.IDs(), delete_cnt=count)


def _ids(schema: Schema, ids: Sequence[PointId]) -> schema_pb2.IDs:
    return ids_field(ids, schema.id_kind is not IdKind.INT64)


def _bare(collection: str) -> str:
    return split_name(collection)[1]
