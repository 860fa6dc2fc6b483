"""Reads of the official client, by name, as functions of a client: asked of two servers that hold the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias
from uuid import UUID

from qdrant_client import QdrantClient, models
from qdrant_facade import FacadeServer

from tests.servers.qdrant import QdrantServer

C: Final = "shelf"
PLAIN: Final = "plain"


@dataclass(frozen=True, slots=True)
class Shelves:
    """Our frontend and Qdrant's own engine with the same in them. `clients`: protocol -> (of ours, of the engine)."""

    ours: FacadeServer
    engine: QdrantServer
    clients: Mapping[str, tuple[QdrantClient, ...]]


Reading: TypeAlias = Callable[[QdrantClient], Any]
COUNT: Final = 60
UUIDS: Final = [str(UUID(int=n * 2**120 + 7)) for n in (3, 1, 200)]
IDS: Final[list[Any]] = [*range(COUNT), 2**63 + 5, *UUIDS]


def fill(client: QdrantClient) -> None:
    """`shelf` has vectors of every kind, some of them missing; `plain` one without a name."""
    dense = models.VectorParams(size=4, distance=models.Distance.COSINE)
    client.create_collection(
        C,
        vectors_config={
            "cosine": dense,
            "dot": models.VectorParams(size=4, distance=models.Distance.DOT),
            "euclid": models.VectorParams(size=4, distance=models.Distance.EUCLID),
            "manhattan": models.VectorParams(size=4, distance=models.Distance.MANHATTAN),
            "bytes": models.VectorParams(size=4, distance=models.Distance.DOT, datatype=models.Datatype.UINT8),
            "half": models.VectorParams(size=4, distance=models.Distance.EUCLID, datatype=models.Datatype.FLOAT16),
            "multi": models.VectorParams(
                size=2,
                distance=models.Distance.COSINE,
                multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            ),
        },
        sparse_vectors_config={"sparse": models.SparseVectorParams()},
    )
    client.create_collection(PLAIN, vectors_config=models.VectorParams(size=3, distance=models.Distance.EUCLID))
    chance = Random(8)
    client.upsert(C, [_point(chance, number, raw) for number, raw in enumerate(IDS)])
    client.upsert(PLAIN, [models.PointStruct(id=n, vector=_floats(chance, 3), payload={"n": n}) for n in (1, 2, 3, 4)])
    client.upsert(PLAIN, [models.PointStruct(id=5, vector=[0.15, 0.1, 1e-7], payload={})])


def empty(client: QdrantClient) -> None:
    for name in (C, PLAIN):
        client.delete_collection(name)


def _floats(chance: Random, size: int) -> list[float]:
    return [round(chance.uniform(-1, 1), 3) for _ in range(size)]


def _point(chance: Random, number: int, raw: Any) -> models.PointStruct:
    vectors: dict[str, Any] = {name: _floats(chance, 4) for name in ("cosine", "dot", "euclid", "manhattan")}
    vectors |= {"bytes": [float(chance.randint(0, 9)) for _ in range(4)], "half": _floats(chance, 4)}
    if number % 5:
        vectors["multi"] = [_floats(chance, 2) for _ in range(1 + number % 3)]
    if number % 4:
        indices = sorted(chance.sample(range(12), 4))
        vectors["sparse"] = models.SparseVector(indices=indices, values=_floats(chance, 4))
    payload = {
        "n": number,
        "color": chance.choice(["red", "green", "blue"]),
        "tags": chance.sample(["a", "b", "c"], chance.randint(0, 3)),
        "inner": {"a": {"b": number % 7, "c": None}, "d": [1, {"x": number, "y": 2}], "author": number % 4},
        "price": number / 8,
        "text": f"größe {number}",
    }
    return models.PointStruct(id=raw, vector=vectors, payload={} if number == 13 else payload)


def _field(key: str, **test: Any) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key=key, **test)])


RED: Final = _field("color", match=models.MatchValue(value="red"))
Q4: Final = [0.3, -0.2, 0.9, 0.15]
Q2: Final = [[0.6, 0.8], [-1.0, 0.25]]
SPARSE: Final = models.SparseVector(indices=[7, 3, 1], values=[0.5, 1.0, -0.25])


def _nearest(using: str, query: Any = None, **more: Any) -> Reading:
    return lambda client: client.query_points(C, query=Q4 if query is None else query, using=using, **more).points


def _prefetch(using: str, query: Any, limit: int, **more: Any) -> models.Prefetch:
    return models.Prefetch(query=query, using=using, limit=limit, **more)


def _fused(fusion: Any, *prefetches: models.Prefetch, **more: Any) -> Reading:
    return lambda client: client.query_points(C, prefetch=list(prefetches), query=fusion, **more).points


def _groups(by: str, **more: Any) -> Reading:
    return lambda client: client.query_points_groups(C, group_by=by, query=Q4, using="dot", **more).groups


def _batch(*requests: models.QueryRequest) -> Reading:
    return lambda client: [answer.points for answer in client.query_batch_points(C, requests=list(requests))]


