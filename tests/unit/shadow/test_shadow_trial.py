from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shadow_stage import SCHEMA, Stage, key, point, query

from proxy.errors import NotFound, Reason, Refused, Unavailable, Unsupported
from proxy.model.feature import Feature, Support
from proxy.model.filter import Equals, Op, Range
from proxy.model.operation import Count, Fetch, Hits, Hybrid, Like, Page, PageFrom, ReciprocalRank, Scan, Search, Several
from proxy.model.point import Key, Point
from proxy.reads import searched
from proxy.shadow.findings import Compared, Failed, Right, Ruling, Searched, Skip, Skipped, Unanswerable, Unchecked
from proxy.shadow.pair import Extras

BARE = Extras(noise=False, referee=False)


def search(k: int = 10, vectors: int = 1, **rest: Any) -> Search:
    return Search("books", "", tuple(query(10_000 + n) for n in range(vectors)), k, **rest)


async def best(stage: Stage, count: int = 10) -> list[int]:
    return [int(hit.key.id) for hit in (await stage.primary.search(search(count)))[0]]


async def test_equal_sides_agree(stage: Stage) -> None:
    await stage.fill(range(50))
    found = await stage.finding(search())
    assert isinstance(found, Searched)
    assert (found.agreement.recall, found.agreement.overlap, found.violations) == (1.0, 1.0, 0)


async def test_recall_is_exactly_what_the_secondary_lacks(stage: Stage) -> None:
    await stage.fill(range(50))
    ids = await best(stage)
    await stage.secondary.remove([key(ids[0]), key(ids[4]), key(ids[9])])
    found = await stage.finding(search())
    assert found.agreement.recall == pytest.approx(0.7)
    assert {missed.id for missed in found.agreement.missed} == {ids[0], ids[4], ids[9]}
    assert [id for id, _ in found.detail["primary"]] == [str(id) for id in ids]


async def test_recall_of_several_query_vectors_is_their_mean_and_the_worst_is_shown(stage: Stage) -> None:
    await stage.fill(range(50))
    ids = [int(hit.key.id) for hit in (await stage.primary.search(search(vectors=2)))[1]]
    only_second = set(ids) - set(await best(stage))
    await stage.secondary.remove([key(id) for id in only_second])
    found = await stage.finding(search(vectors=2))
    assert found.agreement.recall == pytest.approx(1 - len(only_second) / 20)
    assert found.detail["query"] == 1


async def test_points_with_writes_under_way_are_left_out_of_both_answers(stage: Stage) -> None:
    await stage.fill(range(50))
    ids = await best(stage)
    await stage.secondary.remove([key(ids[0]), key(ids[1])])
    stage.window.keys = frozenset({key(ids[0]), key(ids[1])})
    found = await stage.finding(search())
    assert found.agreement.recall == 1.0
    assert len(found.detail["primary"]) == len(found.detail["secondary"]) == 8


async def test_a_write_in_any_partition_makes_the_id_busy(stage: Stage) -> None:
    await stage.fill(range(50))
    ids = await best(stage)
    await stage.secondary.remove([key(ids[0])])
    stage.window.keys = frozenset({key(ids[0], "old")})
    assert (await stage.finding(search())).agreement.recall == 1.0


async def test_a_sample_is_skipped_when_too_much_is_under_way(stage: Stage) -> None:
    await stage.fill(range(50))
    ids = await best(stage)
    for keys, all in ((frozenset[Key](), True), (frozenset(map(key, ids[:6])), False)):
        stage.window.keys, stage.window.all = keys, all
        assert await stage.finding(search()) == Skipped("books", Skip.BUSY)
    stage.window.keys = frozenset({key(49_999)})
    assert await stage.finding(search(offset=5)) == Skipped("books", Skip.BUSY)
    assert isinstance(await stage.finding(search()), Searched)


@pytest.mark.parametrize("support", [Support.NATIVE, Support.ABSENT])
async def test_doubles_a_unit_apart_differ_unless_a_side_reads_its_own_so(stage: Stage, support: Support) -> None:
    await stage.fill(range(3))
    await stage.primary.put([point(1, ink=3.6426079273223877)])
    await stage.secondary.put([point(1, ink=3.642607927322388)])
    stage.secondary.features = stage.primary.features | {Feature.EXACT_DOUBLES: support}
    found = await stage.finding(Fetch("books", (key(1),)))
    assert found.equal is (support is Support.ABSENT)


