"""One query, of whichever kind -> the model's reads. Pure.

Owns: every kind of query, prefetches, examples in another collection, leaving the ids asked with out of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
from qdrant_client import models

from proxy.errors import Reason, Refused, Unsupported
from proxy.frontends.qdrant.calls import KindRefusal, refuse_shard_keys, resolved
from proxy.frontends.qdrant.filter import filter_of
from proxy.frontends.qdrant.ids import point_id
from proxy.frontends.qdrant.selectors import fields_of, vector_names_of
from proxy.frontends.qdrant.values import field_of, vector_of
from proxy.frontends.qdrant.vectors import stored_vector
from proxy.frontends.qdrant.words import TARGET
from proxy.model.feature import Feature
from proxy.model.filter import EVERYTHING, AllOf, Filter, HasId, Not
from proxy.model.operation import DistributionBased, Example, Hybrid, Like, ReciprocalRank, Scan, Search
from proxy.model.point import Key, Sparse, Vector
from proxy.model.schema import Schema, VectorField, VectorKind
from proxy.ports import Catalog
from proxy.qdrant.kinds import BAD_REQUEST, VALIDATION
from proxy.qdrant.schema import CONFIG

DEFAULT_LIMIT: Final = 10
RRF_K: Final = 2
Asked: TypeAlias = models.QueryRequest | models.QueryGroupsRequest | models.Prefetch
Query: TypeAlias = Search | Like | Hybrid | Scan
_REFUSED: Final[Mapping[type, str]] = {
    models.DiscoverQuery: "discover",
    models.ContextQuery: "context",
    models.RelevanceFeedbackQuery: "relevance_feedback",
    models.OrderByQuery: "order_by",
    models.SampleQuery: "sample",
    models.FormulaQuery: "formula",
}


def query_of(asked: models.QueryRequest | models.QueryGroupsRequest, schema: Schema, catalog: Catalog) -> Query:
    """Raises Refused as Qdrant does, and Unsupported by feature."""
    refuse_shard_keys(asked.shard_key)
    match asked.query:
        case None if not asked.prefetch:
            return _unranked(asked, schema)
        case models.FusionQuery() | models.RrfQuery() as fusion:
            return _hybrid(asked, fusion, schema, catalog)
        case _ if asked.prefetch:
            raise Unsupported(Feature.SEARCH_HYBRID, TARGET, "a query over prefetches that is no fusion")
        case _:
            return _with_contents(_search(asked, schema, catalog), asked, schema)


def limit_of(limit: int | None, default: int) -> int:
    if limit is not None and limit < 1:
        raise KindRefusal(f"[limit: value {limit} invalid, must be 1 or larger]", VALIDATION)
    return default if limit is None else limit


def _unranked(asked: models.QueryRequest | models.QueryGroupsRequest, schema: Schema) -> Scan:
    """A query that says nothing: points in the order of their ids."""
    return Scan(
        schema.collection,
        limit_of(asked.limit, DEFAULT_LIMIT),
        offset=_offset(asked),
        filter=filter_of(asked.filter),
        fields=fields_of(asked.with_payload, default=False),
        vector_names=vector_names_of(asked.with_vector, schema),
    )


def _offset(asked: Asked) -> int:
    return getattr(asked, "offset", None) or 0


def _with_contents(search: Search | Like, asked: Any, schema: Schema) -> Search | Like:
    inner = search.search if isinstance(search, Like) else search
    fields = fields_of(asked.with_payload, default=False)
    shown = replace(inner, fields=fields, vector_names=vector_names_of(asked.with_vector, schema))
    return replace(search, search=shown) if isinstance(search, Like) else shown


# ---- what a query and a prefetch have in common ----


def _search(asked: Asked, schema: Schema, catalog: Catalog, beside: Filter = EVERYTHING) -> Search | Like:
    positive, negative = _examples(asked.query)
    field = field_of(schema, asked.using or "")
    _refuse_weights(field, schema, asked.params)
    examples = _Examples(field, schema, asked.lookup_from, catalog)
    near, away = tuple(map(examples.of, positive)), tuple(map(examples.of, negative))
    search = Search(
        collection=schema.collection,
        using=field.name,
        vectors=(),
        k=limit_of(asked.limit, DEFAULT_LIMIT),
        offset=_offset(asked),
        filter=_all_of(filter_of(asked.filter), beside, examples.without(positive, negative)),
        threshold=asked.score_threshold,
        hints={"hnsw_ef": asked.params.hnsw_ef} if asked.params and asked.params.hnsw_ef else {},
        exact=bool(asked.params and asked.params.exact),
    )
    match near, away:
        case [one], [] if not isinstance(one, Key):
            return replace(search, vectors=(stored_vector(one, schema, field.name),))
        case _:
            return Like(search, near, away, examples.vector_name)


def _all_of(*conditions: Filter) -> Filter:
    parts = tuple(condition for condition in conditions if condition != EVERYTHING)
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _refuse_weights(field: VectorField, schema: Schema, params: models.SearchParams | None) -> None:
    """Those of words by how rare they are in the collection: only Qdrant counts them."""
    if field.kind is not VectorKind.SPARSE:
        return
    sparse = schema.native.get(CONFIG, {}).get("params", {}).get("sparse_vectors_config", {}).get("map", {})
    if sparse.get(field.name, {}).get("modifier", "None") != "None" or (params is not None and params.idf is not None):
        raise Unsupported(Feature.SEARCH_FULL_TEXT, TARGET, f"the modifier idf of vector {field.name!r}")


def _examples(query: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """(positive, negative): vectors and ids, as they were written."""
    match query:
        case models.NearestQuery(mmr=None):
            return (query.nearest,), ()
        case models.NearestQuery():
            raise _refusal("mmr")
        case models.RecommendQuery():
            return _recommended(query.recommend)
        case models.TextQuery():
            raise Unsupported(Feature.SEARCH_FULL_TEXT, TARGET)
        case models.FusionQuery() | models.RrfQuery() | None:
            raise Unsupported(Feature.SEARCH_HYBRID, TARGET, "a prefetch without a vector or examples")
        case _ if type(query) in _REFUSED:
            raise _refusal(_REFUSED[type(query)])
        case _:
            return (query,), ()


def _recommended(found: models.RecommendInput) -> tuple[Sequence[Any], Sequence[Any]]:
    if found.strategy not in (None, models.RecommendStrategy.AVERAGE_VECTOR):
        raise _refusal(f"recommend with the strategy {found.strategy.value}")
    if not found.positive and not found.negative:
        raise KindRefusal("[recommend: at least one positive or negative example required]", VALIDATION)
    if not found.positive:
        raise KindRefusal("At least one positive vector ID required with this strategy", BAD_REQUEST)
    return found.positive, found.negative or ()


def _refusal(name: str) -> Refused:
    return Refused(f"the query `{name}` is not supported by {TARGET}", Reason.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class _Examples:
    """`field`: of the vector that is searched."""

    field: VectorField
    schema: Schema
    elsewhere: models.LookupLocation | None
    catalog: Catalog

    @property
    def vector_name(self) -> str:
        return (self.elsewhere.vector if self.elsewhere is not None else None) or self.field.name

    def of(self, raw: Any) -> Example:
        if not isinstance(raw, int | str | UUID):
            return _finite(vector_of(raw, self.field))
        return Key(self._collection(), None, point_id(raw))

    def without(self, *examples: Sequence[Any]) -> Filter:
        """The points asked with are not in the answer, unless they are another collection's."""
        ids = frozenset(point_id(raw) for group in examples for raw in group if isinstance(raw, int | str | UUID))
        return Not(HasId(frozenset(ids))) if ids and self.elsewhere is None else EVERYTHING

    def _collection(self) -> str:
        if self.elsewhere is None:
            return self.schema.collection
        refuse_shard_keys(self.elsewhere.shard_key)
        return resolved(self.elsewhere.collection, self.catalog)


