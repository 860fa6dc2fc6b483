"""The stored catalog: fidelity, changes, discovery."""

import asyncio
import math
from dataclasses import replace

import pytest

from proxy.backends.memory import MemoryBackend
from proxy.errors import NotFound
from proxy.model.evolve import INDEXES
from proxy.model.operation import (
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropIndex,
    DropPartition,
    DropVector,
    RenameCollection,
    SetAlias,
    SetLoaded,
    UpdateSettings,
)
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind
from proxy.store.catalog import StoredCatalog

RICH = Schema(
    "rich",
    {
        "dense": VectorField("dense", VectorKind.DENSE, 4, Metric.COSINE, DType.FLOAT16, {"params": {"M": 16, "x": [1, None]}}),
        "sparse": VectorField("sparse", VectorKind.SPARSE, 0, None),
    },
    {
        "tags": Field("tags", FieldType.ARRAY, FieldType.STRING, max_length=20, nullable=True, index="INVERTED"),
        "price": Field("price", FieldType.FLOAT64, default=math.inf),
        "count": Field("count", FieldType.INT64, default=2**63 - 1),
    },
    IdKind.STRING,
    "pk",
    auto_id=True,
    dynamic=False,
    partitions=("a", "b"),
    native={"described": {"schema": {"name": "rich", "nested": [1, 2.5, "é", None, True]}}},
)


def plain(name: str) -> Schema:
    return Schema(name, {"v": VectorField("v", VectorKind.DENSE, 4, None)})


async def test_a_schema_comes_back_exactly(shelf):
    await StoredCatalog(shelf.store).put(RICH)
    assert StoredCatalog(shelf.reopen()).schema("rich") == RICH


async def test_changes_are_kept(shelf):
    catalog = StoredCatalog(shelf.store)
    for change in (
        CreateCollection(plain("a")),
        CreateCollection(plain("b")),
        SetAlias("alias", "a"),
        CreateIndex("alias", "v", "i", {"metric": "dot", "M": 8}),
        CreatePartition("a", "p"),
        CreatePartition("a", "q"),
        DropPartition("a", "p"),
        SetLoaded("b", loaded=False),
        SetAlias("gone", "b"),
        DropAlias("gone"),
    ):
        await catalog.apply(change)
    await catalog.set_fact("version", "2.3.5")
    await catalog.exclude(frozenset({"b"}))
    catalog = StoredCatalog(shelf.reopen())
    assert catalog.schema("alias").vectors["v"].metric is Metric.DOT
    assert catalog.schema("a").partitions == ("q",)
    assert catalog.aliases() == {"alias": "a"}
    assert (catalog.loaded("alias"), catalog.loaded("b")) == (True, False)
    assert (catalog.fact("version"), catalog.fact("other")) == ("2.3.5", "")
    assert (catalog.collections(), catalog.migrated()) == (("a", "b"), ("a",))


async def test_a_rename_takes_along_what_belongs_to_the_collection(shelf):
    catalog = StoredCatalog(shelf.store)
    await catalog.put(plain("a"))
    await catalog.apply(SetAlias("alias", "a"))
    await catalog.apply(SetLoaded("a", loaded=False))
    await catalog.exclude(frozenset({"a"}))
    await catalog.apply(RenameCollection("a", "b"))
    assert catalog.schema("alias").collection == "b"
    assert not catalog.loaded("b")
    assert catalog.excluded() == {"b"}
    with pytest.raises(NotFound):
        catalog.schema("a")


async def test_a_change_applied_again_is_no_error(shelf):
    catalog = StoredCatalog(shelf.store)
    story = [
        CreateCollection(plain("a")),
        SetAlias("x", "a"),
        RenameCollection("a", "b"),
        CreatePartition("b", "p"),
        CreateIndex("b", "v", "i", {}),
        DropCollection("b"),
    ]
    for change in story + story[2:]:
        await catalog.apply(change)
    assert (catalog.collections(), catalog.aliases()) == ((), {})


