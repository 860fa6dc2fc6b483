"""Faults put into the code under test on purpose, one rule each: the simulation must notice every one of them.

Each names the story that shows it and the seed from which it is looked for: some take a rare meeting, all are found from 0.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from faults.simulation.story import CHANGES, DEATHS, MAYFLIES, ONE, SLOW_DISK, VERIFIED, Mix, Story

from proxy.backfill.pipeline import Pipeline
from proxy.backfill.reader import Batch
from proxy.backfill.writer import Writer
from proxy.mirror.applier import Applier
from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.entry import Entry
from proxy.mirror.journal import Journal, Told
from proxy.mirror.mirror import Mirror, Ticket
from proxy.mirror.plan import Planner
from proxy.mirror.settle import Settler
from proxy.mirror.turns import Turns
from proxy.mirror.window import Window
from proxy.model.operation import DataWrite
from proxy.model.place import Place
from proxy.model.point import Key, Point
from proxy.ports import Outcome
from proxy.routing.change import Change
from proxy.routing.hold import Hold
from proxy.store.migration import Decision, Migration, Stage
from proxy.verify.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Fault:
    apply: Callable[[pytest.MonkeyPatch], None]
    story: Story
    first: int = 0

    @property
    def name(self) -> str:
        return self.apply.__name__


# ---- the journal ----


def forwarded_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ticket, "when_written", lambda self, call: call(None))


def acknowledged_but_never_written(patch: pytest.MonkeyPatch) -> None:
    """The intent is kept in memory only."""

    def append(self: Journal, seq: int, intent: object) -> int:
        self.entries += 1
        return self._writer.submit([], sync=True)

    def told(self: Ticket, call: Told) -> None:
        call(None)

    patch.setattr(Journal, "append", append)
    patch.setattr(Ticket, "when_durable", told)


def unended_intents_are_forgotten_at_the_start(patch: pytest.MonkeyPatch) -> None:
    def recover(self: Mirror) -> None:
        self._dirty.recover(self._parts.config.linger)

    patch.setattr(Mirror, "_recover", recover)


def refused_writes_are_mirrored(patch: pytest.MonkeyPatch) -> None:
    end = Mirror._end
    patch.setattr(
        Mirror,
        "_end",
        lambda self, entry, outcome: end(self, entry, Outcome.ACCEPTED if outcome is Outcome.REFUSED else outcome),
    )


# ---- the order of writes ----


def overlapping_writes_are_not_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Window, "rivals", lambda self, entry: [])


def writes_are_compared_by_the_order_of_intents(patch: pytest.MonkeyPatch) -> None:
    """Each settles for those that began before it, instead of those that ended before it."""
    rivals = Window.rivals

    def begun_before(self: Window, entry: Entry) -> list[Entry] | None:
        found = rivals(self, entry)
        return None if found is None else [other for other in found if other.seq < entry.seq]

    patch.setattr(Window, "rivals", begun_before)


def writes_are_applied_last_first(patch: pytest.MonkeyPatch) -> None:
    gather = Applier._gather

    async def last_first(self: Applier, lane: deque[Entry]) -> list[tuple[Entry, DataWrite]]:
        lane.reverse()
        batch = await gather(self, lane)
        lane.reverse()
        return batch

    patch.setattr(Applier, "_gather", last_first)


def a_filter_has_no_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Planner, "_added", lambda self, collection, rivals: frozenset())


# ---- what may land late ----


def late_secondary_writes_are_not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DirtyKeys, "mark_later", lambda self, marks, after: None)


def late_client_writes_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    """By a linger that is too short."""


def what_was_on_its_way_at_a_death_is_not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Applier, "_recheck_after_crash", lambda self, name, entry, keys: None)
    patch.setattr(DirtyKeys, "recover", _recover_without_rechecks)


def _recover_without_rechecks(self: DirtyKeys, linger: float) -> None:
    self.mark({**self._journal.found.rechecks, **self._journal.found.dirty})


def late_changes_of_schema_are_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Turns, "may_land", lambda self, names: None)


# ---- settle ----


def a_settle_neither_looks_twice_nor_owns_its_keys(patch: pytest.MonkeyPatch) -> None:
    """Each of the two covers for the other while there is one sidecar."""
    close = Settler._close
    patch.setattr(Settler, "_close", lambda self, name, before, after, *rest: close(self, name, before, before, *rest))
    patch.setattr(DirtyKeys, "unsettled", lambda self, keys: set())


# ---- backfill ----


def a_backfill_is_blind(patch: pytest.MonkeyPatch) -> None:
    """It writes its pages whatever was touched meanwhile, and settles nothing afterwards."""

    async def untouched(self: Writer, batch: Batch) -> tuple[list[Point], int]:
        return list(batch.points), batch.position

    async def nothing(self: Writer, keys: Collection[Key], since: int) -> None:
        return

    patch.setattr(Writer, "_untouched", untouched)
    patch.setattr(Writer, "_settle_overtaken", nothing)


def a_checkpoint_runs_ahead(patch: pytest.MonkeyPatch) -> None:
    """I5: the cursor moves over a page before it is written."""
    claiming = Pipeline._claiming

    def ahead(self: Pipeline) -> object:
        claiming(self)
        self.walk = self.walk.unclaimed().advance(self._under_way[-1].batch.last, 0)
        return self.walk

    patch.setattr(Pipeline, "_claiming", ahead)


def pages_given_up_are_not_settled_at_the_restart(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Writer, keys: Collection[Key], why: str) -> None:
        return

    patch.setattr(Writer, "settle", nothing)


# ---- verify ----


def verify_compares_nothing(patch: pytest.MonkeyPatch) -> None:
    async def same(self: Comparison, *_: object) -> dict[Key, str]:
        return {}

    patch.setattr(Comparison, "differing", same)


def verify_looks_at_one_side_only(patch: pytest.MonkeyPatch) -> None:
    async def none(self: Comparison, *_: object) -> dict[Key, str]:
        return {}

    patch.setattr(Comparison, "extra", none)


# ---- the change of primary ----


def a_change_does_not_drain(patch: pytest.MonkeyPatch) -> None:
    async def landed(self: Change) -> None:
        await self._router.hold.all_landed()

    patch.setattr(Change, "_drained", landed)
    patch.setattr(Mirror, "_busy", lambda self: False)


def a_change_does_not_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hold, "begin", lambda self: None)


def a_change_does_not_wait_for_what_may_land_late(patch: pytest.MonkeyPatch) -> None:
    """Keys that are looked at again count for nothing, in the gate and in the drain."""
    patch.setattr(DirtyKeys, "lingering", lambda self: 0)
    patch.setattr(DirtyKeys, "count", lambda self: len(self._taken) + sum(map(len, self._waiting.values())))


def an_epoch_is_not_durable(patch: pytest.MonkeyPatch) -> None:
    """The primary turns, and only later is it written down."""

    async def commit(self: Migration, epoch: int, primary: Place, phase: Any, decision: Decision) -> None:
        stage = Stage(self._clock.now(), phase, epoch, primary, decision)
        self._stage = stage
        _LATER.append(asyncio.ensure_future(_write_later(self._write(stage))))

    patch.setattr(Migration, "commit_epoch", commit)


_LATER: list[asyncio.Future[None]] = []


async def _write_later(work: Awaitable[None]) -> None:
    await asyncio.sleep(3.0)
    await work


_NO_BACKFILL = replace(SLOW_DISK, wishes=(), hot=16, mix=Mix(80, 0, 0, 20, 0, 0))
"""A backfill, and the next write of the same key, heal what was lost before."""
_HASTY = replace(ONE, linger=0.01)
_LATE_CHANGES = replace(CHANGES, slow=0.1, writes=10)
_SLOW_CHANGES = replace(CHANGES, commits_a_second=2.0)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(forwarded_before_it_is_written, _NO_BACKFILL, 29),
        Fault(acknowledged_but_never_written, ONE),
        Fault(unended_intents_are_forgotten_at_the_start, ONE),
        Fault(refused_writes_are_mirrored, ONE, 3),
        Fault(overlapping_writes_are_not_settled, ONE, 51),
        Fault(writes_are_compared_by_the_order_of_intents, ONE, 25),
        Fault(writes_are_applied_last_first, ONE, 40),
        Fault(a_filter_has_no_window, ONE, 45),
        Fault(late_secondary_writes_are_not_looked_at_again, ONE, 31),
        Fault(late_client_writes_are_not_waited_for, _HASTY, 32),
        Fault(what_was_on_its_way_at_a_death_is_not_looked_at_again, DEATHS, 337),
        Fault(late_changes_of_schema_are_not_waited_for, MAYFLIES, 20),
        Fault(a_settle_neither_looks_twice_nor_owns_its_keys, ONE, 22),
        Fault(a_backfill_is_blind, ONE, 1432),
        Fault(a_checkpoint_runs_ahead, ONE, 6),
        Fault(pages_given_up_are_not_settled_at_the_restart, DEATHS, 1743),
        Fault(verify_compares_nothing, VERIFIED),
        Fault(verify_looks_at_one_side_only, VERIFIED),
        Fault(a_change_does_not_drain, CHANGES, 1),
        Fault(a_change_does_not_hold, _SLOW_CHANGES),
        Fault(a_change_does_not_wait_for_what_may_land_late, _LATE_CHANGES, 166),
        Fault(an_epoch_is_not_durable, CHANGES),
    )
}