def _finite(vector: Vector) -> Vector:
    """Values beyond 32 bits become infinite in Qdrant too, whose scores are then no numbers. Raises Refused."""
    if not np.isfinite(vector.values if isinstance(vector, Sparse) else vector).all():
        raise Refused("a query whose values are beyond 32 bits has no distance to anything")
    return vector


# ---- fusion ----


def _hybrid(asked: Any, fusion: models.FusionQuery | models.RrfQuery, schema: Schema, catalog: Catalog) -> Hybrid:
    prefetches = asked.prefetch if isinstance(asked.prefetch, list) else [asked.prefetch] if asked.prefetch else []
    if not prefetches:
        raise KindRefusal("cannot apply Fusion without prefetches", BAD_REQUEST)
    beside = filter_of(asked.filter)
    return Hybrid(
        collection=schema.collection,
        parts=tuple(_part(prefetch, schema, catalog, beside) for prefetch in prefetches),
        fusion=_fusion(fusion),
        k=limit_of(asked.limit, DEFAULT_LIMIT),
        offset=_offset(asked),
        threshold=asked.score_threshold,
        fields=fields_of(asked.with_payload, default=False),
        vector_names=vector_names_of(asked.with_vector, schema),
    )


def _part(prefetch: models.Prefetch, schema: Schema, catalog: Catalog, beside: Filter) -> Search | Like:
    if prefetch.prefetch:
        raise Unsupported(Feature.SEARCH_HYBRID, TARGET, "prefetches of a prefetch")
    return _search(prefetch, schema, catalog, beside)


def _fusion(fusion: models.FusionQuery | models.RrfQuery) -> ReciprocalRank | DistributionBased:
    match fusion:
        case models.RrfQuery():
            return ReciprocalRank(RRF_K if fusion.rrf.k is None else fusion.rrf.k, tuple(fusion.rrf.weights or ()))
        case models.FusionQuery(fusion=models.Fusion.RRF):
            return ReciprocalRank(RRF_K)
        case _:
            return DistributionBased()
