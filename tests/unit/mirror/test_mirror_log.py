from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from proxy.errors import Broken
from proxy.mirror import log
from proxy.mirror.log import Log, Place

NAME = "journal.db-log"
MARK = 24


@contextmanager
def opened(directory: Path, size: int = 2**20) -> Iterator[Log]:
    made = Log(directory / "journal.db", size)
    try:
        yield made
    finally:
        made.close()


def body(step: int, size: int = 20) -> bytes:
    return (b"%d " % step * size)[:size]


def append(made: Log, step: int, size: int = 20, kept: int = 0) -> int | None:
    return made.append(step, b"changes %d" % step, (body(step, size),), kept)


def fill(directory: Path, *steps: int, begun: int = 0) -> None:
    with opened(directory) as made:
        made.begin(begun)
        for step in steps:
            assert append(made, step) is not None


def beyond(directory: Path, kept: int, *, after_power_loss: bool = False) -> list[int]:
    with opened(directory) as made:
        found = made.left_by_power_loss(kept) if after_power_loss else made.beyond(kept)
    for record in found:
        assert (record.changes, record.bodies) == (b"changes %d" % record.step, body(record.step, len(record.bodies)))
    return [record.step for record in found]


def test_what_sqlite_lacks_comes_back_in_order(tmp_path: Path) -> None:
    fill(tmp_path, 1, 3, 4, 9)
    assert beyond(tmp_path, 3) == [4, 9]
    assert beyond(tmp_path, 9) == []


