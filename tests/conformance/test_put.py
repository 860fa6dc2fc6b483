"""What is put is what is there: whole states, exactly, under exactly their keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from conformance.agree import assert_same_fetch, assert_same_state
from conformance.world import World

from proxy.errors import NotFound, Refused
from proxy.model.feature import Feature
from proxy.model.operation import Count, CreateCollection, Fetch
from proxy.model.point import Key, Point, PointId
from proxy.model.schema import Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind

DIM = 4


def schema(name: str, kind: IdKind = IdKind.INT64, metric: Metric = Metric.EUCLIDEAN, **rest: Any) -> Schema:
    vector = VectorField("v", VectorKind.DENSE, DIM, metric)
    return Schema(name, {"v": vector}, {"n": Field("n", FieldType.INT64)}, id_kind=kind, **rest)


def point(
    name: str, identity: PointId, payload: dict[str, Any] | None = None, partition: str | None = None, **rest: Any
) -> Point:
    vector = rest.get("vector", np.array([1, 2, 3, 4], np.float32))
    return Point(Key(name, partition, identity), {"v": vector}, {"n": 0, **(payload or {})})


async def test_a_put_replaces_the_whole_state(world: World) -> None:
    name = await world.collection(schema("put_replace"), ())
    await world.put([point(name, 1, {"a": 1, "b": [1]}), point(name, 2)])

    await world.put([point(name, 1, {"c": "x", "n": 7}, vector=np.array([9, 8, 7, 6], np.float32))])

    await assert_same_state(world, name)


async def test_a_removed_point_is_gone_and_may_be_removed_again(world: World) -> None:
    name = await world.collection(schema("put_remove"), ())
    await world.put([point(name, n) for n in range(5)])

    await world.remove([Key(name, None, n) for n in (1, 3, 77)])
    await world.remove([Key(name, None, 3)])

    await assert_same_state(world, name)
    assert await world.side.count(Count(name)) == 3


async def test_a_removed_point_may_come_back(world: World) -> None:
    name = await world.collection(schema("put_again"), ())
    await world.put([point(name, 1, {"a": 1})])
    await world.remove([Key(name, None, 1)])

    await world.put([point(name, 1, {"a": 2})])

    await assert_same_state(world, name)


async def test_a_fetch_leaves_out_what_is_not_there(world: World) -> None:
    name = await world.collection(schema("put_fetch"), ())
    await world.put([point(name, n) for n in range(3)])

    await assert_same_fetch(world, Fetch(name, tuple(Key(name, None, n) for n in (0, 2, 9))))
    await assert_same_fetch(world, Fetch(name, ()))
    await assert_same_fetch(world, Fetch(name, (Key(name, None, 1),), fields=("n",), vector_names=()))
    await assert_same_fetch(world, Fetch(name, (Key(name, None, 1),), fields=()))


IDS = [
    pytest.param(IdKind.INT64, (0, 1, 2**53 + 1, 2**63 - 1), marks=pytest.mark.needs(Feature.INT_IDS), id="numbers"),
    pytest.param(IdKind.INT64, (-1, -(2**63), 5), marks=pytest.mark.needs(Feature.NEGATIVE_IDS), id="negative numbers"),
    pytest.param(
        IdKind.STRING,
        (
            "a",
            "A",
            "1",
            'ü "quoted" \\ \'',
            "x" * 300,
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
        ),
        marks=pytest.mark.needs(Feature.STRING_IDS),
        id="texts",
    ),
    pytest.param(
        IdKind.UUID,
        (UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), UUID(int=5)),
        marks=pytest.mark.needs(Feature.UUID_IDS),
        id="uuids",
    ),
    pytest.param(
        IdKind.UINT64_OR_UUID,
        (0, 7, 2**63 + 1, 2**64 - 1, UUID(int=7), UUID(int=2**128 - 1)),
        marks=pytest.mark.needs(Feature.UUID_IDS),
        id="numbers and uuids",
    ),
]


@pytest.mark.parametrize(("kind", "ids"), IDS)
async def test_ids_come_back_as_they_went(world: World, kind: IdKind, ids: tuple[PointId, ...], request: Any) -> None:
    name = f"put_ids_{request.node.callspec.id.rsplit('-', 1)[-1].replace(' ', '_').replace('>', '')}_{kind}"
    await world.collection(schema(name, kind), ())
    await world.put([point(name, identity, {"n": n}) for n, identity in enumerate(ids)])

    await assert_same_state(world, name)
    await assert_same_fetch(world, Fetch(name, tuple(Key(name, None, identity) for identity in ids)))
    await world.remove([Key(name, None, ids[0])])
    await assert_same_state(world, name)


@pytest.mark.needs(Feature.PARTITIONS)
@pytest.mark.parametrize(("kind", "identity"), [(IdKind.INT64, 1), (IdKind.STRING, "a")], ids=["number", "text"])
async def test_one_id_in_two_partitions_is_two_points(world: World, kind: IdKind, identity: PointId) -> None:
    name = await world.collection(schema(f"put_partitions_{kind}", kind, partitions=("p", "q")), ())
    keys = [Key(name, partition, identity) for partition in (None, "p", "q")]
    for n, key in enumerate(keys):
        await world.put([Point(key, {"v": np.full(DIM, n + 1, np.float32)}, {"n": n})])

    await assert_same_state(world, name)
    await assert_same_fetch(world, Fetch(name, tuple(keys)))
    await world.remove([keys[1]])
    await assert_same_state(world, name)


PAYLOADS = [
    pytest.param({"a": [1, "x", 1.5, True], "b": ""}, id="mixed array"),
    pytest.param({"i": 2**53 + 1, "j": -(2**63), "k": 2**63 - 1}, id="wide integers"),
    pytest.param({"whole": 1.0, "wide": 1e17, "tiny": 5e-324, "large": 1e300}, id="doubles"),
    pytest.param({"a": [], "b": {}, "c": [[]], "d": {"e": []}}, id="empty", marks=pytest.mark.needs(Feature.NESTED_PAYLOAD)),
    pytest.param({"d": {"e": {"f": [1, {"g": "h"}]}}}, id="nested", marks=pytest.mark.needs(Feature.NESTED_PAYLOAD)),
    pytest.param({"a": None, "b": [None, 1]}, id="null", marks=pytest.mark.needs(Feature.NULL_VALUES)),
    pytest.param({"a": float("inf"), "b": [-float("inf"), 1.0], "c": float("nan")}, id="not finite",
                 marks=pytest.mark.needs(Feature.NON_FINITE_VALUES)),
    pytest.param({"": 1, "a.b": 2, "x y": 3, "ü": 4, "a[0]": 5}, id="names"),
    pytest.param({"__id__": 1, "__partition__": "p", "__vecferry__": "v", "___id__": 2, "__empty__": [1]}, id="our names"),
    pytest.param({"t": "line\nbreak \"quoted\" \\ \u0001 \U0001f600"}, id="texts"),
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.needs(Feature.DYNAMIC_FIELDS)
async def test_payloads_come_back_as_they_went(world: World, payload: dict[str, Any]) -> None:
    name = await world.collection(schema("put_payloads"), ())
    await world.put([point(name, 1, payload)])

    await assert_same_state(world, name)
    await assert_same_fetch(world, Fetch(name, (Key(name, None, 1),), fields=tuple(payload)))


@pytest.mark.needs(Feature.DYNAMIC_FIELDS)
async def test_doubles_are_kept_as_exactly_as_is_declared(world: World) -> None:
    """Some of a thousand are off where a side is declared to read them so: else it should not be declared."""
    name = await world.collection(schema("put_doubles"), ())
    sent = np.random.default_rng(7).normal(size=1000).tolist()
    await world.put([point(name, 1, {"doubles": sent})])

    await assert_same_state(world, name)
    found = (await world.side.fetch(Fetch(name, (Key(name, None, 1),))))[Key(name, None, 1)].payload
    assert (found["doubles"] == sent) is world.keeps(Feature.EXACT_DOUBLES)


VECTORS = [[0, 0, 0, 0], [1, 0, 0, 0], [3, -4, 12, 84], [1e-20, 2e-20, 0, 0], [1e15, -1e15, 3e14, 1], [0.6, 0.8, 0, 0]]


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.DOT, Metric.EUCLIDEAN])
@pytest.mark.needs(Feature.EXACT_VECTOR_LENGTH)
async def test_vectors_keep_their_length(world: World, metric: Metric) -> None:
    name = await world.collection(schema(f"put_vectors_{metric}", metric=metric), ())
    await world.put([point(name, n, vector=np.array(row, np.float32)) for n, row in enumerate(VECTORS)])

    await assert_same_state(world, name)


async def test_two_thousand_points_are_put_at_once(world: World) -> None:
    name = await world.collection(schema("put_many"), ())

    await world.put([point(name, n, {"n": n}) for n in range(2000)])

    await assert_same_state(world, name)


async def test_another_dimension_is_refused_and_changes_nothing(world: World) -> None:
    name = await world.collection(schema("put_dimension"), ())

    with pytest.raises(Refused):
        await world.side.put([point(name, 1), point(name, 2, vector=np.ones(DIM + 1, np.float32))])

    assert await world.side.count(Count(name)) == 0


async def test_a_vector_that_no_schema_declares_is_refused(world: World) -> None:
    name = await world.collection(schema("put_undeclared"), ())

    with pytest.raises(Refused):
        await world.side.put([Point(Key(name, None, 1), {"w": np.ones(DIM, np.float32)}, {"n": 1})])


async def test_a_put_into_what_was_dropped_elsewhere_is_not_found(world: World) -> None:
    wanted = schema("put_nowhere")
    await world.catalog.apply(CreateCollection(wanted))

    with pytest.raises(NotFound):
        await world.side.put([point("put_nowhere", 1)])
