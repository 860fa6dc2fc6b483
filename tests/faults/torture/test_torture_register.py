"""The rules of one key against the definition itself: some order of all calls in which each look sees the last write."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.torture.history import FOREVER, Act, Call, Change, History, Key, Outcome, Recorder, Value, read
from proxy.torture.register import Fault, Look, Write, writes_of, wrong

KEY = Key("c", "_default", 7)
TIMES = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda pair: (float(pair[0]), float(pair[0] + pair[1]) - 0.5))


def call(number: int, act: Act, begin: float, end: float, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Call:
    return Call(number, 1, act, (KEY,), begin, end, outcome)


@st.composite
def stories(draw: st.DrawFn, acts: tuple[Act, ...]) -> tuple[list[Write], list[Look]]:
    outcomes = st.sampled_from([Outcome.ACKNOWLEDGED, Outcome.ACKNOWLEDGED, Outcome.UNKNOWN])
    calls = [
        call(number, draw(st.sampled_from(acts)), *draw(TIMES), draw(outcomes))
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    values = st.sampled_from([None, *(each.number for each in calls)])
    looks = [Look(draw(values), *draw(TIMES)) for _ in range(draw(st.integers(0, 2)))]
    return writes_of(calls), [*looks, Look(draw(values), 30.0, 30.0)]


def has_an_order(writes: list[Write], looks: list[Look]) -> bool:
    """By trying all of them. What never happened stands behind the last look."""
    return any(_fits(order) for order in permutations([*writes, *looks]))


def _fits(order: tuple[Write | Look, ...]) -> bool:
    value: Value = None
    latest = -FOREVER
    for each in order:
        latest = max(latest, each.begin)
        if each.end < latest or (isinstance(each, Look) and each.value != value):
            return False
        value = each.value
    return True


@given(stories((Act.UPSERT, Act.DELETE)))
@settings(max_examples=300, deadline=None)
def test_what_some_order_allows_is_never_accused(story: tuple[list[Write], list[Look]]) -> None:
    if has_an_order(*story):
        assert list(wrong(*story)) == []


@given(stories((Act.UPSERT,)))
@settings(max_examples=300, deadline=None)
def test_of_unique_values_whatever_no_order_allows_is_accused(story: tuple[list[Write], list[Look]]) -> None:
    assert bool(list(wrong(*story))) != has_an_order(*story)


def faults(calls: list[Call], *looks: Look, filter_lag: float = 0.0) -> list[Fault]:
    return [found.fault for found in wrong(writes_of(calls, filter_lag), looks)]


def test_of_concurrent_writes_any_may_be_last() -> None:
    both = [call(1, Act.UPSERT, 0, 5), call(2, Act.UPSERT, 4, 9)]
    assert faults(both, Look(1, 20, 20)) == faults(both, Look(2, 20, 20)) == []
    assert faults(both, Look(None, 20, 20)) == [Fault.LOST]


def test_a_write_that_ended_before_another_began_is_before_it() -> None:
    assert faults([call(1, Act.UPSERT, 0, 3), call(2, Act.UPSERT, 4, 9)], Look(1, 20, 20)) == [Fault.LOST]


def test_an_unknown_write_may_land_at_any_time_or_never_and_a_refused_one_never() -> None:
    later = call(2, Act.UPSERT, 4, 9)
    unknown = [call(1, Act.UPSERT, 0, 3, Outcome.UNKNOWN), later]
    assert faults(unknown, Look(1, 20, 20)) == faults(unknown, Look(2, 20, 20)) == []
    assert faults([call(1, Act.UPSERT, 0, 3, Outcome.REFUSED), later], Look(1, 20, 20)) == [Fault.NEVER_WRITTEN]


def test_a_deleted_row_that_is_back_is_called_so() -> None:
    assert faults([call(1, Act.UPSERT, 0, 3), call(2, Act.DELETE, 4, 9)], Look(1, 20, 20)) == [Fault.BACK]


def test_what_is_seen_before_and_after_something_else_was_there_is_in_no_order() -> None:
    both = [call(1, Act.UPSERT, 0, 9), call(2, Act.UPSERT, 0, 9)]
    assert faults(both, Look(1, 10, 11), Look(2, 12, 13)) == [Fault.UNORDERED]


def test_a_delete_by_filter_need_not_see_what_was_just_written() -> None:
    calls = [call(1, Act.UPSERT, 0, 3), call(2, Act.DELETE_WHERE, 4, 9)]
    assert faults(calls, Look(1, 20, 20)) == [Fault.BACK]
    assert faults(calls, Look(1, 20, 20), filter_lag=5.0) == []


def test_a_history_is_read_back_as_it_was_written_and_a_call_without_an_end_is_unknown(tmp_path: Path) -> None:
    done = Call(1, 3, Act.READ, (KEY,), 0.5, 0.75, Outcome.ACKNOWLEDGED, (1, 2), {KEY: 4}, "strong")
    open_end = call(2, Act.UPSERT, 1.0, FOREVER, Outcome.UNKNOWN)
    inserted = Call(3, 3, Act.INSERT, (Key("c", "_default", 99),), 1.5, 2.0, Outcome.ACKNOWLEDGED, (1, 1))
    with Recorder(tmp_path / "history") as recorder:
        for each in (done, open_end, Call(3, 3, Act.INSERT, (Key("c", "_default", ""),), 1.5)):
            recorder.begun(each)
        recorder.ended(done)
        recorder.changed(Change(2, 1.0, 2.0))
        recorder.ended(inserted)
    assert read(tmp_path / "history") == History((done, open_end, inserted), (Change(2, 1.0, 2.0),))