def _scrolled(client: QdrantClient) -> Any:
    """Every page."""
    pages, offset = [], None
    while True:
        page, offset = client.scroll(C, limit=11, offset=offset, with_payload=["n"])
        pages.append((page, offset))
        if offset is None:
            return pages


def _recommend(positive: list[Any], negative: list[Any] | None = None, using: str = "cosine", **more: Any) -> Reading:
    query = models.RecommendQuery(recommend=models.RecommendInput(positive=positive, negative=negative))
    return lambda client: client.query_points(C, query=query, using=using, **more).points


_TWO: Final = (_prefetch("cosine", Q4, 12), _prefetch("sparse", SPARSE, 9, filter=RED))
_RRF: Final = models.FusionQuery(fusion=models.Fusion.RRF)
_DBSF: Final = models.FusionQuery(fusion=models.Fusion.DBSF)

READINGS: Final[Mapping[str, Reading]] = {
    "retrieve": lambda c: c.retrieve(C, [5, UUIDS[0], 999, 1, 5, UUIDS[1].upper().replace("-", "")]),
    "retrieve vectors": lambda c: c.retrieve(C, [5, 10, 16, 2**63 + 5], with_vectors=True),
    "retrieve some vectors": lambda c: c.retrieve(C, [4, 5, 6], with_vectors=["sparse", "multi"], with_payload=False),
    "retrieve nothing": lambda c: c.retrieve(C, [5, 13], with_payload=False),
    "retrieve unnamed": lambda c: c.retrieve(PLAIN, [1, 5], with_vectors=True),
    "payload list": lambda c: c.retrieve(C, [5, 13], with_payload=["n", "absent", "inner.a.b"]),
    "payload include": lambda c: c.retrieve(
        C, [5, 6], with_payload=models.PayloadSelectorInclude(include=["inner.d[].x", "tags", "inner.a.c"])
    ),
    "payload exclude": lambda c: c.retrieve(
        C, [5, 6], with_payload=models.PayloadSelectorExclude(exclude=["inner.a", "inner.d[].x", "price"])
    ),
    "scroll": _scrolled,
    "scroll filtered": lambda c: c.scroll(C, scroll_filter=RED, limit=5, with_vectors=["dot"]),
    "scroll from a gap": lambda c: c.scroll(C, limit=5, offset=2**40),
    "scroll from a uuid": lambda c: c.scroll(C, limit=5, offset=UUIDS[0]),
    "scroll default": lambda c: c.scroll(C),
    "count": lambda c: c.count(C),
    "count filtered": lambda c: c.count(C, count_filter=RED, exact=True),
    "count not exact": lambda c: c.count(C, exact=False),
    "no query": lambda c: c.query_points(C, limit=5, offset=2, query_filter=RED).points,
    "cosine": _nearest("cosine"),
    "cosine with all": _nearest("cosine", with_payload=True, with_vectors=True, limit=3),
    "dot": _nearest("dot", limit=7, offset=3, with_payload=["n"]),
    "euclid": _nearest("euclid", query_filter=RED),
    "manhattan": _nearest("manhattan", search_params=models.SearchParams(hnsw_ef=64, exact=True)),
    "bytes": _nearest("bytes", [1.7, -3.0, 300.0, 0.1], with_vectors=["bytes"]),
    "half": _nearest("half", with_vectors=["half"]),
    "multi": _nearest("multi", Q2, limit=5),
    "multi one row": _nearest("multi", [0.6, 0.8], limit=5),
    "sparse": _nearest("sparse", SPARSE, limit=5, with_vectors=["sparse"]),
    "unnamed": lambda c: c.query_points(PLAIN, query=[0.1, 0.2, 0.3], with_vectors=True).points,
    "threshold of a similarity": _nearest("cosine", score_threshold=0.5, limit=50),
    "threshold of a distance": _nearest("euclid", score_threshold=0.9, limit=50),
    "by id": _nearest("cosine", 5),
    "by uuid": _nearest("euclid", UUIDS[0].upper(), limit=4),
    "by id sparse": _nearest("sparse", 5),
    "by id elsewhere": lambda c: (
        c.query_points(PLAIN, query=2, lookup_from=models.LookupLocation(collection=PLAIN), with_payload=True).points
    ),
    "recommend": _recommend([5, 6, Q4]),
    "recommend away": _recommend([5, UUIDS[0]], [7, 8], limit=4),
    "recommend euclid": _recommend([5, 6], [7], using="euclid"),
    "recommend sparse": _recommend([5, 6], [7], using="sparse"),
    "recommend multi": _recommend([6, 7], [8], using="multi", limit=4),
    "batch of one kind": _batch(
        *(models.QueryRequest(query=Q4[n:] + Q4[:n], using="dot", limit=3, with_payload=True) for n in range(3))
    ),
    "batch of several kinds": _batch(
        models.QueryRequest(query=Q4, using="dot", limit=3),
        models.QueryRequest(query=5, using="cosine", limit=2, with_vector=["dot"]),
        models.QueryRequest(limit=2, with_payload=True),
        models.QueryRequest(prefetch=list(_TWO), query=_RRF, limit=30),
    ),
    "rrf": _fused(_RRF, *_TWO, limit=30, with_payload=["n"]),
    "rrf weighted": _fused(models.RrfQuery(rrf=models.Rrf(k=5, weights=[3.0, 1.0])), *_TWO, limit=30, with_payload=["n"]),
    "rrf filtered": _fused(_RRF, *_TWO, query_filter=_field("n", range=models.Range(gte=20)), limit=30),
    "rrf offset": _fused(_RRF, _prefetch("dot", Q4, 9), offset=2, limit=4),
    "rrf threshold": _fused(_RRF, *_TWO, score_threshold=0.2, limit=30),
    "rrf of distances": _fused(_RRF, _prefetch("euclid", Q4, 8), _prefetch("dot", 5, 8), limit=30),
    "dbsf": _fused(_DBSF, *_TWO, with_payload=True),
    "dbsf of few": _fused(_DBSF, _prefetch("cosine", Q4, 1), _prefetch("dot", Q4, 6)),
    "groups": _groups("color", limit=2, group_size=4, with_payload=True),
    "groups of arrays": _groups("tags", limit=3, group_size=2),
    "groups inside": _groups("inner.a.b", limit=10, with_vectors=["dot"]),
    "groups with lookup": _groups(
        "inner.author",
        limit=4,
        group_size=1,
        with_lookup=models.WithLookup(collection=PLAIN, with_payload=True, with_vectors=True),
    ),
    "groups of a filter": _groups("color", query_filter=_field("n", range=models.Range(lt=20)), score_threshold=0.1),
    "filter of ids": lambda c: c.scroll(C, scroll_filter=models.Filter(must=[models.HasIdCondition(has_id=[3, UUIDS[1]])])),
    "filter of vectors": lambda c: c.count(
        C, count_filter=models.Filter(must_not=[models.HasVectorCondition(has_vector="sparse")])
    ),
}

