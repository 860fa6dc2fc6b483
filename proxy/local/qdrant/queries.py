"""Compiles a REST query to the engine's, resolving the ids in it to their vectors.

Owns: every kind of query, prefetches, lookups in another collection, leaving the ids asked with out of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.engine import check_limit, twin
from proxy.local.qdrant.errors import BAD_REQUEST, VALIDATION, Fault, engine_faults
from proxy.local.qdrant.filters import compile_filter
from proxy.local.qdrant.formula import compile_formula
from proxy.local.qdrant.query_inputs import Inputs, listed
from proxy.local.qdrant.updates import refuse_shard_key
from proxy.local.qdrant.vectors import average
from proxy.qdrant.settings import given

DEFAULT_LIMIT: Final = 10
RRF_K: Final = 2
MMR_DIVERSITY: Final = 0.5

Find = Callable[[str], Collection]
"""Registry.get: the collection of a name."""


def compile_query(find: Find, collection: Collection, request: models.QueryRequest) -> edge.QueryRequest:
    """Raises Fault for an unknown id or vector, and for what makes no query."""
    refuse_shard_key(request.shard_key)
    limit = check_limit(request.limit, DEFAULT_LIMIT)
    with engine_faults():
        stage = _stage(find, collection, request, limit)
        return edge.QueryRequest(
            limit,
            offset=request.offset or 0,
            with_vector=request.with_vector or False,
            with_payload=payload_selector(request.with_payload, default=False),
            **stage,
        )


def payload_selector(selector: models.WithPayloadInterface | None, *, default: bool) -> Any:
    match selector:
        case None:
            return default
        case models.PayloadSelectorInclude():
            return edge.PayloadSelector.Include(selector.include)
        case models.PayloadSelectorExclude():
            return edge.PayloadSelector.Exclude(selector.exclude)
        case _:
            return selector


def compile_order(order: str | models.OrderBy) -> edge.OrderBy:
    if isinstance(order, str):
        return edge.OrderBy(order)
    start = order.start_from
    from_value = start if start is None or isinstance(start, int | float) else start.isoformat()
    return edge.OrderBy(order.key, twin(order.direction), from_value)


def _stage(find: Find, collection: Collection, request: models.QueryRequest | models.Prefetch, limit: int) -> dict[str, Any]:
    """What a query and a prefetch have in common."""
    inputs = Inputs(_lookup(find, collection, request.lookup_from), _using(request), request.lookup_from is not None)
    prefetches = [_prefetch(find, collection, part) for part in listed(request.prefetch)]
    query = _query(inputs, request.query, request.using, limit) if request.query is not None else None
    if isinstance(query, edge.Fusion.Rrf | edge.Fusion.Dbsf) and not prefetches:
        raise Fault(BAD_REQUEST, "cannot apply Fusion without prefetches")
    return {
        "query": query,
        "prefetches": prefetches or None,
        "filter": compile_filter(request.filter, without=inputs.asked_with),
        "score_threshold": request.score_threshold,
        "params": _params(request.params),
    }


def _prefetch(find: Find, collection: Collection, prefetch: models.Prefetch) -> edge.Prefetch:
    limit = check_limit(prefetch.limit, DEFAULT_LIMIT)
    return edge.Prefetch(limit, **_stage(find, collection, prefetch, limit))


def _lookup(find: Find, collection: Collection, location: models.LookupLocation | None) -> Collection:
    if location is None:
        return collection
    refuse_shard_key(location.shard_key)
    return find(location.collection)


def _using(request: models.QueryRequest | models.Prefetch) -> str:
    elsewhere = request.lookup_from.vector if request.lookup_from is not None else None
    return elsewhere or request.using or ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the kinds of queries have in common."""

    inputs: Inputs
    using: str | None
    limit: int


def _query(inputs: Inputs, query: Any, using: str | None, limit: int) -> Any:
    """Of any models.QueryInterface."""
    compile_kind = QUERIES.get(type(query))
    if compile_kind is None:  # a bare vector or id
        return edge.Query.Nearest(inputs.vector(query), using)
    return compile_kind(_Asked(inputs, using, limit), query)


