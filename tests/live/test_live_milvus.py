"""What only a real Milvus shows: made by the official client, read and written by us."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import uvloop

from proxy.backends.milvus.backend import MilvusBackend
from proxy.compare.points import equal
from proxy.config import SideConfig
from proxy.errors import Refused, Unavailable, Unsupported
from proxy.model.feature import Feature
from proxy.model.filter import Like, Op, Range
from proxy.model.operation import Consistency, Count, CreateCollection, DropPartition, Fetch, Scan, Search, SetLoaded
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema
from proxy.ports import ServerInfo

if TYPE_CHECKING:
    from live.conftest import Schemas
    from pymilvus import MilvusClient
    from servers.milvus import MilvusServer

pytestmark = pytest.mark.milvus
DIM = 4


@pytest.fixture
def client(milvus: MilvusServer) -> Any:
    from pymilvus import MilvusClient

    client = MilvusClient(milvus.url)
    yield client
    client.close()


def create(client: MilvusClient, name: str, *, auto_id: bool = False, database: str = "") -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=auto_id, enable_dynamic_field=True, description="made by its client")
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=65535)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    index = client.prepare_index_params()
    index.add_index("v", index_type="HNSW", metric_type="COSINE", params={"M": 8, "efConstruction": 64})
    client.create_collection(name, schema=schema, index_params=index)


def point(name: str, identity: int, partition: str | None = None, **payload: Any) -> Point:
    vector = np.array([identity, 1, 2, 3], "f4")
    return Point(Key(name, partition, identity), {"v": vector}, {"text": "", **payload})


async def known(backend: MilvusBackend, catalog: Schemas, name: str) -> Schema:
    catalog.there[name] = await backend.describe(name)
    return catalog.there[name]


async def test_the_side_says_what_it_is(backend: MilvusBackend) -> None:
    info = await backend.ping()

    assert info.product is Product.MILVUS
    assert info.version.startswith("v2.3.5")


def test_it_works_on_uvloop(milvus: MilvusServer, catalog: Schemas) -> None:
    async def ask() -> tuple[str, ...]:
        side = MilvusBackend(SideConfig(product=Product.MILVUS, url=milvus.url), catalog)
        try:
            return await side.collections()
        finally:
            await side.close()

    assert isinstance(uvloop.run(ask()), tuple)


async def test_a_described_collection_can_be_made_again(client: Any, backend: MilvusBackend, catalog: Schemas) -> None:
    create(client, "live_original")
    client.create_partition("live_original", "p")
    original = await known(backend, catalog, "live_original")

    copy = replace(original, collection="live_copy")
    await backend.apply(CreateCollection(copy))
    await backend.apply(CreateCollection(copy))
    made = await backend.describe("live_copy")

    assert original.native["loaded"]
    assert (made.fields, made.partitions, made.native["loaded"]) == (original.fields, ("p",), True)
    assert made.vectors["v"].metric is original.vectors["v"].metric
    assert made.vectors["v"].index["index_type"] == "HNSW"


async def test_points_of_the_client_are_read_and_ours_are_seen(client: Any, backend: MilvusBackend, catalog: Schemas) -> None:
    create(client, "live_rows")
    schema = await known(backend, catalog, "live_rows")
    client.insert("live_rows", [{"id": 1, "text": "a", "v": [1.0, 1, 2, 3], "n": {"deep": [1, None]}}])
    await backend.put([point("live_rows", 2, text="b", x=1.5)])

    page = await backend.scan(Scan("live_rows", limit=5))
    seen = client.get("live_rows", [2], consistency_level="Strong")

    assert equal(page.points[0], point("live_rows", 1, text="a", n={"deep": [1, None]}), schema, 1e-6)
    assert (seen[0]["text"], seen[0]["x"]) == ("b", 1.5)


async def test_duplicates_of_an_id_are_read_once_and_counted(client: Any, backend: MilvusBackend, catalog: Schemas) -> None:
    create(client, "live_duplicates")
    await known(backend, catalog, "live_duplicates")
    for text in ("first", "second", "third"):
        client.insert("live_duplicates", [{"id": n, "text": text, "v": [n, 1.0, 2, 3]} for n in (2, 1)])
        client.flush("live_duplicates")
    client.insert("live_duplicates", [{"id": n, "text": "", "v": [n, 1.0, 2, 3]} for n in (1, 3, 4)])

    keys = tuple(Key("live_duplicates", None, n) for n in (1, 2, 3, 4, 99))
    fetched = await backend.fetch(Fetch("live_duplicates", keys))
    whole = await backend.scan(Scan("live_duplicates", limit=9))
    one = await backend.scan(Scan("live_duplicates", limit=1, after=keys[0]))

    assert fetched.keys() == set(keys[:4])
    assert [p.key for p in whole.points] == list(keys[:4])
    assert [p.key for p in one.points] == [keys[1]]
    assert await backend.duplicates("live_duplicates") == 5


async def test_ids_are_not_given_to_a_collection_that_makes_them(client: Any, backend: MilvusBackend, catalog: Schemas) -> None:
    create(client, "live_auto", auto_id=True)
    schema = await known(backend, catalog, "live_auto")
    made = client.insert("live_auto", [{"text": "", "v": [1.0, 1, 2, 3]}])["ids"][0]

    with pytest.raises(Unsupported) as refusal:
        await backend.put([point("live_auto", 7)])
    assert refusal.value.feature is Feature.AUTO_IDS
    assert len(backend.fit(schema).losses) == 1
    await backend.remove([Key("live_auto", None, made)])
    assert await backend.count(Count("live_auto")) == 0


async def test_what_is_not_loaded_is_not_read_and_not_loaded_by_us(
    client: Any, backend: MilvusBackend, catalog: Schemas
) -> None:
    create(client, "live_released")
    await known(backend, catalog, "live_released")
    await backend.apply(SetLoaded("live_released", loaded=False))

    with pytest.raises(Refused, match="not loaded"):
        await backend.scan(Scan("live_released", limit=1))
    await backend.put([point("live_released", 1)])

    assert not (await backend.describe("live_released")).native["loaded"]


async def test_a_partition_that_is_gone_holds_nothing(client: Any, backend: MilvusBackend, catalog: Schemas) -> None:
    create(client, "live_partition")
    client.create_partition("live_partition", "p")
    await known(backend, catalog, "live_partition")
    await backend.put([point("live_partition", 1), point("live_partition", 1, "p")])
    await backend.apply(DropPartition("live_partition", "p"))
    key = Key("live_partition", "p", 1)

    assert await backend.fetch(Fetch("live_partition", (key,))) == {}
    assert await backend.count(Count("live_partition")) == 1
    assert len((await backend.scan(Scan("live_partition", limit=5))).points) == 1
    query = Search("live_partition", "v", (np.ones(DIM, "f4"),), k=5)
    assert len((await backend.search(query))[0]) <= 1
    await backend.remove([key])


async def test_a_filter_that_milvus_cannot_say_still_gives_k_hits(
    client: Any, backend: MilvusBackend, catalog: Schemas
) -> None:
    create(client, "live_candidates")
    await known(backend, catalog, "live_candidates")
    await backend.put([point("live_candidates", n, x=f"{n} {'odd' if n % 2 else 'even'}") for n in range(100)])
    query = Search("live_candidates", "v", (np.array([0, 1, 2, 3], "f4"),), k=20, filter=Like(("x",), "%odd"), fields=("x",))

    (hits,) = await backend.search(query, consistency=Consistency.LATEST)

    assert [hit.key.id for hit in hits] == list(range(1, 40, 2))
    assert all(hit.point.payload["x"].endswith("odd") for hit in hits)


async def test_arrays_under_a_dynamic_key_count_by_their_elements(
    client: Any, backend: MilvusBackend, catalog: Schemas
) -> None:
    create(client, "live_arrays")
    await known(backend, catalog, "live_arrays")
    await backend.put([point("live_arrays", n, x=x) for n, x in enumerate((1, 9, [1, 9], [1], "9"))])

    found = await backend.scan(Scan("live_arrays", limit=9, filter=Range(("x",), Op.GT, 5), fields=()))

    assert [p.key.id for p in found.points] == [1, 2]
    assert all(p.payload == {} for p in found.points)


@pytest.mark.slow
async def test_more_than_one_message_goes_both_ways(client: Any, backend: MilvusBackend, catalog: Schemas) -> None:
    create(client, "live_large")
    await known(backend, catalog, "live_large")
    texts = "x" * 65_000
    points = [point("live_large", n, text=texts) for n in range(1_200)]

    await backend.put(points)
    page = await backend.scan(Scan("live_large", limit=1_200))
    fetched = await backend.fetch(Fetch("live_large", tuple(p.key for p in points), fields=("text",), vector_names=()))

    assert (len(page.points), page.end, len(fetched)) == (1_200, True, 1_200)
    assert all(p.payload["text"] == texts for p in fetched.values())


@contextmanager
def other_database(client: Any, milvus: MilvusServer, name: str) -> Iterator[Any]:
    """Its collection `rows`, with an alias, is gone with it in the end: the sidecars of other tests move whatever they find."""
    from pymilvus import MilvusClient

    client.create_database(name)
    there = MilvusClient(milvus.url, db_name=name)
    create(there, "rows")
    there.create_alias("rows", "other_rows")
    try:
        yield there
    finally:
        there.drop_alias("other_rows")
        there.drop_collection("rows")
        there.close()
        client.drop_database(name)


async def test_a_collection_of_another_database_has_its_name_before_it(
    client: Any, milvus: MilvusServer, backend: MilvusBackend, catalog: Schemas
) -> None:
    with other_database(client, milvus, "live_db") as there:
        await known(backend, catalog, "live_db/rows")

        await backend.put([point("live_db/rows", 1)])

        assert "live_db/rows" in await backend.collections()
        assert (await backend.aliases())["live_db/other_rows"] == "live_db/rows"
        assert await backend.count(Count("live_db/rows")) == 1
        assert there.get("rows", [1], consistency_level="Strong")[0]["id"] == 1


async def _reached(backend: MilvusBackend) -> ServerInfo:
    """A channel of gRPC tries again after a pause of its own, and says until then what its last try met."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await backend.ping()
            except Unavailable:
                await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_credentials_and_outages_are_told_apart(catalog: Schemas) -> None:
    from servers.milvus import ROOT_TOKEN, MilvusServer

    with MilvusServer(authorization=True) as server:
        wrong = MilvusBackend(SideConfig(product=Product.MILVUS, url=server.url, token="root:wrong"), catalog)
        right = MilvusBackend(SideConfig(product=Product.MILVUS, url=server.url, token=ROOT_TOKEN), catalog)
        with pytest.raises(Refused, match="token"):
            await wrong.ping()
        await right.ping()
        server.kill()
        with pytest.raises(Unavailable):
            await right.ping()
        server.start()
        assert (await _reached(right)).version
        for side in (wrong, right):
            await side.close()
