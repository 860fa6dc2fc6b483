"""Changes of schema can be made twice, clashes are told, and what is there is described."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conformance.agree import assert_same_hits, assert_same_state
from conformance.world import World

from proxy.errors import AlreadyExists, NotFound, Refused
from proxy.model.evolve import INDEXES
from proxy.model.feature import Feature
from proxy.model.operation import (
    ChangeAliases,
    Count,
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropIndex,
    DropPartition,
    RenameCollection,
    Scan,
    Search,
    SetAlias,
    UpdateSettings,
)
from proxy.model.point import Key, Point
from proxy.model.schema import DType, Field, FieldType, Metric, Schema, VectorField, VectorKind

DIM = 8


def schema(name: str, metric: Metric | None = Metric.EUCLIDEAN, dim: int = DIM) -> Schema:
    fields = {"n": Field("n", FieldType.INT64), "s": Field("s", FieldType.STRING, max_length=20)}
    return Schema(name, {"v": VectorField("v", VectorKind.DENSE, dim, metric)}, fields)


def points(name: str, partition: str | None = None, start: int = 0) -> list[Point]:
    rows = np.random.default_rng(1).standard_normal((10, DIM)).astype(np.float32)
    return [Point(Key(name, partition, n), {"v": row}, {"n": n, "s": ""}) for n, row in enumerate(rows, start)]


async def test_a_collection_is_made_once_and_stays(world: World) -> None:
    await world.apply(CreateCollection(schema("schema_twice")))
    await world.put(points("schema_twice"))

    await world.apply(CreateCollection(schema("schema_twice")))

    assert "schema_twice" in await world.side.collections()
    await assert_same_state(world, "schema_twice")


@pytest.mark.parametrize(
    "other",
    [schema("schema_clash", dim=DIM * 2), schema("schema_clash", metric=Metric.DOT)],
    ids=["dimension", "metric"],
)
async def test_another_schema_under_a_name_that_is_there_is_told(world: World, other: Schema) -> None:
    await world.apply(CreateCollection(schema("schema_clash")))

    with pytest.raises(AlreadyExists):
        await world.side.apply(CreateCollection(other))


async def test_a_dropped_collection_is_gone_and_may_be_dropped_again(world: World) -> None:
    await world.apply(CreateCollection(schema("schema_dropped")))
    await world.put(points("schema_dropped"))

    await world.side.apply(DropCollection("schema_dropped"))
    await world.side.apply(DropCollection("schema_dropped"))

    assert "schema_dropped" not in await world.side.collections()
    with pytest.raises(NotFound):
        await world.side.scan(Scan("schema_dropped", limit=1))
    with pytest.raises(NotFound):
        await world.side.describe("schema_dropped")


async def test_a_collection_is_described(world: World) -> None:
    await world.apply(CreateCollection(schema("schema_described", metric=Metric.COSINE)))

    found = await world.side.describe("schema_described")

    assert found.collection == "schema_described"
    vector = found.vectors["v"]
    assert (vector.kind, vector.dim, vector.metric) == (VectorKind.DENSE, DIM, Metric.COSINE)


@pytest.mark.needs(Feature.INT_IDS, Feature.STRING_IDS)
async def test_a_description_tells_the_kind_of_the_ids(world: World) -> None:
    """Where there are several."""
    await world.apply(CreateCollection(schema("schema_ids")))

    assert (await world.side.describe("schema_ids")).id_kind is schema("").id_kind


@pytest.mark.needs(Feature.ALIASES)
async def test_an_alias_moves_and_goes(world: World) -> None:
    for name in ("schema_alias_a", "schema_alias_b"):
        await world.apply(CreateCollection(schema(name)))

    await world.side.apply(SetAlias("schema_alias", "schema_alias_a"))
    await world.side.apply(SetAlias("schema_alias", "schema_alias_a"))
    assert (await world.side.aliases())["schema_alias"] == "schema_alias_a"
    await world.side.apply(SetAlias("schema_alias", "schema_alias_b"))
    assert (await world.side.aliases())["schema_alias"] == "schema_alias_b"

    await world.side.apply(DropAlias("schema_alias"))
    await world.side.apply(DropAlias("schema_alias"))
    assert "schema_alias" not in await world.side.aliases()


@pytest.mark.needs(Feature.PARTITIONS)
async def test_a_dropped_partition_takes_its_points(world: World) -> None:
    name = "schema_partition"
    await world.apply(CreateCollection(schema(name)), CreatePartition(name, "p"), CreatePartition(name, "p"))
    await world.put(points(name))
    await world.put(points(name, "p", start=5))

    await world.apply(DropPartition(name, "p"), DropPartition(name, "p"))

    await assert_same_state(world, name)
    assert await world.side.count(Count(name)) == 10


@pytest.mark.needs(Feature.RENAME)
async def test_a_renamed_collection_keeps_its_points(world: World) -> None:
    await world.apply(CreateCollection(schema("schema_before")))
    await world.put(points("schema_before"))

    await world.apply(RenameCollection("schema_before", "schema_after"))

    await assert_same_state(world, "schema_after")
    assert "schema_before" not in await world.side.collections()


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.DOT, Metric.EUCLIDEAN])
async def test_an_index_names_the_metric(world: World, metric: Metric) -> None:
    name = f"schema_index_{metric}"
    index = CreateIndex(name, "v", "v", {"metric": metric})
    await world.apply(CreateCollection(schema(name, metric=None)), index, index)
    await world.put(points(name))

    await assert_same_hits(world, Search(name, "v", (points("")[0].vectors["v"],), 3, exact=True))


async def test_a_vector_without_a_metric_cannot_be_searched(world: World) -> None:
    name = "schema_no_metric"
    await world.apply(CreateCollection(schema(name, metric=None)))

    with pytest.raises(Refused):
        await world.side.search(Search(name, "v", (points("")[0].vectors["v"],), 3))


@pytest.mark.needs(Feature.PAYLOAD_INDEXES)
async def test_an_index_on_a_field_changes_no_answer(world: World) -> None:
    name = "schema_field_index"
    await world.apply(CreateCollection(schema(name)))
    await world.put(points(name))

    await world.apply(CreateIndex(name, "s", "s", {}))
    await assert_same_state(world, name)
    await world.apply(DropIndex(name, "s", "s"), DropIndex(name, "s", "s"))

    await assert_same_state(world, name)


async def test_what_only_another_product_reads_changes_no_answer(world: World) -> None:
    name = "schema_foreign"
    wanted = schema(name)
    await world.apply(CreateCollection(wanted))
    await world.put(points(name))
    index = CreateIndex(name, "city", "city", {"index_type": "keyword", INDEXES: {"data_type": "Keyword"}})
    settings = UpdateSettings(name, wanted.native, {"hnsw_config": {"m": 4}})

    await world.apply(index, index, settings, settings, DropIndex(name, "city", "city"))

    await assert_same_state(world, name)


@pytest.mark.needs(Feature.ALIASES)
async def test_several_aliases_change_one_after_the_other(world: World) -> None:
    name = "schema_aliases"
    await world.apply(CreateCollection(schema(name)))
    changes = ChangeAliases((SetAlias("first", name), DropAlias("first"), SetAlias("second", name)))

    await world.apply(changes, changes)

    assert {alias for alias, of in (await world.side.aliases()).items() if of == name} == {"second"}


@pytest.mark.needs(Feature.BINARY_VECTORS)
async def test_binary_vectors_can_be_had(world: World) -> None:
    binary = VectorField("v", VectorKind.DENSE, 16, Metric.HAMMING, DType.BINARY)
    wanted = replace(schema("schema_binary"), vectors={"v": binary})
    rows = [Point(Key("schema_binary", None, n), {"v": np.array([n, 255 - n], np.uint8)}, {"n": n, "s": ""}) for n in range(5)]

    await world.collection(wanted, rows)

    await assert_same_state(world, "schema_binary")
    await assert_same_hits(world, Search("schema_binary", "v", (rows[1].vectors["v"],), 5))
