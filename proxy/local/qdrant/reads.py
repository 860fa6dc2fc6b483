"""Reads that are no query: scroll, retrieve, count, facet."""

from __future__ import annotations

from typing import Any, Final

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.engine import check_limit
from proxy.local.qdrant.errors import BAD_REQUEST, Fault, engine_faults
from proxy.local.qdrant.filters import compile_filter
from proxy.local.qdrant.queries import Find, compile_order, compile_query, payload_selector
from proxy.local.qdrant.updates import refuse_shard_key
from proxy.local.qdrant.vectors import EngineId, engine_id

DEFAULT_PAGE: Final = 10
DEFAULT_FACETS: Final = 10


def query(find: Find, name: str, request: models.QueryRequest) -> list[edge.ScoredPoint]:
    collection = find(name)
    return collection.query(compile_query(find, collection, request))


def scroll(collection: Collection, request: models.ScrollRequest) -> tuple[list[edge.Record], EngineId | None]:
    """A page in the order of ids, or of `order_by`; and the first id of the next page."""
    refuse_shard_key(request.shard_key)
    if request.order_by is not None and request.offset is not None:
        raise Fault(
            BAD_REQUEST,
            "Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from`",
        )
    with engine_faults():
        page = edge.ScrollRequest(
            limit=check_limit(request.limit, DEFAULT_PAGE),
            offset=engine_id(request.offset) if request.offset is not None else None,
            filter=compile_filter(request.filter),
            with_payload=payload_selector(request.with_payload, default=True),
            with_vector=request.with_vector or False,
            order_by=compile_order(request.order_by) if request.order_by is not None else None,
        )
    return collection.scroll(page)


def retrieve(collection: Collection, request: models.PointRequest) -> list[edge.Record]:
    refuse_shard_key(request.shard_key)
    ids: list[Any] = list(dict.fromkeys(engine_id(raw) for raw in request.ids))
    return collection.retrieve(ids, payload_selector(request.with_payload, default=True), request.with_vector or False)


def count(collection: Collection, request: models.CountRequest) -> int:
    refuse_shard_key(request.shard_key)
    exact = request.exact is not False
    return collection.count(edge.CountRequest(exact=exact, filter=compile_filter(request.filter)))


def facet(collection: Collection, request: models.FacetRequest) -> list[edge.FacetHit]:
    refuse_shard_key(request.shard_key)
    with engine_faults():
        found = edge.FacetRequest(
            request.key,
            limit=check_limit(request.limit, DEFAULT_FACETS),
            exact=bool(request.exact),
            filter=compile_filter(request.filter),
        )
    return collection.facet(found)
