"""For how long dirty keys wait, as the gate of a change of primary sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.config import JournalConfig
from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.journal import Journal
from proxy.model.point import Key

HOT, COLD = Key("c", None, 1), Key("c", None, 2)


class Stopped:
    """A clock that is set by hand."""

    seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Stopped:
    return Stopped()


@pytest.fixture
def dirty(tmp_path: Path, clock: Stopped) -> Iterator[DirtyKeys]:
    journal = Journal.open(tmp_path, JournalConfig())
    yield DirtyKeys(journal, clock)
    journal.close()


def test_a_key_waits_from_its_first_mark_until_it_is_settled(dirty: DirtyKeys, clock: Stopped) -> None:
    assert dirty.oldest_seconds() == 0
    dirty.mark({HOT: "first"})
    clock.seconds += 2
    dirty.mark({HOT: "again", COLD: "first"})
    assert dirty.oldest_seconds() == 2
    dirty.settled(dirty.take("c", 1))
    assert dirty.oldest_seconds() == 0
    clock.seconds += 1
    assert dirty.oldest_seconds() == 1


def test_a_key_that_cannot_be_settled_waits_on(dirty: DirtyKeys, clock: Stopped) -> None:
    dirty.mark({COLD: "first"})
    clock.seconds += 3
    dirty.untake(dirty.take("c", 1), "the primary is away")
    assert dirty.oldest_seconds() == 3


def test_a_key_that_is_written_all_the_time_waits_only_since_its_last_write(dirty: DirtyKeys, clock: Stopped) -> None:
    dirty.mark({HOT: "first"})
    clock.seconds += 3
    dirty.overtaken(dirty.take("c", 1))
    assert (dirty.count(), dirty.oldest_seconds()) == (1, 0)
    clock.seconds += 3
    keys = dirty.take("c", 1)
    dirty.mark({HOT: "while it was settled"})
    dirty.settled(keys)
    assert (dirty.count(), dirty.oldest_seconds()) == (1, 0)


def test_the_keys_of_a_dropped_collection_wait_for_nothing(dirty: DirtyKeys, clock: Stopped) -> None:
    dirty.mark({COLD: "first"})
    dirty.forget("c")
    clock.seconds += 3
    assert dirty.oldest_seconds() == 0


def test_a_key_that_something_given_up_may_still_change_lingers(dirty: DirtyKeys, clock: Stopped) -> None:
    dirty.mark_later({COLD: "given up"}, 60)
    assert (dirty.lingering(), dirty.oldest_seconds()) == (1, 0)
    clock.seconds += 60
    dirty.mark_due()
    assert (dirty.lingering(), dirty.count()) == (0, 1)