async def test_a_collection_that_is_created_again_stays_as_it_became(shelf):
    """Milvus accepts that from applications that create what they need at each start."""
    catalog = StoredCatalog(shelf.store)
    bare = replace(plain("a"), native={"loaded": False})
    for change in (CreateCollection(bare), CreatePartition("a", "p"), SetLoaded("a", loaded=True)):
        await catalog.apply(change)

    await catalog.apply(CreateCollection(bare))

    assert (catalog.schema("a").partitions, catalog.loaded("a")) == (("p",), True)


async def test_what_was_applied_ahead_does_not_come_again_over_a_later_change(shelf):
    catalog = StoredCatalog(shelf.store)
    released = replace(plain("a"), native={"loaded": False})
    await catalog.apply_ahead(CreateCollection(released), 5)
    await catalog.apply_ahead(SetLoaded("a", loaded=True), 6)
    catalog = StoredCatalog(shelf.reopen())
    await catalog.follow(CreateCollection(released), 5, last=True)
    assert catalog.loaded("a")
    assert (catalog.is_ahead(5), catalog.is_ahead(6)) == (False, True)
    await catalog.follow(DropCollection("a"), 7, last=True)
    assert catalog.collections() == ()


async def test_changes_at_the_same_time_are_all_kept(shelf):
    catalog = StoredCatalog(shelf.store)
    await asyncio.gather(*(catalog.put(plain(f"c{n}")) for n in range(20)))
    assert len(StoredCatalog(shelf.reopen()).collections()) == 20


async def test_discovery_takes_over_what_the_source_has(shelf):
    catalog = StoredCatalog(shelf.store)
    source = MemoryBackend(catalog)
    await source.apply(CreateCollection(plain("a")))
    await source.apply(SetAlias("alias", "a"))
    await catalog.put(plain("gone"))
    await catalog.discover(source)
    assert catalog.collections() == ("a",)
    assert catalog.aliases() == {"alias": "a"}
    assert catalog.fact("version") == "memory"


@pytest.mark.parametrize(("native", "loaded"), [({}, True), ({"loaded": True}, True), ({"loaded": False}, False)])
async def test_a_collection_that_its_product_does_not_load_at_once_is_not_loaded(shelf, native, loaded):
    catalog = StoredCatalog(shelf.store)
    await catalog.apply(CreateCollection(replace(plain("a"), native=native)))
    assert catalog.loaded("a") is loaded


async def test_several_aliases_change_one_after_the_other(shelf):
    catalog = StoredCatalog(shelf.store)
    await catalog.apply(CreateCollection(plain("a")))
    await catalog.apply(ChangeAliases((SetAlias("x", "a"), DropAlias("x"), SetAlias("y", "a"))))
    assert StoredCatalog(shelf.reopen()).aliases() == {"y": "a"}


async def test_vectors_indexes_and_settings_of_a_collection_are_kept_as_its_product_tells_them(shelf):
    catalog = StoredCatalog(shelf.store)
    native = {"config": {"n": 1}, INDEXES: {}}
    await catalog.apply(CreateCollection(replace(plain("a"), native=native)))
    told = {"data_type": "Keyword"}
    await catalog.apply(CreateIndex("a", "city", "city", {"index_type": "keyword", INDEXES: told}))
    await catalog.apply(CreateIndex("a", "n", "n", {"index_type": "integer", INDEXES: {"data_type": "Integer"}}))
    await catalog.apply(DropIndex("a", "n", "n"))
    with_index = {"config": {"n": 1}, INDEXES: {"city": told}}
    assert catalog.schema("a").native == with_index
    more = VectorField("w", VectorKind.DENSE, 2, Metric.DOT)
    await catalog.apply(AddVector("a", more, {**with_index, "config": {"n": 2}}))
    assert catalog.schema("a").vectors["w"] == more
    await catalog.apply(DropVector("a", "v", {**with_index, "config": {"n": 3}}))
    assert catalog.schema("a").vectors.keys() == {"w"}
    await catalog.apply(UpdateSettings("a", {**with_index, "config": {"n": 4}}, {"patch": 1}))
    assert StoredCatalog(shelf.reopen()).schema("a").native == {**with_index, "config": {"n": 4}}