def _nearest(asked: _Asked, query: models.NearestQuery) -> Any:
    vector = asked.inputs.vector(query.nearest)
    if query.mmr is None:
        return edge.Query.Nearest(vector, asked.using)
    diversity = MMR_DIVERSITY if query.mmr.diversity is None else query.mmr.diversity
    return edge.Mmr(vector, 1 - diversity, query.mmr.candidates_limit or asked.limit, asked.using)


def _recommend(asked: _Asked, query: models.RecommendQuery) -> edge.Query:
    found, using = query.recommend, asked.using
    positives, negatives = asked.inputs.vectors(found.positive), asked.inputs.vectors(found.negative)
    if not positives and not negatives:
        raise Fault(VALIDATION, "[recommend: at least one positive or negative example required]")
    match found.strategy:
        case models.RecommendStrategy.BEST_SCORE:
            return edge.Query.RecommendBestScore(edge.RecommendQuery(positives, negatives), using)
        case models.RecommendStrategy.SUM_SCORES:
            return edge.Query.RecommendSumScores(edge.RecommendQuery(positives, negatives), using)
        case models.RecommendStrategy.AVERAGE_VECTOR | None:
            if not positives:
                raise Fault(BAD_REQUEST, "At least one positive vector ID required with this strategy")
            return edge.Query.Nearest(average(positives, negatives), using)
        case _:
            assert_never(found.strategy)


def _discover(asked: _Asked, query: models.DiscoverQuery) -> edge.Query:
    target, pairs = query.discover.target, query.discover.context
    return edge.Query.Discover(edge.DiscoverQuery(asked.inputs.vector(target), asked.inputs.pairs(pairs)), asked.using)


def _context(asked: _Asked, query: models.ContextQuery) -> edge.Query:
    return edge.Query.Context(edge.ContextQuery(asked.inputs.pairs(query.context)), asked.using)


def _feedback(asked: _Asked, query: models.RelevanceFeedbackQuery) -> edge.Query:
    found, vector = query.relevance_feedback, asked.inputs.vector
    naive = found.strategy.naive
    items = [edge.FeedbackItem(vector(item.example), item.score) for item in found.feedback]
    strategy = edge.NaiveFeedbackStrategy(naive.a, naive.b, naive.c)
    return edge.Query.FeedbackNaive(edge.FeedbackNaiveQuery(vector(found.target), items, strategy), asked.using)


def _text(asked: _Asked, query: models.TextQuery) -> edge.TextQuery:
    if not asked.using:
        raise Fault(BAD_REQUEST, "a text query names its payload field in `using`")
    if isinstance(query.text, str):
        return edge.TextQuery(asked.using, query.text)
    scoring = edge.Bm25Params(**given(query.text.scoring.bm25)) if query.text.scoring is not None else None
    return edge.TextQuery(asked.using, query.text.query, scoring)


def _fusion(_: _Asked, query: models.FusionQuery) -> Any:
    return edge.Fusion.Rrf(RRF_K) if query.fusion is models.Fusion.RRF else edge.Fusion.Dbsf()


def _rrf(_: _Asked, query: models.RrfQuery) -> Any:
    return edge.Fusion.Rrf(RRF_K if query.rrf.k is None else query.rrf.k, query.rrf.weights)


def _params(found: models.SearchParams | None) -> edge.SearchParams | None:
    if found is None:
        return None
    idf = edge.IdfParams(compile_filter(found.idf.corpus)) if isinstance(found.idf, models.IdfCorpusParams) else None
    return edge.SearchParams(
        hnsw_ef=found.hnsw_ef,
        exact=bool(found.exact),
        quantization=twin(found.quantization),
        indexed_only=bool(found.indexed_only),
        acorn=twin(found.acorn),
        idf=idf,
    )


QUERIES: Final[Mapping[type, Callable[[_Asked, Any], Any]]] = {
    models.NearestQuery: _nearest,
    models.RecommendQuery: _recommend,
    models.DiscoverQuery: _discover,
    models.ContextQuery: _context,
    models.RelevanceFeedbackQuery: _feedback,
    models.TextQuery: _text,
    models.OrderByQuery: lambda _, query: compile_order(query.order_by),
    models.SampleQuery: lambda _, __: edge.Sample.Random,
    models.FusionQuery: _fusion,
    models.RrfQuery: _rrf,
    models.FormulaQuery: lambda _, query: compile_formula(query),
}