def test_a_body_is_read_where_it_was_put(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        start = made.append(1, b"changes", (b"one", b"other"), 0)
        assert start is not None
        places = [Place(start, 3, xxh3_64_intdigest(b"one")), Place(start + 3, 5, xxh3_64_intdigest(b"other"))]
        assert [made.read(place) for place in places] == [b"one", b"other"]
        with pytest.raises(Broken):
            made.read(Place(start, 4, xxh3_64_intdigest(b"one")))


def test_a_new_log_holds_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        assert made.is_new
        made.begin(0)
        assert not made.is_new
    assert beyond(tmp_path, 0) == []


def test_a_log_that_is_gone_is_missed(tmp_path: Path) -> None:
    for kept in (0, 5):
        with pytest.raises(Broken, match="gone"):
            beyond(tmp_path, kept)


def test_a_step_that_sqlite_lost_is_missed(tmp_path: Path) -> None:
    """The log goes on behind what SQLite had."""
    fill(tmp_path, 6, 7, begun=5)
    assert beyond(tmp_path, 5) == [6, 7]
    with pytest.raises(Broken, match="step 5"):
        beyond(tmp_path, 4)


def test_a_half_is_begun_anew_only_when_sqlite_has_all_of_it(tmp_path: Path) -> None:
    with opened(tmp_path, 400) as made:  # room for two in a half
        assert [append(made, step, 40) is not None for step in range(1, 7)] == [True] * 4 + [False] * 2
        assert made.needs_room(0)
        assert not made.needs_room(2)
        assert append(made, 5, 40, kept=1) is None
        assert append(made, 5, 40, kept=2) is not None
        assert append(made, 6, 1000, kept=5) is None
    assert beyond(tmp_path, 2) == [3, 4, 5]


def test_it_reads_the_halves_that_it_had(tmp_path: Path) -> None:
    with opened(tmp_path, 400) as made:
        for step in range(1, 5):
            append(made, step, 40)
    assert beyond(tmp_path, 0) == [1, 2, 3, 4]


def test_what_goes_by_it_is_not_missed(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        append(made, 1)
        made.skip(2)
        append(made, 3)
    assert beyond(tmp_path, 2) == [3]
    with pytest.raises(Broken, match="step 2"):
        beyond(tmp_path, 1)


def test_a_disk_that_refuses_keeps_nothing_and_what_was_kept_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as made:
        append(made, 1)
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / NAME).stat().st_size + 30, limit[1]))
        try:
            with pytest.raises(OSError, match=r"space|large"):
                append(made, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        append(made, 3)
    assert beyond(tmp_path, 0) == [1, 3]


def test_a_record_whose_mark_was_refused_does_not_stand_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies at the end of its half; with others it has no room there."""

    def refuse(*given: object) -> int:
        raise OSError

    with opened(tmp_path, 400) as made:
        append(made, 1, 40)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", refuse)
            with pytest.raises(OSError):  # noqa: PT011 (nothing to match)
                append(made, 2, 40)
        append(made, 3, 60)
    assert beyond(tmp_path, 0) == [1, 3]


def test_any_damage_to_what_is_needed_is_told(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2, 3)
    file = tmp_path / NAME
    sound = file.read_bytes()
    end = sound.rindex(body(3)) + 20
    places = [*range(MARK), *range(log._FIRST, end)]
    for place in places:
        file.write_bytes(bytes((*sound[:place], sound[place] ^ 1)) + sound[place + 1 :])
        with pytest.raises(Broken):
            beyond(tmp_path, 0)
    for size in places:
        file.write_bytes(sound[:size])
        with pytest.raises(Broken):
            beyond(tmp_path, 0)


def test_a_record_that_was_never_finished_is_not_taken(tmp_path: Path) -> None:
    """Nobody was told of it: the mark comes after it."""
    fill(tmp_path, 1)
    file = tmp_path / NAME
    first = file.read_bytes()
    mark, end = first[:MARK], first.rindex(body(1)) + 20
    with opened(tmp_path) as made:
        made._half, made._used, made._last = 2**19, end - log._FIRST, 1
        append(made, 2)
    written = file.read_bytes()
    for size in range(end, written.rindex(body(2)) + 21):
        file.write_bytes(mark + written[MARK:size])
        assert beyond(tmp_path, 0) == [1]


def test_damage_to_what_sqlite_has_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2)
    file = tmp_path / NAME
    file.write_bytes(file.read_bytes().replace(body(2), body(9)))
    assert beyond(tmp_path, 2) == []


def test_after_a_loss_of_power_it_holds_what_is_whole(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2, 3, 4)
    file = tmp_path / NAME
    sound = file.read_bytes()
    file.write_bytes(bytes(MARK) + sound[MARK:].replace(body(3), body(9)))
    assert beyond(tmp_path, 0, after_power_loss=True) == [1, 2]
    assert beyond(tmp_path, 1, after_power_loss=True) == [2]
    assert beyond(tmp_path, 7, after_power_loss=True) == []
    file.write_bytes(b"")
    assert beyond(tmp_path, 7, after_power_loss=True) == []


def test_one_begun_anew_holds_nothing_of_before(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2)
    with opened(tmp_path) as made:
        made.begin(2)
    assert beyond(tmp_path, 2) == []
    fill(tmp_path, 3, begun=2)
    assert beyond(tmp_path, 2) == [3]


def test_its_room_on_the_disk_is_taken_at_the_start(tmp_path: Path) -> None:
    with opened(tmp_path, 2**20) as made:
        made.begin(0)
    assert (tmp_path / NAME).stat().st_blocks * 512 >= 2**20


@pytest.mark.parametrize("call", ["pwrite", "ftruncate", "posix_fallocate", "fsync"])
def test_a_death_while_it_is_begun_anew_is_of_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    class Death(BaseException):
        pass

    def die(*given: object) -> None:
        raise Death

    fill(tmp_path, 1, 2)
    with opened(tmp_path) as dying, monkeypatch.context() as patch:
        patch.setattr(os, call, die)
        with pytest.raises(Death):
            dying.begin(2)
    assert beyond(tmp_path, 2) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 120), st.booleans(), st.integers(1, 3)), max_size=60), st.integers(0, 3))
def test_nothing_that_was_taken_in_and_sqlite_lacks_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[int, bool, int]], behind: int
) -> None:
    """`acts`: the size of a body, whether SQLite commits then, how many steps go by."""
    directory = tmp_path_factory.mktemp("log")
    with opened(directory, 800) as made:
        made.begin(0)
        step, taken = 0, [0]
        kept = 0
        for size, commits, further in acts:
            if append(made, step + further, size, kept) is not None:
                step += further
                taken.append(step)
            kept = max(kept, taken[max(0, len(taken) - 1 - behind)]) if commits else kept
    expected = [each for each in taken if each > kept]
    assert beyond(directory, kept) == expected
    assert beyond(directory, kept, after_power_loss=True) == expected
