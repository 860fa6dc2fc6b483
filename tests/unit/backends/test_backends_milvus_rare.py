"""What is known of rare rows: asked once, told by our own writes, and believed by no read that overlaps with such a write."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from proxy.backends.milvus.calls import Calls
from proxy.backends.milvus.landing import Landing, landing_of
from proxy.backends.milvus.rare import Rare
from proxy.backends.milvus.rows import View
from proxy.config import SideConfig
from proxy.model.point import Key, Point
from proxy.model.schema import IdKind, Metric, Product, Schema, VectorField, VectorKind

SCHEMA = Schema("c", {"": VectorField("", VectorKind.DENSE, 2, Metric.DOT)}, id_kind=IdKind.UINT64_OR_UUID)
LANDING = landing_of(SCHEMA)
CALLS = Calls(SideConfig(product=Product.MILVUS, url="http://unused:19530"))
GUARD, REST = "__has_vector", "__rest__"
USUAL = Point(Key("c", None, 1), {"": np.ones(2, "f4")}, {"a": 1})
BARE = replace(USUAL, vectors={})
LARGE = replace(USUAL, payload={"a": "x" * 70_000})


@dataclass(frozen=True, slots=True)
class Counted(View):
    """A collection of which Milvus would count so many unusual rows."""

    counts: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def count_unusual(self, column: str) -> int:
        self.asked.append(column)
        return self.counts.get(column, 0)


def view(landing: Landing = LANDING, **counts: int) -> Counted:
    return Counted(CALLS, landing, None, counts=counts)


async def seen(rare: Rare, view: View, *columns: str) -> frozenset[str]:
    async def read(given: View) -> frozenset[str]:
        return given.unusual

    return await rare.read(view, columns, read)


async def test_milvus_is_asked_once_for_each_column() -> None:
    rare, there = Rare(), view(**{GUARD: 3})

    for _ in range(2):
        await rare.ask(there, rare.unknown("c", (GUARD, REST)))

    assert there.asked == [GUARD, REST]
    assert await seen(rare, there, GUARD, REST) == {GUARD}
    assert await seen(rare, there, REST) == frozenset()


async def test_our_own_writes_tell_the_rest() -> None:
    rare, there = Rare(), view()
    await rare.ask(there, (GUARD, REST))

    rare.writes(LANDING, LANDING.stored_points([USUAL]))
    assert await seen(rare, there, GUARD, REST) == frozenset()
    rare.writes(LANDING, LANDING.stored_points([USUAL, BARE]))
    assert await seen(rare, there, GUARD, REST) == {GUARD}
    rare.writes(LANDING, LANDING.stored_points([LARGE]))
    assert await seen(rare, there, GUARD, REST) == {GUARD, REST}


async def test_a_write_while_milvus_is_asked_is_not_forgotten() -> None:
    rare = Rare()

    class Racing(Counted):
        async def count_unusual(self, column: str) -> int:
            rare.writes(LANDING, LANDING.stored_points([BARE]))
            return 0

    await rare.ask(Racing(CALLS, LANDING, None), (GUARD,))

    assert await seen(rare, view(), GUARD) == {GUARD}


async def test_a_read_that_overlaps_with_the_first_unusual_write_is_made_again() -> None:
    rare, reads = Rare(), list[frozenset[str]]()
    await rare.ask(view(), (GUARD,))

    async def read(given: View) -> int:
        reads.append(given.unusual)
        rare.writes(LANDING, LANDING.stored_points([BARE]))
        return len(reads)

    assert await rare.read(view(), (GUARD,), read) == 2
    assert reads == [frozenset(), {GUARD}]


async def test_what_is_dropped_is_forgotten() -> None:
    rare = Rare()
    rare.writes(LANDING, LANDING.stored_points([BARE]))

    rare.forget("c")

    assert rare.unknown("c", (GUARD,)) == [GUARD]