async def test_the_noise_check_measures_the_primary_against_itself(stage: Stage) -> None:
    await stage.fill(range(50))
    sample = await stage.sample(search())
    ids = await best(stage)
    for side in (stage.primary, stage.secondary):
        await side.remove([key(ids[0])])
    found = await stage.trials.run(sample, stage.pair, Extras(noise=True, referee=False))
    assert isinstance(found, Searched)
    assert found.agreement.recall == found.noise == pytest.approx(0.9)


async def test_a_primary_that_does_not_answer_is_no_fault_of_the_secondary(stage: Stage) -> None:
    await stage.fill(range(50))
    sample = await stage.sample(search())
    await stage.secondary.remove([key((await best(stage))[0])])
    stage.primary.fault = Unavailable("gone")
    found = await stage.trials.run(sample, stage.pair, Extras(noise=True, referee=True))
    assert isinstance(found, Searched)
    assert found.unchecked == (Unchecked.PRIMARY_FAILED, Unchecked.PRIMARY_FAILED)


async def test_the_referee_says_that_the_primary_is_right(stage: Stage) -> None:
    await stage.fill(range(50))
    await stage.secondary.remove([key((await best(stage))[0])])
    found = await stage.finding(search(), referee=True)
    assert found.ruling == Ruling(primary=1.0, secondary=pytest.approx(0.9))
    assert found.ruling.right is Right.PRIMARY


async def test_the_referee_says_that_the_secondary_is_right(stage: Stage) -> None:
    await stage.fill(range(50))
    true = await stage.primary.search(search(11))
    approximate = (true[0][1:],)  # the primary's index missed the nearest point
    sample = stage.sample_of(search(), approximate)
    found = await stage.trials.run(sample, stage.pair, Extras(noise=False, referee=True))
    assert isinstance(found, Searched)
    assert found.agreement.recall == pytest.approx(0.9)
    assert found.ruling is not None
    assert found.ruling.right is Right.SECONDARY


async def test_the_referee_counts_no_hit_that_the_filter_excludes(stage: Stage) -> None:
    await stage.fill(range(50))
    ids = await best(stage)
    even = Equals(("even",), True)
    for side in (stage.primary, stage.secondary):
        await side.put([point(id, even=id not in ids[:3]) for id in range(50)])
    careless = await stage.secondary.search(search())
    stage.secondary.search = answering(careless)
    found = await stage.finding(search(filter=even), referee=True)
    assert found.violations == 3
    assert found.ruling.right is Right.PRIMARY
    assert found.detail["filter"] == repr(even)


def answering(hits: Hits) -> Any:
    async def answer(*_: Any) -> Hits:
        return hits

    return answer


async def test_ties_at_the_last_rank_are_no_disagreement(stage: Stage) -> None:
    await stage.fill(range(0))
    same = np.ones(8, np.float32)
    twins = [Point(key(id), {"": same}) for id in range(4)]
    await stage.primary.put(twins)
    await stage.secondary.put(twins[2:])
    assert (await stage.finding(search(k=2))).agreement.recall == 1.0


@pytest.mark.parametrize(
    "read",
    [
        Fetch("books", tuple(key(id) for id in range(5))),
        Scan("books", limit=100),
        Scan("books", limit=10, after=key(5)),
        Count("books", Range(("n",), Op.LT, 30)),
    ],
)
async def test_other_reads_of_equal_sides_are_equal(stage: Stage, read: Any) -> None:
    await stage.fill(range(50))
    assert await stage.finding(read) == Compared("books", 0.0, equal=True, detail={"differences": ()})


@pytest.mark.parametrize(
    ("read", "differences"),
    [
        (Fetch("books", (key(1), key(2), key(3))), {("1", "missing"), ("2", "payload")}),
        (Scan("books", limit=100), {("1", "missing"), ("2", "payload"), ("77", "extra")}),
        (Count("books", Range(("n",), Op.LT, 77)), {("count", "50 and 49")}),
        # in the order of another product a page may hold other keys: only those that both hold are compared
        (Scan("books", limit=3), {("2", "payload")}),
    ],
)
async def test_other_reads_tell_what_differs(stage: Stage, read: Any, differences: set[tuple[str, str]]) -> None:
    await stage.fill(range(50))
    await stage.secondary.remove([key(1)])
    await stage.secondary.put([point(2, more="x"), point(77)])
    found = await stage.finding(read)
    assert isinstance(found, Compared)
    assert not found.equal
    assert set(found.detail["differences"]) == differences


