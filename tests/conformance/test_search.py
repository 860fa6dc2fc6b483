"""Searches find what an exact search in memory finds, with the canonical values of the metric."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conformance.agree import assert_same_hits
from conformance.world import World

from proxy.errors import NotFound, Refused
from proxy.model.feature import Feature
from proxy.model.filter import EVERYTHING, AnyOf, Equals, Op, Range
from proxy.model.operation import Search
from proxy.model.point import Key, Point, Sparse, Vector
from proxy.model.schema import DType, Field, FieldType, Metric, Schema, VectorField, VectorKind

DIM = 8
METRICS = [
    pytest.param(Metric.COSINE, marks=pytest.mark.needs(Feature.COSINE)),
    pytest.param(Metric.DOT, marks=pytest.mark.needs(Feature.DOT)),
    pytest.param(Metric.EUCLIDEAN, marks=pytest.mark.needs(Feature.EUCLIDEAN)),
    pytest.param(Metric.MANHATTAN, marks=pytest.mark.needs(Feature.MANHATTAN)),
]
COMMON = METRICS[:3]


def vectors(count: int, seed: int = 0, dim: int = DIM) -> list[Vector]:
    rows = np.random.default_rng(seed).standard_normal((count, dim)) * 3
    return list(rows.astype(np.float32))


def schema(name: str, vector: VectorField, partitions: tuple[str, ...] = ()) -> Schema:
    fields = {"n": Field("n", FieldType.INT64), "s": Field("s", FieldType.STRING, max_length=20)}
    return Schema(name, {vector.name: vector}, fields, partitions=partitions)


async def collection(world: World, metric: Metric) -> str:
    name = f"search_{metric}"
    wanted = schema(name, VectorField("v", VectorKind.DENSE, DIM, metric), partitions=("p", "q"))
    points = [
        Point(
            Key(name, (None, "p", "q")[n % 3] if world.has(Feature.PARTITIONS) else None, n),
            {"v": v},
            {"n": n, "s": f"s{n % 4}"},
        )
        for n, v in enumerate(vectors(200))
    ]
    return await world.collection(wanted if world.has(Feature.PARTITIONS) else replace(wanted, partitions=()), points)


def search(name: str, count: int = 1, **rest: object) -> Search:
    return replace(Search(name, "v", tuple(vectors(count, seed=9)), 10, exact=True), **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", METRICS)
async def test_nearest_come_first(world: World, metric: Metric) -> None:
    found = await assert_same_hits(world, search(await collection(world, metric)))

    assert len(found[0]) == 10


@pytest.mark.parametrize("metric", COMMON)
@pytest.mark.needs(Feature.SEARCH_BATCH)
async def test_each_query_vector_has_its_own_hits(world: World, metric: Metric) -> None:
    await assert_same_hits(world, search(await collection(world, metric), count=3))


@pytest.mark.parametrize("metric", COMMON)
@pytest.mark.needs(Feature.SEARCH_OFFSET)
async def test_offset_leaves_out_the_nearest(world: World, metric: Metric) -> None:
    await assert_same_hits(world, search(await collection(world, metric), offset=7))


@pytest.mark.parametrize("metric", COMMON)
async def test_hits_carry_what_was_asked_for(world: World, metric: Metric) -> None:
    await assert_same_hits(world, search(await collection(world, metric), fields=("n",), vector_names=("v",)))
    await assert_same_hits(world, search(await collection(world, metric), fields=None))


async def test_a_filter_narrows_the_candidates(world: World) -> None:
    name = await collection(world, Metric.EUCLIDEAN)

    await assert_same_hits(world, search(name, filter=Equals(("s",), "s2")))
    await assert_same_hits(world, search(name, filter=Range(("n",), Op.LT, 5)))
    assert await assert_same_hits(world, search(name, filter=AnyOf(()))) == ((),)


@pytest.mark.needs(Feature.PARTITIONS)
@pytest.mark.parametrize("partitions", [None, (None,), ("p",), (None, "q"), ("p", "q")], ids=str)
async def test_partitions_narrow_the_candidates(world: World, partitions: tuple[str | None, ...] | None) -> None:
    await assert_same_hits(world, search(await collection(world, Metric.EUCLIDEAN), partitions=partitions))


@pytest.mark.parametrize(
    ("metric", "threshold"),
    [(Metric.COSINE, 0.5), (Metric.DOT, 20.0), (Metric.EUCLIDEAN, 9.0)],
)
async def test_a_threshold_cuts_the_farther(world: World, metric: Metric, threshold: float) -> None:
    """No range yet: any side can cut off the end of its hits."""
    found = await assert_same_hits(world, search(await collection(world, metric), k=100, threshold=threshold))

    assert 0 < len(found[0]) < 100


@pytest.mark.parametrize(
    ("metric", "threshold", "far"),
    [(Metric.COSINE, 0.2, 0.6), (Metric.DOT, 5.0, 30.0), (Metric.EUCLIDEAN, 12.0, 9.0)],
)
@pytest.mark.needs(Feature.SEARCH_RANGE)
async def test_a_far_bound_cuts_the_nearer(world: World, metric: Metric, threshold: float, far: float) -> None:
    name = await collection(world, metric)

    found = await assert_same_hits(world, search(name, count=2, threshold=threshold, far=far))
    await assert_same_hits(world, search(name, threshold=threshold, far=far, offset=3, k=4))
    assert all(found)


@pytest.mark.parametrize("metric", COMMON)
async def test_more_than_there_are_gives_all(world: World, metric: Metric) -> None:
    found = await assert_same_hits(world, search(await collection(world, metric), k=500))

    assert len(found[0]) == 200


async def test_equal_values_may_come_in_any_order(world: World) -> None:
    name = "search_ties"
    twins = [Point(Key(name, None, n), {"v": np.full(DIM, n // 2, np.float32)}, {"n": n, "s": ""}) for n in range(12)]
    await world.collection(schema(name, VectorField("v", VectorKind.DENSE, DIM, Metric.EUCLIDEAN)), twins)

    await assert_same_hits(world, search(name, k=6))


@pytest.mark.needs(Feature.COSINE)
async def test_a_zero_vector_is_as_far_as_orthogonal(world: World) -> None:
    name = "search_zero"
    rows = [np.zeros(DIM), np.eye(DIM)[0], -np.eye(DIM)[0] * 5, np.eye(DIM)[1] * 1e-3]
    points = [Point(Key(name, None, n), {"v": row.astype(np.float32)}, {"n": n, "s": ""}) for n, row in enumerate(rows)]
    await world.collection(schema(name, VectorField("v", VectorKind.DENSE, DIM, Metric.COSINE)), points)

    await assert_same_hits(world, search(name, vectors=(np.eye(DIM)[0].astype(np.float32),), vector_names=("v",)))


@pytest.mark.needs(Feature.SPARSE_VECTORS)
async def test_sparse_vectors_compare_by_their_product(world: World) -> None:
    name, random = "search_sparse", np.random.default_rng(3)
    rows = [
        Sparse(np.sort(random.choice(50, 6, False)).astype(np.uint32), random.random(6).astype(np.float32)) for _ in range(40)
    ]
    points = [Point(Key(name, None, n), {"v": row}, {"n": n, "s": ""}) for n, row in enumerate(rows)]
    sparse = schema(name, VectorField("v", VectorKind.SPARSE, 0, Metric.DOT))
    await world.collection(sparse, points)

    await assert_same_hits(world, search(name, vectors=(rows[0],), k=5, vector_names=("v",)))


@pytest.mark.needs(Feature.MULTI_VECTORS)
@pytest.mark.parametrize("metric", [Metric.DOT, Metric.COSINE])
async def test_multivectors_compare_by_their_best_rows(world: World, metric: Metric) -> None:
    name, random = f"search_multi_{metric}", np.random.default_rng(4)
    rows = [random.standard_normal((1 + n % 3, DIM)).astype(np.float32) * 2 for n in range(30)]
    points = [Point(Key(name, None, n), {"v": row}, {"n": n, "s": ""}) for n, row in enumerate(rows)]
    await world.collection(schema(name, VectorField("v", VectorKind.MULTI, DIM, metric)), points)

    await assert_same_hits(world, search(name, vectors=(rows[1],), k=5, vector_names=("v",)))


@pytest.mark.needs(Feature.HALF_VECTORS)
@pytest.mark.parametrize("metric", COMMON)
async def test_half_vectors_keep_their_type(world: World, metric: Metric) -> None:
    name = f"search_half_{metric}"
    rows = [row.astype(np.float16) for row in vectors(30, seed=5)]
    points = [Point(Key(name, None, n), {"v": row}, {"n": n, "s": ""}) for n, row in enumerate(rows)]
    await world.collection(schema(name, VectorField("v", VectorKind.DENSE, DIM, metric, DType.FLOAT16)), points)

    found = await assert_same_hits(world, search(name, vectors=(rows[1],), k=5, vector_names=("v",)))

    assert {hit.point.vectors["v"].dtype for hit in found[0]} == {np.dtype(np.float16)}


@pytest.mark.needs(Feature.NAMED_VECTORS)
async def test_points_without_the_vector_are_no_candidates(world: World) -> None:
    name = "search_named"
    fields = {each: VectorField(each, VectorKind.DENSE, DIM, Metric.DOT) for each in ("v", "w")}
    points = [
        Point(Key(name, None, n), {"v": row} if n % 2 else {"v": row, "w": row}, {"n": n, "s": ""})
        for n, row in enumerate(vectors(20, seed=6))
    ]
    await world.collection(replace(schema(name, fields["v"]), vectors=fields), points)

    found = await assert_same_hits(world, search(name, using="w", k=20, vector_names=("w",)))

    assert len(found[0]) == 10


async def test_a_query_of_another_dimension_is_refused(world: World) -> None:
    name = await collection(world, Metric.EUCLIDEAN)

    with pytest.raises(Refused):
        await world.side.search(search(name, vectors=tuple(vectors(1, dim=DIM + 1))))


async def test_a_vector_that_is_not_there_is_refused(world: World) -> None:
    name = await collection(world, Metric.EUCLIDEAN)

    with pytest.raises(Refused):
        await world.side.search(search(name, using="w"))


async def test_a_collection_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.side.search(search("nowhere", filter=EVERYTHING))
