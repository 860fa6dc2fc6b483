"""How the side's answers are compared with the reference's: exactly, but for float32's rounding and the order of ties."""

from __future__ import annotations

import pytest
from conformance.world import World

from proxy.compare.kept import Kept
from proxy.compare.points import difference
from proxy.model.feature import Feature
from proxy.model.operation import Consistency, Fetch, Hit, Hits, Scan, Search
from proxy.model.point import Key, Point

TOLERANCE = 1e-5


def assert_same_points(found: dict[Key, Point], wanted: dict[Key, Point], world: World) -> None:
    assert found.keys() == wanted.keys()
    kept = Kept(world.has(Feature.EXACT_VECTOR_LENGTH), world.keeps(Feature.EXACT_DOUBLES))
    for key, point in found.items():
        reason = difference(wanted[key], point, world.catalog.schema(key.collection), TOLERANCE, kept)
        assert reason is None, f"{reason}: {point} is not {wanted[key]}"


async def assert_same_state(world: World, collection: str) -> None:
    """All that is there."""
    scan = Scan(collection, limit=5000)
    found, wanted = await world.side.scan(scan), await world.reference.scan(scan)
    assert found.end
    assert_same_points({p.key: p for p in found.points}, {p.key: p for p in wanted.points}, world)


async def assert_same_fetch(world: World, fetch: Fetch) -> None:
    assert_same_points(await world.side.fetch(fetch), await world.reference.fetch(fetch), world)


async def assert_same_hits(world: World, search: Search) -> Hits:
    """Returns the side's, for what else a case has to say of them."""
    found, wanted = await world.side.search(search, Consistency.LATEST), await world.reference.search(search)
    assert len(found) == len(wanted) == len(search.vectors)
    for hits, reference in zip(found, wanted, strict=True):
        assert [hit.value for hit in hits] == pytest.approx([hit.value for hit in reference], TOLERANCE, TOLERANCE)
        assert _ranks(hits) == _ranks(reference)
        assert_same_points({h.key: h.point for h in hits}, {h.key: h.point for h in reference}, world)
    return found


def _ranks(hits: tuple[Hit, ...]) -> list[set[object]]:
    """Keys by rank; those with one value are one rank."""
    ranks: list[set[object]] = []
    last = None
    for hit in hits:
        if last is None or abs(hit.value - last) > TOLERANCE * max(1.0, abs(hit.value)):
            ranks.append(set())
        ranks[-1].add(hit.key)
        last = hit.value
    return ranks
