"""Points of a Qdrant, read by us, written to a Milvus and read again: what a backfill from Qdrant to Milvus comes to.

Against the real Milvus 2.3.5, and against what stands in for newer ones, where a collection may have several vectors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from qdrant_client import QdrantClient, models

from proxy.backends.milvus.backend import MilvusBackend
from proxy.backends.qdrant.backend import QdrantBackend
from proxy.compare.points import difference
from proxy.config import SideConfig
from proxy.errors import Unsupported
from proxy.model.feature import Feature
from proxy.model.filter import AllOf, Equals, Exists, HasId, IdRange, Not, Op, Range
from proxy.model.operation import (
    Consistency,
    Count,
    CreateCollection,
    CreateIndex,
    DropAlias,
    Fetch,
    Scan,
    Search,
    SetAlias,
)
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema

if TYPE_CHECKING:
    from live.conftest import Schemas
    from servers.qdrant import QdrantServer

pytestmark = pytest.mark.milvus
DOCS = "my-docs"
IDS: list[int | str] = [3, 10, 2**63 + 5, 2**64 - 1, str(UUID(int=7)), "f0000000-0000-4000-8000-000000000001"]
PAYLOADS: list[dict[str, Any]] = [
    {"n": 1, "vector": "taken", "__id__": "mine", "_vector": [1]},
    {"n": 2, "text": 'ü "quoted" \\ \n', "$meta": {"a": None}, "": 0},
    {"n": 2.5, "wide": 2**63 - 1, "none": None, "empty": [], "object": {}},
    {"deep": {"a": [{"b": [[]]}, None, 1e300]}, "place": {"lon": 13.4, "lat": 52.5}},
    {"n": "a text", "a.b": 1, "a-b c": True, "__vecferry__": "v"},
    {},
]


@dataclass
class Pair:
    source: QdrantBackend
    target: MilvusBackend
    client: QdrantClient
    catalog: Schemas
    side: SideConfig
    again: MilvusBackend

    async def found(self, name: str) -> Schema:
        self.catalog.there[name] = await self.source.describe(name)
        return self.catalog.there[name]

    async def copied(self, name: str) -> list[Point]:
        """All points of the source, on both sides now, and no others. The collection is made by the first who asks."""
        schema = await self.found(name)
        await self.target.apply(CreateCollection(schema))
        points = (await self.source.scan(Scan(name, limit=500))).points
        there = (await self.target.scan(Scan(name, limit=500, fields=(), vector_names=()))).points
        await self.target.remove([point.key for point in there])
        await self.target.put(points)
        return list(points)

    async def restarted(self) -> MilvusBackend:
        """The target as one sees it who has written nothing there."""
        await self.again.close()
        self.again = MilvusBackend(self.side, self.catalog, clients=Product.QDRANT)
        return self.again

    async def assert_same(self, name: str, points: list[Point]) -> None:
        schema = self.catalog.schema(name)
        fetched = await self.target.fetch(Fetch(name, tuple(point.key for point in points)))
        assert fetched.keys() == {point.key for point in points}
        for point in points:
            assert difference(point, fetched[point.key], schema, 0) is None, (point, fetched[point.key])


@pytest.fixture(params=["milvus", "milvus_lite"])
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
async def pair(server: Any, catalog: Schemas, qdrant: QdrantServer) -> AsyncIterator[Pair]:
    source = QdrantBackend(SideConfig(product=Product.QDRANT, url=qdrant.url, grpc_url=qdrant.grpc_url), catalog)
    side = SideConfig(product=Product.MILVUS, url=server.url)
    target, again = (MilvusBackend(side, catalog, clients=Product.QDRANT) for _ in range(2))
    client = qdrant.client(prefer_grpc=True)
    pair = Pair(source, target, client, catalog, side, again)
    yield pair
    client.close()
    for each in (source, target, pair.again):
        await each.close()


def is_lite(server: Any) -> bool:
    return type(server).__name__ == "MilvusLiteServer"


def fill(client: QdrantClient) -> None:
    if client.collection_exists(DOCS):
        return
    client.create_collection(DOCS, models.VectorParams(size=4, distance=models.Distance.COSINE))
    client.create_payload_index(DOCS, "n", models.PayloadSchemaType.INTEGER)
    rows = zip(IDS, PAYLOADS, strict=True)
    points = [models.PointStruct(id=each, vector=[n + 1.0, 2, 3, -n], payload=p) for n, (each, p) in enumerate(rows)]
    client.upsert(DOCS, points, wait=True)


async def docs(pair: Pair) -> list[Point]:
    fill(pair.client)
    return await pair.copied(DOCS)


async def test_every_point_comes_over_as_it_is_in_the_order_of_its_id(pair: Pair) -> None:
    points = await docs(pair)

    await pair.assert_same(DOCS, points)
    whole = await pair.target.scan(Scan(DOCS, limit=100))
    behind = await pair.target.scan(Scan(DOCS, limit=2, after=points[2].key))

    assert [point.key for point in whole.points] == [point.key for point in points]
    assert [point.key for point in behind.points] == [point.key for point in points[3:5]]
    assert await pair.target.count(Count(DOCS)) == len(points)


async def test_a_search_finds_what_the_source_finds(pair: Pair) -> None:
    points = await docs(pair)
    search = Search(DOCS, "", (points[3].vectors[""],), 4, fields=None, vector_names=("",), hints={"hnsw_ef": 64})

    (theirs,) = await pair.source.search(search)
    (ours,) = await pair.target.search(search, Consistency.LATEST)

    assert [hit.key for hit in ours] == [hit.key for hit in theirs]
    assert [hit.value for hit in ours] == pytest.approx([hit.value for hit in theirs], abs=1e-5)
    assert [difference(a.point, b.point, pair.catalog.schema(DOCS), 0) for a, b in zip(theirs, ours, strict=True)] == [None] * 4


async def test_ids_in_a_filter_mean_the_clients_ids(pair: Pair) -> None:
    points = await docs(pair)
    ids = [point.key.id for point in points]

    async def selected(condition: Any) -> list[Any]:
        page = await pair.target.scan(Scan(DOCS, limit=100, filter=condition, fields=(), vector_names=()))
        assert await pair.target.count(Count(DOCS, condition)) == len(page.points)
        return [point.key.id for point in page.points]

    assert await selected(HasId(frozenset({10, UUID(int=7), "3", -1}))) == [10, UUID(int=7)]
    assert await selected(IdRange(Op.GT, 10)) == ids[2:4]
    assert await selected(IdRange(Op.LE, UUID(int=7))) == [UUID(int=7)]


async def test_conditions_on_the_payload_select_the_same(pair: Pair, server: Any) -> None:
    if is_lite(server):
        pytest.skip("milvus-lite reads conditions on JSON in another language than every real Milvus")
    await docs(pair)
    conditions = (
        Equals(("n",), 2),
        Range(("n",), Op.GE, 2),
        Not(Equals(("n",), 1)),
        Equals(("vector",), "taken"),
        Equals(("a.b",), 1),
        Equals(("place", "lat"), 52.5),
        AllOf((Exists(("object",)), Exists(("none",)))),
    )
    counts = [await pair.target.count(Count(DOCS, condition)) for condition in conditions]

    assert counts == [1, 2, 5, 1, 1, 1, 1]


async def test_a_removed_point_is_gone_and_a_new_state_replaces_the_old(pair: Pair) -> None:
    points = await docs(pair)
    changed = replace(points[1], payload={"only": 1})

    await pair.target.remove([points[0].key, points[4].key, Key(DOCS, None, 999)])
    await pair.target.put([changed])

    assert (await pair.target.fetch(Fetch(DOCS, (points[0].key, points[4].key)))) == {}
    await pair.assert_same(DOCS, [changed, points[2], points[3], points[5]])


async def test_a_collection_goes_by_its_own_name(pair: Pair, server: Any) -> None:
    schema = (await docs(pair), pair.catalog.schema(DOCS))[1]

    await pair.target.apply(CreateCollection(schema))
    await pair.target.apply(CreateIndex(DOCS, "n", "n", {}))
    await pair.target.apply(SetAlias("other-name", DOCS))
    aliases = await pair.target.aliases()
    assert DOCS in await pair.target.collections()
    assert (await pair.target.describe(DOCS)).collection == DOCS
    await pair.target.apply(DropAlias("other-name"))

    if not is_lite(server):  # which lists none
        assert aliases["other-name"] == DOCS


async def test_points_without_a_vector_are_found_by_no_search(pair: Pair) -> None:
    points = await docs(pair)
    bare = Point(Key(DOCS, None, 77), {}, {"bare": True})

    await pair.target.put([bare])

    for side in (pair.target, await pair.restarted()):
        (hits,) = await side.search(Search(DOCS, "", (points[0].vectors[""],), 50), Consistency.LATEST)
        assert {hit.key for hit in hits} == {point.key for point in points}
    await pair.assert_same(DOCS, [*points, bare])


async def test_several_vectors_and_sparse_ones_come_over_where_milvus_has_them(pair: Pair) -> None:
    name = "Named vectors!"
    _fill_named(pair.client, name)
    schema = await pair.found(name)

    if not (await pair.target.ping()).version.startswith("v2.3"):
        points = await pair.copied(name)
        await pair.assert_same(name, points)
        for using in schema.vectors:
            query = next(point.vectors[using] for point in points if using in point.vectors)
            search = Search(name, using, (query,), 3)
            (theirs,), (ours,) = await pair.source.search(search), await pair.target.search(search, Consistency.LATEST)
            assert [hit.key for hit in ours] == [hit.key for hit in theirs], using
        return
    refusals = pair.target.fit(schema).refusals
    with pytest.raises(Unsupported) as refusal:
        await pair.target.apply(CreateCollection(schema))
    assert refusal.value.feature is Feature.NAMED_VECTORS
    assert all("needs Milvus 2.4, and the server is v2.3.5" in each for each in refusals)
    assert len(refusals) == 2
    assert name not in await pair.target.collections()


async def test_a_payload_that_the_dynamic_field_cannot_hold_is_kept_and_filtered_all_the_same(pair: Pair, server: Any) -> None:
    points = await docs(pair)
    large = replace(points[0], payload={"text": "x" * 200_000, "n": 1, "later": ["y" * 70_000, 7]})

    await pair.target.put([large])

    await pair.assert_same(DOCS, [large, *points[1:]])
    side = await pair.restarted()
    if not is_lite(server):
        for condition, wanted in ((Equals(("later",), 7), 1), (Not(Equals(("later",), 7)), 5), (Equals(("n",), 2), 1)):
            assert await pair.target.count(Count(DOCS, condition)) == wanted
            search = Search(DOCS, "", (points[0].vectors[""],), 50, filter=condition, fields=("n",))
            (hits,) = await side.search(search, Consistency.LATEST)
            assert len(hits) == wanted


async def test_a_client_sees_at_once_what_it_wrote(pair: Pair) -> None:
    points = await docs(pair)
    search = Search(DOCS, "", (points[0].vectors[""],), 50)

    for point in points[:3]:
        await pair.target.remove([point.key])
        (without,) = await pair.target.search(search)
        await pair.target.put([point])
        (with_it,) = await pair.target.search(search)
        assert (len(without), len(with_it)) == (len(points) - 1, len(points))


def _fill_named(client: QdrantClient, name: str) -> None:
    if client.collection_exists(name):
        return
    client.create_collection(
        name,
        {
            "image": models.VectorParams(size=4, distance=models.Distance.DOT),
            "the-text": models.VectorParams(size=3, distance=models.Distance.EUCLID),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    words = [models.SparseVector(indices=[n, n + 1, 4_000_000_000], values=[1.0, 0.5, 0.25 + n]) for n in range(4)]
    vectors: list[dict[str, Any]] = [
        {"image": [1.0, 2, 3, 4], "the-text": [1.0, 1, 1], "words": words[0]},
        {"image": [4.0, 3, 2, 1]},
        {"the-text": [0.0, 0, 0], "words": words[2]},
        {"words": words[3]},
        {"image": [0.5, 0, 0, 9], "the-text": [1.0, 2, 1]},
    ]
    points = [models.PointStruct(id=n, vector=each, payload={"image": n}) for n, each in enumerate(vectors)]
    client.upsert(name, points, wait=True)
