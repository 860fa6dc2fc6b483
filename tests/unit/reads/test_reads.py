"""Reads that are made of a backend's own, on the memory backend. tests/wire/qdrant holds them against Qdrant's own engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes.plain_parts import PlainCatalog

from proxy.backends.memory import MemoryBackend
from proxy.errors import NotFound, Refused
from proxy.model.filter import Op, Range
from proxy.model.operation import (
    Answers,
    Consistency,
    CreateCollection,
    Fetch,
    Grouped,
    Groups,
    Hits,
    Hybrid,
    Like,
    Lookup,
    Page,
    PageFrom,
    ReciprocalRank,
    Scan,
    Search,
    Several,
)
from proxy.model.point import Key, Point, Sparse
from proxy.model.schema import Metric, Schema, VectorField, VectorKind
from proxy.reads import answer, groups, searched
from proxy.reads.examples import mean

SCHEMA = Schema(
    "c",
    {
        "v": VectorField("v", VectorKind.DENSE, 2, Metric.DOT),
        "u": VectorField("u", VectorKind.DENSE, 2, Metric.COSINE),
        "s": VectorField("s", VectorKind.SPARSE, 0, Metric.DOT),
    },
)
QUERY = np.array([1, 0], np.float32)
SEARCH = Search("c", "v", (QUERY,), k=3)


class Counting(MemoryBackend):
    def __init__(self, catalog: PlainCatalog) -> None:
        super().__init__(catalog)
        self.asked: list[Search] = []
        self.fetched = 0

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits:
        self.asked.append(search)
        return await super().search(search, consistency)

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        self.fetched += 1
        return await super().fetch(fetch, consistency)


def key(number: int) -> Key:
    return Key("c", None, number)


def point(number: int, **payload: Any) -> Point:
    """The larger the number, the nearer to QUERY; `u` is twice as long as the number."""
    vectors = {"v": np.array([number, 1], np.float32), "u": np.array([0, 2 * number], np.float32)}
    return Point(key(number), vectors, {"n": number, "half": number // 2, **payload})


@pytest.fixture
def catalog() -> PlainCatalog:
    return PlainCatalog([SCHEMA])


@pytest.fixture
async def backend(catalog: PlainCatalog) -> Counting:
    found = Counting(catalog)
    await found.apply(CreateCollection(SCHEMA))
    await found.put([point(number) for number in range(1, 21)])
    return found


# ---- pages ----


async def test_pages_from_their_starts_give_every_point_once(backend: Counting, catalog: PlainCatalog) -> None:
    seen: list[object] = []
    read = PageFrom(Scan("c", limit=7, filter=Range(("n",), Op.GT, 2)))
    while True:
        page = await answer(backend, read, catalog)
        assert isinstance(page, Page)
        seen += [each.key.id for each in page.points]
        if page.next is None:
            assert page.end
            break
        read = replace(read, start=page.next)
    assert seen == list(range(3, 21))


async def test_a_page_begins_behind_a_start_that_is_gone_or_does_not_match(backend: Counting, catalog: PlainCatalog) -> None:
    await backend.remove([key(5)])
    for start, condition in ((5, Range(("n",), Op.GT, 0)), (3, Range(("n",), Op.GT, 5))):
        read = PageFrom(Scan("c", limit=2, filter=condition), key(start))
        page = await answer(backend, read, catalog)
        assert isinstance(page, Page)
        assert [each.key.id for each in page.points] == [6, 7]


# ---- examples ----


async def test_an_example_that_is_not_there_is_told(backend: Counting) -> None:
    with pytest.raises(NotFound, match="No point with id 99 found"):
        await searched(backend, Like(SEARCH, (key(99),), (), "v"), SCHEMA)


async def test_an_example_without_the_vector_is_refused(backend: Counting) -> None:
    with pytest.raises(Refused, match="Not existing vector name error: s"):
        await searched(backend, Like(replace(SEARCH, using="s"), (key(1),), (), "s"), SCHEMA)


async def test_only_the_direction_of_a_cosine_example_counts(backend: Counting) -> None:
    like = Like(replace(SEARCH, using="u"), (key(1), key(10)), (), "u")
    (vector,) = (await searched(backend, like, SCHEMA)).vectors
    np.testing.assert_allclose(vector, [0, 1])


def test_the_mean_moves_away_from_what_is_not_wanted() -> None:
    one, two, three = (np.array([n, 0], np.float32) for n in (1, 2, 3))
    np.testing.assert_allclose(mean([one, three], []), [2, 0])  # type: ignore[arg-type]
    np.testing.assert_allclose(mean([two], [three]), [1, 0])  # type: ignore[arg-type]


def test_examples_of_several_kinds_have_no_mean() -> None:
    sparse = Sparse(np.array([1], np.uint32), np.array([1], np.float32))
    with pytest.raises(Refused, match="different kinds"):
        mean([QUERY, sparse], [])
    with pytest.raises(Refused, match="different dimensions"):
        mean([QUERY, np.zeros(3, np.float32)], [])


# ---- groups, fusion ----


async def test_groups_look_at_more_hits_until_they_are_full(backend: Counting, catalog: PlainCatalog) -> None:
    await backend.put([point(number, kind="rare" if number == 100 else "often") for number in range(100, 200)])
    found = await answer(backend, Grouped(SEARCH, ("kind",), groups=2, size=1), catalog)
    assert isinstance(found, Groups)
    assert [(group.value, [hit.key.id for hit in group.hits]) for group in found.groups] == [("often", [199]), ("rare", [100])]
    assert [search.k for search in backend.asked] == [8, 32, 128]
    assert backend.fetched == 0  # nothing of the points is shown


async def test_groups_are_left_short_behind_the_bound(
    backend: Counting, catalog: PlainCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MAX_HITS", 16)
    found = await answer(backend, Grouped(SEARCH, ("half",), groups=20, size=2), catalog)
    assert isinstance(found, Groups)
    assert [search.k for search in backend.asked] == [16]
    assert len(found.groups) == 9


async def test_a_group_whose_value_is_no_id_looks_nothing_up(backend: Counting, catalog: PlainCatalog) -> None:
    lookup = Lookup("c", lambda value: value if isinstance(value, int) and value < 10 else None, None, ())
    read = Grouped(replace(SEARCH, fields=None), ("half",), groups=3, size=1, lookup=lookup)
    found = await answer(backend, read, catalog)
    assert isinstance(found, Groups)
    assert [(group.value, group.lookup and group.lookup.payload["n"]) for group in found.groups] == [(10, None), (9, 9), (8, 8)]
    assert [hit.point.payload["n"] for group in found.groups for hit in group.hits] == [20, 19, 17]


async def test_what_several_parts_find_is_one_hit_with_the_sum(backend: Counting, catalog: PlainCatalog) -> None:
    other = replace(SEARCH, vectors=(-QUERY,), k=20)
    hybrid = Hybrid("c", (SEARCH, other), ReciprocalRank(2), k=2, fields=None)
    (hits,) = await answer(backend, hybrid, catalog)  # type: ignore[misc]
    assert [(hit.key.id, hit.point.payload["n"]) for hit in hits] == [(20, 20), (1, 1)]
    assert [hit.value for hit in hits] == pytest.approx([1 / 2 + 1 / 21, 1 / 2])


async def test_each_of_several_searches_has_its_answer(backend: Counting, catalog: PlainCatalog) -> None:
    several = Several("c", (SEARCH, Scan("c", limit=1), Like(SEARCH, (key(1),), (), "v")))
    found = await answer(backend, several, catalog)
    assert isinstance(found, Answers)
    assert [type(each) for each in found.each] == [tuple, Page, tuple]