REFUSED: Final[Mapping[str, tuple[Reading, str]]] = {
    "facet": (lambda c: c.facet(C, "color"), "`facet`"),
    "matrix pairs": (lambda c: c.search_matrix_pairs(C, using="dot"), "`matrix pairs`"),
    "matrix offsets": (lambda c: c.search_matrix_offsets(C, using="dot"), "`matrix offsets`"),
    "order by": (lambda c: c.scroll(C, order_by="n"), "`order_by`"),
    "order by query": (lambda c: c.query_points(C, query=models.OrderByQuery(order_by="n")), "`order_by`"),
    "sample": (lambda c: c.query_points(C, query=models.SampleQuery(sample=models.Sample.RANDOM)), "`sample`"),
    "mmr": (_nearest("dot", models.NearestQuery(nearest=Q4, mmr=models.Mmr())), "`mmr`"),
    "best score": (
        _nearest(
            "dot",
            models.RecommendQuery(recommend=models.RecommendInput(positive=[1], strategy=models.RecommendStrategy.BEST_SCORE)),
        ),
        "best_score",
    ),
    "discover": (
        _nearest("dot", models.DiscoverQuery(discover=models.DiscoverInput(target=1, context=[]))),
        "`discover`",
    ),
    "context": (
        _nearest("dot", models.ContextQuery(context=[models.ContextPair(positive=1, negative=2)])),
        "`context`",
    ),
    "formula": (
        lambda c: c.query_points(C, prefetch=_TWO[0], query=models.FormulaQuery(formula="$score")),
        "hybrid search",
    ),
    "rescoring": (
        lambda c: c.query_points(C, prefetch=_TWO[0], query=Q4, using="dot"),
        "hybrid search",
    ),
    "nested prefetch": (
        _fused(_RRF, models.Prefetch(prefetch=_TWO[0], query=_RRF)),
        "hybrid search",
    ),
    "slices": (
        lambda c: c.count(C, count_filter=models.Filter(must=[models.SliceCondition(slice=models.Slice(total=2, index=0))])),
        "`slice`",
    ),
    "shard keys": (lambda c: c.count(C, shard_key_selector="x"), "shard keys"),
}

WRONG: Final[Mapping[str, Reading]] = {
    "no such collection": lambda c: c.query_points("absent", query=Q4),
    "no such id": _nearest("dot", 999),
    "no such vector": _nearest("absent"),
    "wrong dimension": _nearest("dot", [1.0, 2.0]),
    "sparse for dense": _nearest("dot", SPARSE),
    "fusion of nothing": lambda c: c.query_points(C, query=_RRF),
    "nothing positive": _recommend([], [5]),
    "bad key": lambda c: c.count(C, count_filter=_field("a..b", match=models.MatchValue(value=1))),
    "bad id": lambda c: c.retrieve(C, ["nonsense"]),
    "no limit": lambda c: c.scroll(C, limit=0),
}
