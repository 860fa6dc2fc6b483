"""Reads -> the model's. Of both protocols: a call's body is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from qdrant_client import models

from proxy.errors import Reason, Refused, Unsupported
from proxy.frontends.qdrant.calls import Call, found, refuse_shard_keys, resolved
from proxy.frontends.qdrant.filter import filter_of
from proxy.frontends.qdrant.ids import point_id
from proxy.frontends.qdrant.paths import plain_path
from proxy.frontends.qdrant.queries import Query, limit_of, query_of
from proxy.frontends.qdrant.routes import Action
from proxy.frontends.qdrant.selectors import fields_of, vector_names_of
from proxy.frontends.qdrant.words import TARGET
from proxy.model.feature import Feature
from proxy.model.operation import Count, Fetch, Grouped, Like, Lookup, PageFrom, Read, Scan, Search, Several
from proxy.model.point import Key, PointId
from proxy.model.schema import Schema
from proxy.ports import Catalog

DEFAULT_PAGE: Final = 10
DEFAULT_GROUPS: Final = 10
DEFAULT_GROUP_SIZE: Final = 3


def decode_read(call: Call, catalog: Catalog) -> Read:
    """Raises Refused as Qdrant does, and for what the model has no word for by its name."""
    schema = catalog.schema(found(call, catalog))
    if call.action is Action.GET_COLLECTION:
        return Count(schema.collection)  # all that is told of it besides is in the catalog
    match call.body:
        case models.PointRequest() as body:
            return _fetch(body, schema)
        case models.ScrollRequest() as body:
            return _page(body, schema)
        case models.CountRequest() as body:
            refuse_shard_keys(body.shard_key)
            return Count(schema.collection, filter_of(body.filter))
        case models.QueryRequest() as body:
            return query_of(body, schema, catalog)
        case models.QueryRequestBatch() as body:
            return _batch([query_of(each, schema, catalog) for each in body.searches], schema)
        case models.QueryGroupsRequest() as body:
            return _groups(body, schema, catalog)
        case _:
            raise _refusal(call.action)


def _refusal(action: Action) -> Refused:
    return Refused(f"`{action}` is not supported by {TARGET}", Reason.UNSUPPORTED)


def _fetch(body: models.PointRequest, schema: Schema) -> Fetch:
    refuse_shard_keys(body.shard_key)
    return Fetch(
        schema.collection,
        tuple(dict.fromkeys(Key(schema.collection, None, point_id(raw)) for raw in body.ids)),
        fields_of(body.with_payload, default=True),
        vector_names_of(body.with_vector, schema),
    )


def _page(body: models.ScrollRequest, schema: Schema) -> PageFrom:
    refuse_shard_keys(body.shard_key)
    if body.order_by is not None:
        raise Refused(f"`order_by` is not supported by {TARGET}", Reason.UNSUPPORTED)
    scan = Scan(
        schema.collection,
        limit_of(body.limit, DEFAULT_PAGE),
        filter=filter_of(body.filter),
        fields=fields_of(body.with_payload, default=True),
        vector_names=vector_names_of(body.with_vector, schema),
    )
    start = None if body.offset is None else Key(schema.collection, None, point_id(body.offset))
    return PageFrom(scan, start)


# ---- several queries at once ----


def _batch(queries: list[Query], schema: Schema) -> Search | Several:
    """One search of several vectors where they share all the rest: as most batches are."""
    searches = [query for query in queries if isinstance(query, Search)]
    if queries and len(searches) == len(queries) and all(_rest(each) == _rest(searches[0]) for each in searches):
        return replace(searches[0], vectors=tuple(vector for search in searches for vector in search.vectors))
    return Several(schema.collection, tuple(queries))


def _rest(search: Search) -> tuple[Any, ...]:
    return (
        search.using,
        search.k,
        search.offset,
        search.filter,
        search.threshold,
        search.fields,
        search.vector_names,
        search.hints,
        search.exact,
    )


def _groups(body: models.QueryGroupsRequest, schema: Schema, catalog: Catalog) -> Grouped:
    groups, size = limit_of(body.limit, DEFAULT_GROUPS), limit_of(body.group_size, DEFAULT_GROUP_SIZE)
    query = query_of(body, schema, catalog)
    if not isinstance(query, Search | Like):
        raise Unsupported(Feature.SEARCH_GROUP, TARGET, "groups of anything but the nearest points")
    by = plain_path(body.group_by.removesuffix("[]"))
    return Grouped(query, by, groups, size, _lookup(body.with_lookup, catalog))


def _lookup(found: models.WithLookupInterface | None, catalog: Catalog) -> Lookup | None:
    if found is None:
        return None
    wanted = models.WithLookup(collection=found) if isinstance(found, str) else found
    schema = catalog.schema(resolved(wanted.collection, catalog))
    vectors = vector_names_of(wanted.with_vectors, schema)
    return Lookup(schema.collection, _as_id, fields_of(wanted.with_payload, default=True), vectors)


def _as_id(value: str | int) -> PointId | None:
    try:
        return point_id(value)
    except Refused:
        return None
