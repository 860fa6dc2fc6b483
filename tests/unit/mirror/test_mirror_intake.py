from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import Broken
from proxy.mirror import intake
from proxy.mirror.intake import RECORD_LIMIT, Intake, IntentRow

NAME = "journal.db-intake"


def row(step: int, size: int = 20) -> IntentRow:
    return step * 10, b"head %d" % step, b"x" * size


def kept(directory: Path, *steps: int, committed: int = 0) -> None:
    made = Intake(directory / "journal.db")
    for step in steps:
        assert made.append(step, row(step), committed)
    made.close()


def beyond(directory: Path, committed: int) -> list[int]:
    opened = Intake(directory / "journal.db")
    try:
        found = opened.beyond(committed)
    finally:
        opened.close()
    assert [each.row for each in found] == [row(each.step, len(each.row[2])) for each in found]
    return [each.step for each in found]


def test_what_sqlite_lacks_comes_back_in_order(tmp_path: Path) -> None:
    kept(tmp_path, 1, 3, 4, 9)
    assert beyond(tmp_path, 3) == [4, 9]
    assert beyond(tmp_path, 9) == []


def test_a_new_intake_holds_nothing(tmp_path: Path) -> None:
    assert beyond(tmp_path, 0) == []


def test_an_intake_that_is_gone_is_missed(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="gone"):
        beyond(tmp_path, 5)


def test_a_long_record_waits_for_its_commit(tmp_path: Path) -> None:
    made = Intake(tmp_path / "journal.db")
    assert not made.append(1, row(1, RECORD_LIMIT), 0)
    assert made.append(2, row(2, RECORD_LIMIT // 2), 0)
    made.close()
    assert beyond(tmp_path, 0) == [2]


def test_a_half_is_begun_anew_only_when_all_of_it_is_committed(tmp_path: Path, set_limit: Callable[[str, float], None]) -> None:
    set_limit("proxy.mirror.intake.HALF", 200)  # room for two
    made = Intake(tmp_path / "journal.db")
    assert [made.append(step, row(step, 40), 0) for step in range(1, 7)] == [True] * 4 + [False] * 2
    assert not made.append(7, row(7, 40), 1)
    assert made.append(8, row(8, 40), 2)
    made.close()
    assert beyond(tmp_path, 2) == [3, 4, 8]


def test_a_disk_that_refuses_keeps_nothing_and_what_was_kept_stays(tmp_path: Path) -> None:
    made = Intake(tmp_path / "journal.db")
    assert made.append(1, row(1), 0)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / NAME).stat().st_size + 30, limit[1]))
    try:
        assert not made.append(2, row(2), 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert made.append(3, row(3), 0)
    made.close()
    assert beyond(tmp_path, 0) == [1, 3]


def test_any_damage_to_what_is_needed_is_told(tmp_path: Path) -> None:
    kept(tmp_path, 1, 2, 3)
    file = tmp_path / NAME
    sound = file.read_bytes()
    places = [*range(12), *range(intake._FIRST, len(sound))]
    for place in places:
        file.write_bytes(bytes((*sound[:place], sound[place] ^ 1, *sound[place + 1 :])))
        with pytest.raises(Broken):
            beyond(tmp_path, 0)
    for size in places:
        file.write_bytes(sound[:size])
        with pytest.raises(Broken):
            beyond(tmp_path, 1)


def test_a_record_that_was_never_finished_is_not_taken(tmp_path: Path) -> None:
    """Nobody was told of it: the mark comes after it."""
    made = Intake(tmp_path / "journal.db")
    assert made.append(1, row(1), 0)
    mark = (tmp_path / NAME).read_bytes()[:12]
    assert made.append(2, row(2), 0)
    made.close()
    written = (tmp_path / NAME).read_bytes()
    for size in range(len(mark) + 1, len(written) + 1):
        if size > written.index(b"head 1") + 26:
            (tmp_path / NAME).write_bytes(mark + written[len(mark) : size])
            assert beyond(tmp_path, 0) == [1]


def test_damage_to_what_is_committed_changes_nothing(tmp_path: Path) -> None:
    kept(tmp_path, 1, 2)
    file = tmp_path / NAME
    sound = file.read_bytes()
    file.write_bytes(sound[:-1] + b"?")
    assert beyond(tmp_path, 2) == []


def test_one_begun_anew_holds_nothing_of_before(tmp_path: Path) -> None:
    kept(tmp_path, 1, 2)
    opened = Intake(tmp_path / "journal.db")
    opened.begin()
    opened.close()
    assert beyond(tmp_path, 0) == []
    kept(tmp_path, 1)
    assert beyond(tmp_path, 0) == [1]


@pytest.mark.parametrize("call", ["pwrite", "ftruncate", "fsync"])
def test_a_death_while_it_is_begun_anew_is_of_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    class Death(BaseException):
        pass

    def die(*given: object) -> None:
        raise Death

    kept(tmp_path, 1, 2)
    dying = Intake(tmp_path / "journal.db")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, die)
        with pytest.raises(Death):
            dying.begin()
    dying.close()
    assert beyond(tmp_path, 2) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 120), st.booleans(), st.integers(1, 3)), max_size=60), st.integers(0, 3))
def test_nothing_that_was_taken_in_and_not_committed_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[int, bool, int]], behind: int
) -> None:
    """`acts`: the size of a body, whether SQLite commits then, how many steps go by."""
    directory = tmp_path_factory.mktemp("intake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "HALF", 400)
        made = Intake(directory / "journal.db")
        step = committed = 0
        taken = []
        for size, commits, further in acts:
            step += further
            taken += [step] * made.append(step, row(step, size), committed)
            committed = max(committed, step - behind) if commits else committed
        made.close()
        assert beyond(directory, committed) == [each for each in taken if each > committed]