async def test_other_reads_leave_out_what_is_under_way(stage: Stage) -> None:
    await stage.fill(range(50))
    await stage.secondary.remove([key(1)])
    stage.window.keys = frozenset({key(1)})
    for read in (Fetch("books", (key(1), key(2))), Scan("books", limit=100)):
        found = await stage.finding(read)
        assert isinstance(found, Compared)
        assert found.equal
    for read in (Fetch("books", (key(1),)), Count("books")):
        assert await stage.finding(read) == Skipped("books", Skip.BUSY)


async def test_an_alias_is_resolved_before_the_secondary_is_asked(stage: Stage) -> None:
    await stage.fill(range(50))
    sample = stage.sample_of(replace(search(), collection="library"), await stage.primary.search(search()))
    found = await stage.trials.run(sample, stage.pair, BARE)
    assert isinstance(found, Searched)
    assert found.collection == "books"


async def test_a_search_by_example_is_compared_as_the_search_that_it_makes(stage: Stage) -> None:
    await stage.fill(range(50))
    like = Like(replace(search(5), vectors=()), (key(7), query()))
    ids = [hit.key for hit in (await stage.primary.search(await searched(stage.primary, like, SCHEMA)))[0]]
    await stage.secondary.remove([ids[0]] if ids[0] != key(7) else [ids[1]])
    found = await stage.finding(like)
    assert isinstance(found, Searched)
    assert found.agreement.recall == pytest.approx(0.8)


async def test_a_page_from_an_id_on_is_compared_as_a_page_in_between(stage: Stage) -> None:
    await stage.fill(range(50))
    await stage.secondary.put([point(12, more="x")])
    for start, differences in ((key(10), {("12", "payload")}), (key(20), set())):
        found = await stage.finding(PageFrom(Scan("books", limit=5), start))
        assert isinstance(found, Compared)
        assert set(found.detail["differences"]) == differences


async def test_searches_that_make_one_list_are_not_compared(stage: Stage) -> None:
    await stage.fill(range(5))
    for read in (Hybrid("books", (search(),), ReciprocalRank(2), 3), Several("books", (search(),))):
        assert await stage.finding(read) == Skipped("books", Skip.UNREADABLE)


async def test_what_cannot_be_compared_is_sorted_by_its_cause(stage: Stage) -> None:
    await stage.fill(range(5))
    gap = Unsupported(Feature.SEARCH_GROUP, "qdrant")
    answer = await stage.primary.search(search())
    undecodable = stage.sample_of(gap, answer)
    unknown = stage.sample_of(Refused("sampling is not supported", Reason.UNSUPPORTED), answer)
    malformed = stage.sample_of(NotFound("no such field"), answer)
    refused = stage.sample_of(search(), Refused("the primary said no"))
    for sample, finding in (
        (undecodable, Unanswerable("books", "Search", Feature.SEARCH_GROUP)),
        (unknown, Unanswerable("books", "Search", "sampling is not supported")),
        (malformed, Skipped("books", Skip.UNREADABLE)),
        (refused, Skipped("books", Skip.UNREADABLE)),
    ):
        assert await stage.trials.run(sample, stage.pair, BARE) == finding
    stage.secondary.fault = gap
    assert await stage.finding(search()) == Unanswerable("books", "Search", Feature.SEARCH_GROUP)
    stage.secondary.fault = Unavailable("connection refused")
    assert await stage.finding(search()) == Failed("books", "connection refused")


async def test_an_answer_of_the_wrong_kind_is_told_and_not_compared(stage: Stage) -> None:
    await stage.fill(range(5))
    sample = stage.sample_of(search(), Page((), end=True))
    assert isinstance(await stage.trials.run(sample, stage.pair, BARE), Failed)


async def test_an_id_that_an_answer_holds_twice_counts_once(stage: Stage) -> None:
    await stage.fill(range(50))
    (hits,) = await stage.primary.search(search(9))
    doubled = ((hits[0], replace(hits[0], key=hits[0].key._replace(partition="old")), *hits[1:]),)
    found = await stage.trials.run(stage.sample_of(search(), doubled), stage.pair, BARE)
    assert isinstance(found, Searched)
    assert (found.agreement.recall, found.agreement.overlap) == (1.0, 1.0)
