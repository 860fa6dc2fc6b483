from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from proxy.backends.memory import MemoryBackend
from proxy.errors import AlreadyExists, NotFound, Refused
from proxy.model.feature import Feature
from proxy.model.filter import Equals
from proxy.model.operation import (
    Count,
    CreateCollection,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropPartition,
    Fetch,
    RenameCollection,
    Scan,
    Search,
    SetAlias,
)
from proxy.model.point import Key, Point
from proxy.model.schema import Metric, Schema, VectorField, VectorKind

SCHEMA = Schema("c", {"v": VectorField("v", VectorKind.DENSE, 2, Metric.EUCLIDEAN)})


@dataclass
class OneSchema:
    """Knows `c` and nothing else."""

    there: Schema = field(default_factory=lambda: SCHEMA)

    def resolve(self, name: str) -> str:
        return name

    def schema(self, collection: str) -> Schema:
        return self.there

    def collections(self) -> tuple[str, ...]:
        return ("c",)

    def aliases(self) -> Mapping[str, str]:
        return {}

    def loaded(self, collection: str) -> bool:
        return True

    def fact(self, name: str) -> str:
        return ""


def point(identity: int, partition: str | None = None, **payload: object) -> Point:
    return Point(Key("c", partition, identity), {"v": np.array([identity, 0], "f4")}, payload)  # type: ignore[arg-type]


@pytest.fixture
async def memory() -> MemoryBackend:
    backend = MemoryBackend(OneSchema())
    await backend.apply(CreateCollection(SCHEMA))
    return backend


def ids(points: tuple[Point, ...]) -> list[object]:
    return [each.key.id for each in points]


def test_every_feature_is_answered() -> None:
    assert set(MemoryBackend.features) == set(Feature)


async def test_what_was_put_is_a_copy_and_so_is_what_comes_back(memory: MemoryBackend) -> None:
    given = point(1, tags=["a"])
    await memory.put([given])
    given.payload["tags"].append("b")  # type: ignore[union-attr]

    first = (await memory.fetch(Fetch("c", (given.key,))))[given.key]
    first.payload["tags"].append("c")  # type: ignore[union-attr]
    again = (await memory.fetch(Fetch("c", (given.key,))))[given.key]

    assert again.payload == {"tags": ["a"]}


async def test_a_scan_goes_on_behind_a_key_that_is_gone(memory: MemoryBackend) -> None:
    await memory.put([point(n) for n in (1, 2, 3, 4)])
    first = await memory.scan(Scan("c", limit=2))
    await memory.remove([first.points[-1].key])

    rest = await memory.scan(Scan("c", limit=2, after=first.points[-1].key))

    assert (ids(first.points), first.end, ids(rest.points), rest.end) == ([1, 2], False, [3, 4], True)


async def test_one_id_in_two_partitions_is_two_points(memory: MemoryBackend) -> None:
    await memory.put([point(1), point(1, "p")])

    assert await memory.count(Count("c")) == 2
    assert await memory.count(Count("c", partitions=("p",))) == 1
    await memory.apply(DropPartition("c", "p"))
    assert await memory.count(Count("c")) == 1


async def test_a_search_bounds_ranks_and_skips(memory: MemoryBackend) -> None:
    await memory.put([point(n, even=n % 2 == 0) for n in range(10)])
    query = Search("c", "v", (np.zeros(2, "f4"),), k=2, offset=1, filter=Equals(("even",), True), far=2.0, threshold=6.0)

    (hits,) = await memory.search(query)

    assert [(hit.key.id, hit.value) for hit in hits] == [(4, 4.0), (6, 6.0)]


async def test_ties_come_in_the_order_of_ids(memory: MemoryBackend) -> None:
    await memory.put([replace(point(n), vectors={"v": np.ones(2, "f4")}) for n in (3, 1, 2)])

    (hits,) = await memory.search(Search("c", "v", (np.zeros(2, "f4"),), k=3))

    assert [hit.key.id for hit in hits] == [1, 2, 3]


async def test_a_wrong_dimension_changes_nothing(memory: MemoryBackend) -> None:
    with pytest.raises(Refused):
        await memory.put([point(1), Point(Key("c", None, 2), {"v": np.zeros(3, "f4")})])

    assert await memory.count(Count("c")) == 0


async def test_changes_of_schema_can_be_made_twice(memory: MemoryBackend) -> None:
    await memory.put([point(1)])
    changes = (CreateCollection(SCHEMA), CreatePartition("c", "p"), SetAlias("a", "c"), RenameCollection("c", "d"))
    for change in (*changes[:3], *changes[:3], changes[3], changes[3]):
        await memory.apply(change)

    assert (await memory.collections(), await memory.aliases()) == (("d",), {"a": "d"})
    assert (await memory.describe("d")).partitions == ("p",)
    assert [p.key for p in (await memory.scan(Scan("d", limit=5))).points] == [Key("d", None, 1)]
    for change in (DropAlias("a"), DropAlias("a"), DropCollection("d"), DropCollection("d")):
        await memory.apply(change)
    assert await memory.collections() == ()


async def test_another_schema_under_the_same_name_is_told(memory: MemoryBackend) -> None:
    other = replace(SCHEMA, vectors={"v": VectorField("v", VectorKind.DENSE, 3, Metric.EUCLIDEAN)})

    with pytest.raises(AlreadyExists):
        await memory.apply(CreateCollection(other))


async def test_a_collection_that_is_not_there_is_not_found(memory: MemoryBackend) -> None:
    with pytest.raises(NotFound):
        await memory.count(Count("nowhere"))
