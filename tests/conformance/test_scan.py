"""Scans give each matching point exactly once, page by page, in an order that stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conformance.agree import assert_same_points
from conformance.world import World

from proxy.errors import NotFound
from proxy.model.feature import Feature
from proxy.model.filter import EVERYTHING, Equals, Filter, Op, Range
from proxy.model.operation import Count, CreateCollection, Scan
from proxy.model.point import Key, Point, PointId
from proxy.model.schema import Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind

ODD = Equals(("n",), 1)
KINDS = [
    pytest.param(IdKind.INT64, marks=pytest.mark.needs(Feature.INT_IDS, Feature.SCAN), id="numbers"),
    pytest.param(IdKind.STRING, marks=pytest.mark.needs(Feature.STRING_IDS, Feature.SCAN), id="texts"),
]


def schema(name: str, kind: IdKind = IdKind.INT64, partitions: tuple[str, ...] = ()) -> Schema:
    vector = VectorField("v", VectorKind.DENSE, 2, Metric.EUCLIDEAN)
    return Schema(name, {"v": vector}, {"n": Field("n", FieldType.INT64)}, id_kind=kind, partitions=partitions)


def identity(kind: IdKind, number: int) -> PointId:
    return number * 3 if kind is IdKind.INT64 else f"key-{number:03}"


def points(name: str, kind: IdKind, partitions: tuple[str | None, ...] = (None,)) -> list[Point]:
    return [
        Point(Key(name, partitions[n % len(partitions)], identity(kind, n)), {"v": np.array([n, 1], np.float32)}, {"n": n % 2})
        for n in range(57)
    ]


async def collection(world: World, kind: IdKind) -> str:
    name = f"scan_{kind}"
    return await world.collection(schema(name, kind), points(name, kind))


async def all_pages(world: World, scan: Scan) -> list[Point]:
    found: list[Point] = []
    for _ in range(100):
        page = await world.side.scan(scan)
        found += page.points
        if page.end:
            return found
        assert page.points, "a page that is not the last holds a point"
        scan = replace(scan, after=page.points[-1].key)
    raise AssertionError("a scan did not end")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 10, 57, 100])
@pytest.mark.parametrize("condition", [EVERYTHING, ODD], ids=["all", "some"])
async def test_pages_give_each_point_once(world: World, kind: IdKind, limit: int, condition: Filter) -> None:
    name = await collection(world, kind)

    found = await all_pages(world, Scan(name, limit=limit, filter=condition))

    wanted = (await world.reference.scan(Scan(name, limit=100, filter=condition))).points
    assert len(found) == len(wanted)
    assert_same_points({p.key: p for p in found}, {p.key: p for p in wanted}, world)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_order_stays(world: World, kind: IdKind) -> None:
    name = await collection(world, kind)

    small = await all_pages(world, Scan(name, limit=4, fields=(), vector_names=()))
    large = await all_pages(world, Scan(name, limit=50, fields=(), vector_names=()))

    assert [p.key for p in small] == [p.key for p in large]


@pytest.mark.needs(Feature.INT_IDS, Feature.NEGATIVE_IDS, Feature.PARTITIONS, Feature.SCAN)
@pytest.mark.parametrize("limit", [1, 3, 4, 7, 50])
@pytest.mark.parametrize("partition", [None, "p"])
async def test_numbers_come_in_their_order(world: World, limit: int, partition: str | None) -> None:
    """A client that pages by `id > last` relies on it."""
    name = f"scan_order_{partition}"
    ids = [5, -1, 0, 2**53 + 1, -(2**62), 7, -2]
    rows = [Point(Key(name, partition, n), {"v": np.array([1, 1], np.float32)}, {"n": 1}) for n in ids]
    await world.collection(schema(name, partitions=("p",) if partition else ()), rows)

    found = await all_pages(world, Scan(name, limit=limit, partitions=(partition,)))
    later = await world.side.scan(Scan(name, limit=2, offset=2, partitions=(partition,)))

    assert [point.key.id for point in found] == sorted(ids)
    assert [point.key.id for point in later.points] == sorted(ids)[2:4]


@pytest.mark.parametrize("kind", KINDS)
async def test_offset_skips_from_the_start_of_the_page(world: World, kind: IdKind) -> None:
    name = await collection(world, kind)
    keys = [point.key for point in await all_pages(world, Scan(name, limit=100))]

    page = await world.side.scan(Scan(name, limit=5, after=keys[9], offset=7))
    late = await world.side.scan(Scan(name, limit=5, offset=55))
    none = await world.side.scan(Scan(name, limit=5, offset=60))

    assert [point.key for point in page.points] == keys[17:22]
    assert [point.key for point in late.points] == keys[55:]
    assert none.points == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_scan_goes_on_behind_a_point_that_is_gone(world: World, kind: IdKind) -> None:
    name = f"scan_gone_{kind}"
    await world.apply(CreateCollection(schema(name, kind)))
    await world.put(points(name, kind))
    first = (await world.side.scan(Scan(name, limit=10))).points

    await world.remove([first[-1].key])
    rest = await all_pages(world, Scan(name, limit=10, after=first[-1].key))

    assert len(rest) == 47
    assert not {point.key for point in rest} & {point.key for point in first}


@pytest.mark.needs(Feature.PARTITIONS)
@pytest.mark.parametrize("partitions", [None, (None,), ("p",), (None, "q"), ("p", "q")], ids=str)
async def test_partitions_bound_a_scan(world: World, partitions: tuple[str | None, ...] | None) -> None:
    name = "scan_partitions"
    await world.collection(schema(name, partitions=("p", "q")), points(name, IdKind.INT64, (None, "p", "q")))

    found = await all_pages(world, Scan(name, limit=7, partitions=partitions))

    wanted = (await world.reference.scan(Scan(name, limit=100, partitions=partitions))).points
    assert_same_points({p.key: p for p in found}, {p.key: p for p in wanted}, world)
    assert await world.side.count(Count(name, partitions=partitions)) == len(wanted)


async def test_a_page_holds_what_was_asked_for(world: World) -> None:
    name = await collection(world, IdKind.INT64)

    bare = (await world.side.scan(Scan(name, limit=1, fields=(), vector_names=()))).points[0]
    chosen = (await world.side.scan(Scan(name, limit=1, fields=("n", "no"), vector_names=()))).points[0]
    whole = (await world.side.scan(Scan(name, limit=1))).points[0]

    assert (bare.payload, bare.vectors) == ({}, {})
    assert (chosen.payload.keys(), chosen.vectors) == ({"n"}, {})
    assert (whole.payload.keys(), whole.vectors.keys()) == ({"n"}, {"v"})


@pytest.mark.needs(Feature.COUNT)
async def test_counts_are_exact(world: World) -> None:
    name = await collection(world, IdKind.INT64)

    assert await world.side.count(Count(name)) == 57
    assert await world.side.count(Count(name, ODD)) == 28
    assert await world.side.count(Count(name, Range(("n",), Op.GT, 5))) == 0


async def test_an_empty_collection_has_no_page(world: World) -> None:
    await world.apply(CreateCollection(schema("scan_empty")))

    page = await world.side.scan(Scan("scan_empty", limit=10))

    assert (page.points, page.end) == ((), True)
    assert await world.side.count(Count("scan_empty")) == 0


async def test_a_scan_of_what_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.side.scan(Scan("nowhere", limit=1))
