"""The distance matrix of a sample: for each sampled point, its nearest in the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.engine import check_limit
from proxy.local.qdrant.errors import engine_faults
from proxy.local.qdrant.filters import compile_filter
from proxy.local.qdrant.updates import refuse_shard_key
from proxy.local.qdrant.vectors import EngineVector

DEFAULT_SAMPLE: Final = 10
DEFAULT_NEIGHBOURS: Final = 3


@dataclass(frozen=True, slots=True)
class Matrix:
    """`ids`: EngineId. `pairs`: of places in `ids`, with their score; grouped by the first, best first."""

    ids: tuple[Any, ...]
    pairs: tuple[tuple[int, int, float], ...]


def distance_matrix(collection: Collection, request: models.SearchMatrixRequest) -> Matrix:
    refuse_shard_key(request.shard_key)
    limit = check_limit(request.limit, DEFAULT_NEIGHBOURS)
    vectors = _sample(collection, request)
    places = {point: place for place, point in enumerate(vectors)}
    found = {point: _nearest(collection, vectors, point, request.using, limit) for point in vectors}
    pairs = tuple((places[point], places[hit.id], hit.score) for point, hits in found.items() for hit in hits)
    return Matrix(tuple(vectors), pairs)


def _sample(collection: Collection, request: models.SearchMatrixRequest) -> dict[Any, EngineVector]:
    name = request.using or ""
    present: list[models.Condition] = [models.HasVectorCondition(has_vector=name)]
    wanted = [*present, request.filter] if request.filter is not None else present
    with engine_faults():
        query = edge.QueryRequest(
            check_limit(request.sample, DEFAULT_SAMPLE),
            query=edge.Sample.Random,
            filter=compile_filter(models.Filter(must=wanted)),
            with_vector=True,
        )
    vectors = {hit.id: hit.vector for hit in collection.query(query)}
    return {point: vector[name] if isinstance(vector, dict) else vector for point, vector in vectors.items()}


def _nearest(
    collection: Collection, vectors: dict[Any, EngineVector], point: Any, using: str | None, limit: int
) -> list[edge.ScoredPoint]:
    others = edge.Filter(must=[edge.HasIdCondition(set(vectors) - {point})])
    with engine_faults():
        query = edge.QueryRequest(limit, query=edge.Query.Nearest(vectors[point], using), filter=others)
    return collection.query(query)
