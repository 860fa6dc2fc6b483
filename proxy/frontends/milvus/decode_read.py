"""Search, Query and statistics -> the model's reads.

A page of pymilvus's query_iterator is asked with the condition `pk > LAST` beside the application's own. It becomes
`Scan.after`, so that every point comes once from a backend whose order is not that of the primary keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from proxy.errors import Reason, Refused, Unsupported
from proxy.frontends.milvus import syntax
from proxy.frontends.milvus.calls import (
    CodedRefusal,
    Incoming,
    every_partition,
    found,
    parsed,
    partition,
    partitions,
    prefix_only,
)
from proxy.frontends.milvus.filter import filter_of, meaning
from proxy.frontends.milvus.messages import Message
from proxy.frontends.milvus.operand import TARGET, Scope
from proxy.frontends.milvus.templates import templates
from proxy.milvus.columns import bytes_vector, sparse_of
from proxy.milvus.schema import META, METRIC_NAMES, METRIC_TYPE, pairs
from proxy.milvus.sdk.grpc_gen import common_pb2
from proxy.milvus.status import NOT_LOADED
from proxy.model.feature import Feature
from proxy.model.filter import EVERYTHING, AllOf, Filter, IdRange, Op
from proxy.model.operation import Count, Read, Scan, Search
from proxy.model.point import Key, Vector
from proxy.model.schema import DType, IdKind, Metric, Schema, VectorField, VectorKind
from proxy.ports import Catalog

MAX_WINDOW: Final = 16384
"""Milvus's own limit of offset + limit, and of a search's top k."""
MAX_ROWS: Final = 250_000
"""Rows of a query without a limit; more would not fit a reply of 64 MiB, and the query is refused."""
COUNT: Final = "count(*)"
EVERY_FIELD: Final = "*"
_PLACEHOLDERS: Final[Mapping[int, tuple[VectorKind, DType]]] = {
    common_pb2.FloatVector: (VectorKind.DENSE, DType.FLOAT32),
    common_pb2.Float16Vector: (VectorKind.DENSE, DType.FLOAT16),
    common_pb2.BFloat16Vector: (VectorKind.DENSE, DType.BFLOAT16),
    common_pb2.Int8Vector: (VectorKind.DENSE, DType.INT8),
    common_pb2.BinaryVector: (VectorKind.DENSE, DType.BINARY),
    common_pb2.SparseFloatVector: (VectorKind.SPARSE, DType.FLOAT32),
}
_NOT_HINTS: Final = frozenset(
    {
        "topk",
        "limit",
        "offset",
        "params",
        "anns_field",
        METRIC_TYPE,
        "radius",
        "range_filter",
        "round_decimal",
        "ignore_growing",
    }
    | {"iterator", "collection_id", "search_iter_v2", "search_iter_batch_size", "hints", "page_retain_order", "timezone"}
)


@dataclass(frozen=True, slots=True)
class Output:
    """What a request wants of each row. `fields` None: the whole payload."""

    fields: tuple[str, ...] | None
    vectors: tuple[str, ...]


def decode_read(call: Incoming, catalog: Catalog) -> Read:
    """Raises Refused (as Milvus would) and Unsupported."""
    if call.method == "HybridSearch":
        raise Unsupported(Feature.SEARCH_HYBRID, TARGET)
    schema = catalog.schema(found(call, catalog))
    if call.method == "GetCollectionStatistics":
        return Count(schema.collection)
    if call.method == "GetPartitionStatistics":
        return Count(schema.collection, partitions=(partition(schema, call.message.partition_name),))
    if not catalog.loaded(schema.collection):
        raise CodedRefusal(f"collection not loaded[collection={schema.collection}]", NOT_LOADED)
    scope = Scope(schema, templates(call.message.expr_template_values), prefix_only(catalog))
    return _search(call.message, scope) if call.method == "Search" else _query(call.message, scope)


def output_of(schema: Schema, names: Sequence[str]) -> Output:
    """`*` and dynamic keys included. Raises Refused on a field that cannot be there."""
    wanted = set(names)
    if EVERY_FIELD in wanted:
        return Output(None, tuple(schema.vectors))
    keys = wanted - {schema.id_name, META, *schema.vectors}
    unknown = sorted(keys - set(schema.fields))
    if unknown and not schema.dynamic:
        raise Refused(f"field {unknown[0]} not exist")
    return Output(None if META in wanted else tuple(sorted(keys)), tuple(n for n in schema.vectors if n in wanted))


# ---- search ----


def _search(message: Message, scope: Scope) -> Search:
    outer = pairs(message.search_params)
    params: dict[str, Any] = {**_object(outer.get("params", "")), **outer}
    _refuse_what_is_no_plain_search(message, params)
    schema = scope.schema
    field = _vector_field(schema, str(params.get("anns_field") or ""))
    metric = _metric(field, str(params.get(METRIC_TYPE) or ""))
    k, offset = _window(params, "topk")
    output = output_of(schema, message.output_fields)
    return Search(
        collection=schema.collection,
        using=field.name,
        vectors=_query_vectors(message, field),
        k=k,
        offset=offset,
        filter=filter_of(message.dsl, scope),
        partitions=partitions(schema, message.partition_names),
        threshold=_bound(params, "radius", metric),
        far=_bound(params, "range_filter", metric) if "radius" in params else None,
        fields=output.fields,
        vector_names=output.vectors,
        hints={key: _number(value) for key, value in params.items() if key not in _NOT_HINTS},
    )


def _refuse_what_is_no_plain_search(message: Message, params: Mapping[str, Any]) -> None:
    if params.get("group_by_field") or params.get("group_by_fields"):
        raise Unsupported(Feature.SEARCH_GROUP, TARGET)
    if params.get("search_iter_id"):
        raise Refused("the search iterator was begun on another server: begin it again")
    beyond = ("function_score", "highlighter", "search_aggregation", "ids")
    named = [name for name in beyond if message.HasField(name)] + ["function_chains"] * bool(message.function_chains)
    if named:
        raise Refused(f"{named[0]} in a search is not supported by {TARGET}", Reason.UNSUPPORTED)


def _vector_field(schema: Schema, name: str) -> VectorField:
    if not name and len(schema.vectors) == 1:
        return next(iter(schema.vectors.values()))
    if not name:
        raise Refused("multiple anns_fields exist, please specify a anns_field in search_params")
    if name not in schema.vectors:
        raise Refused(f"failed to create query plan: failed to get field schema by name: fieldName({name}) not found")
    return schema.vectors[name]


def _metric(field: VectorField, asked: str) -> Metric:
    if asked.upper() == "BM25":
        raise Unsupported(Feature.SEARCH_FULL_TEXT, TARGET)
    if field.metric is None:
        raise CodedRefusal(f"there is no vector index on field: [{field.name}], please create index firstly", 700)
    known = METRIC_NAMES.get(field.metric, field.metric)
    if asked and asked.upper() != known:
        raise Refused(f"metric type not match: invalid parameter[expected={known}][actual={asked}]")
    return field.metric


def _query_vectors(message: Message, field: VectorField) -> tuple[Vector, ...]:
    group = parsed(common_pb2.PlaceholderGroup, message.placeholder_group)
    if len(group.placeholders) != 1:
        raise Refused(f"a search needs one placeholder, not {len(group.placeholders)}")
    (placeholder,) = group.placeholders
    if placeholder.type == common_pb2.VarChar:
        raise Unsupported(Feature.SEARCH_FULL_TEXT, TARGET)
    if placeholder.type not in _PLACEHOLDERS:
        raise Unsupported(Feature.MULTI_VECTORS, TARGET)
    if _PLACEHOLDERS[placeholder.type] != (field.kind, field.dtype):
        raise Refused(
            f"vector type must be the same, field {field.name} - type {field.dtype}, search info type {placeholder.type}"
        )
    if message.nq and message.nq != len(placeholder.values):
        raise Refused(f"nq is {message.nq}, but there are {len(placeholder.values)} query vectors")
    return tuple(_query_vector(field, placeholder.type, raw) for raw in placeholder.values)


def _query_vector(field: VectorField, kind: int, raw: bytes) -> Vector:
    if field.kind is VectorKind.SPARSE:
        if len(raw) % 8:
            raise Refused(f"a sparse vector of {len(raw)} bytes")
        return sparse_of(raw)
    width = {DType.BINARY: field.dim // 8, DType.INT8: field.dim, DType.FLOAT32: 4 * field.dim}.get(field.dtype, 2 * field.dim)
    if len(raw) != width:
        raise Refused(f"vector dimension mismatch, expected vector size(byte) {width}, actual {len(raw)}")
    return np.frombuffer(raw, "<f4") if field.dtype is DType.FLOAT32 else bytes_vector(kind, raw)


def _bound(params: Mapping[str, Any], name: str, metric: Metric) -> float | None:
    """The canonical value of a bound of Milvus's.

    `radius` itself is outside in Milvus (measured), so it moves one step of float32 nearer; `range_filter` is inside. It moves
    as well, because the client may have it from a rounded score: a hit at that score must not be lost.
    """
    if name not in params:
        return None
    number = _number(params[name])
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        raise Refused(f"{name} must be a number, not {params[name]!r}")
    nearer = np.float32(np.inf if metric.larger_is_nearer else -np.inf)
    bound = float(np.nextafter(np.float32(number), nearer))
    return math.copysign(math.sqrt(abs(bound)), bound) if metric is Metric.EUCLIDEAN else bound


# ---- query ----


def _query(message: Message, scope: Scope) -> Scan | Count:
    params = pairs(message.query_params)
    for name in ("group_by_fields", "order_by_fields"):
        if params.get(name):
            raise Refused(f"{name} in a query is not supported by {TARGET}", Reason.UNSUPPORTED)
    where = partitions(scope.schema, message.partition_names)
    if COUNT in message.output_fields:
        return _count(message, params, Count(scope.schema.collection, filter_of(message.expr, scope), where))
    if not message.expr.strip() and "limit" not in params:
        raise Refused("empty expression should be used with limit")
    limit, offset = _window(params, "limit") if "limit" in params else (MAX_ROWS, 0)
    output = output_of(scope.schema, message.output_fields)
    paged = _is_iterator(params) and not (_opens_session(message, params) and scope.schema.partitions)
    own, last = _paged(message.expr, scope) if paged else (filter_of(message.expr, scope), None)
    after = None if last is None else _behind(last, scope.schema, where)
    return Scan(scope.schema.collection, limit, after, offset, own, where, output.fields, output.vectors)


def _count(message: Message, params: Mapping[str, str], count: Count) -> Count:
    if len(message.output_fields) > 1:
        raise Refused(f"parse output field name failed: {COUNT}")
    if "limit" in params or "offset" in params:
        raise Refused("count entities with pagination is not allowed")
    return count


def _is_iterator(params: Mapping[str, str]) -> bool:
    # pymilvus says `iterator` since 2.5; before that only these two tell.
    return "iterator" in params or "collection_id" in params or params.get("reduce_stop_for_best") == "True"


def _opens_session(message: Message, params: Mapping[str, str]) -> bool:
    """An iterator's first call, whose row nobody looks at: in all partitions, even where its pages name one.

    Where there is one partition only, it is read as its pages are: an iterator that goes on from a key begins with a bound.
    """
    return params.get("limit") == "1" and params.get("offset") == "0" and not message.output_fields


def _paged(text: str, scope: Scope) -> tuple[Filter, IdRange | None]:
    """(the application's own condition, the iterator's `pk > LAST`) in the forms that pymilvus writes.

    3.0: `pk > LAST and (OWN)`; before: `(OWN) and pk > LAST`; without an own condition: `pk > LAST`.
    """
    match syntax.parse(text) if text.strip() else None:
        case syntax.And((syntax.Order() as bound, syntax.Parens() as own)) if last := _cursor(bound, scope):
            return _own(own, scope), last
        case syntax.And((syntax.Parens() as own, syntax.Order() as bound)) if last := _cursor(bound, scope):
            return _own(own, scope), last
        case syntax.Order() as bound if last := _cursor(bound, scope):
            return EVERYTHING, last
        case _:
            return filter_of(text, scope), None


def _cursor(node: syntax.Order, scope: Scope) -> IdRange | None:
    condition = meaning(node, scope)
    return condition if isinstance(condition, IdRange) and condition.op is Op.GT else None


def _own(node: syntax.Parens, scope: Scope) -> Filter:
    condition = meaning(node, scope)
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    # The first page of such an iterator looks like a later page of another one. With numbers both mean the same.
    if scope.schema.id_kind is IdKind.STRING and any(isinstance(part, IdRange) and part.op is Op.GT for part in parts):
        raise Unsupported(Feature.FILTER_ID_RANGE, TARGET, "a lower bound of the primary key in an iterator's own filter")
    return condition


def _behind(last: IdRange, schema: Schema, where: tuple[str | None, ...] | None) -> Key:
    one = where if where is not None else every_partition(schema)
    if len(one) != 1:
        raise Unsupported(Feature.PARTITIONS, TARGET, "an iterator over several partitions; name one partition")
    return Key(schema.collection, one[0], last.value)


# ---- parameters ----


def _window(params: Mapping[str, Any], name: str) -> tuple[int, int]:
    """(limit, offset)"""
    limit, offset = _whole(params, name), _whole(params, "offset")
    if not 1 <= limit <= MAX_WINDOW:
        raise Refused(f"{name} [{limit}] is invalid, it should be in range [1, {MAX_WINDOW}], but got {limit}")
    if offset < 0 or limit + offset > MAX_WINDOW:
        raise Refused(
            f"invalid max query result window, (offset+limit) should be in range [1, {MAX_WINDOW}], but got {limit + offset}"
        )
    return limit, offset


def _whole(params: Mapping[str, Any], name: str) -> int:
    value = params.get(name) or 0
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Refused(f"{name} [{value}] is invalid") from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise Refused(f"search params are not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refused("search params must be a JSON object")
    return found


def _number(value: Any) -> Any:
    """Parameters arrive as texts; numbers among them as numbers."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value
