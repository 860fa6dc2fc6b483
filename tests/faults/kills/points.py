"""Every transition at which a death is tried, by name. The production code knows nothing of them: `arm` wraps it from outside.

| transition | points |
|---|---|
| a journal step is submitted, written, synced, told, brought into SQLite | JOURNAL, STEPS |
| a batch goes to the secondary, an entry leaves | APPLIER |
| a key is read, written, read again, unmarked | SETTLE |
| a page is claimed, written, checkpointed | BACKFILL |
| a page is compared, recorded, a debt settled | VERIFY |
| hold, drain, commit, turn, release; a phase is entered | CHANGE, PHASE |
| what a start takes up again | START |
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from proxy.mirror import tables
from proxy.mirror.steps import Step

Come: TypeAlias = Callable[[tuple[Any, ...]], None]
"""Called with the arguments whenever the point comes."""


class Moment(StrEnum):
    BEFORE = "before"
    AFTER = "after"


class Stir(StrEnum):
    """What makes the point come."""

    WRITES = "clients write"
    BACKFILL = "an emptied target is filled again and again"
    VERIFY = "spoiled points are looked for and mended"
    CHANGE = "the primary changes there and back"
    PHASE = "the mirror is switched off and on"
    START = "the process starts"


@dataclass(frozen=True, slots=True)
class Point:
    """`function`: dotted name of what is called. `holding`: only a write of the log with this statement of
    proxy.mirror.tables."""

    function: str
    moment: Moment
    stir: Stir
    holding: str = ""

    def __str__(self) -> str:
        holding = f" of {self.holding}" if self.holding else ""
        return f"{self.moment} {self.function.removeprefix('proxy.')}{holding}"


STEPS: Final = ("APPEND", "END", "MOVE", "REMOVE_ENTRY", "MARK", "UNMARK", "MARK_LATER", "UNMARK_LATER")
"""What the journal's log may hold: an intent, its outcome, its second place, its end; a key's mark and its end."""
_WRITE: Final = "proxy.mirror.tail.Tail.write"

FUNCTIONS: Final[dict[Stir, tuple[str, ...]]] = {
    Stir.WRITES: (
        # JOURNAL
        "proxy.mirror.journal.Journal.append",
        "proxy.mirror.log.Log.append",
        "proxy.mirror.log.Log._put_mark",
        "proxy.mirror.tail.Tail.cut",
        "proxy.mirror.keeper.transact",
        "proxy.mirror.keeper.Keeper._commit",
        "proxy.mirror.journal.Journal.end",
        "proxy.mirror.journal.Journal.remove",
        "proxy.mirror.journal.Journal._advance",
        "proxy.mirror.writer.os.fdatasync",
        "proxy.mirror.writer.ThreadWriter._end_turn",
        "proxy.mirror.mirror.Mirror.begin",
        "proxy.mirror.mirror.Mirror.end",
        # APPLIER
        "proxy.mirror.backlog.Backlog.take",
        "proxy.mirror.applier.Applier._gather",
        "proxy.mirror.dirty.DirtyKeys.mark",
        "proxy.mirror.applier.deliver",
        "proxy.mirror.dirty.DirtyKeys.unclaim",
        "proxy.mirror.applier.Applier._finish",
        "proxy.mirror.applier.Applier._let_linger",
        "proxy.mirror.changes.SchemaChanges.apply",
        "proxy.mirror.turns.Turns.bring",
        "proxy.store.unlanded.Unlanded.begin",
        "proxy.store.unlanded.Unlanded.end",
        "proxy.mirror.changes.SchemaChanges._carry_debts",
        "proxy.store.catalog.StoredCatalog.apply",
        # SETTLE
        "proxy.mirror.settle.Settler._read",
        "proxy.mirror.settle.deliver",
        "proxy.mirror.settle.Settler._close",
        "proxy.mirror.dirty.DirtyKeys.settled",
        "proxy.mirror.dirty.DirtyKeys.mark_due",
    ),
    Stir.BACKFILL: (
        "proxy.backfill.backfill.create_collections",
        "proxy.backfill.pipeline.Pipeline._claiming",
        "proxy.backfill.backfill.save",
        "proxy.backfill.writer.Writer.write",
        "proxy.backfill.writer.Writer._settle_overtaken",
        "proxy.backfill.pipeline.Pipeline._follow",
        "proxy.tasks.tasks.Tasks._keep",
        "proxy.store.checkpoints.Checkpoints.drop",
    ),
    Stir.VERIFY: (
        "proxy.verify.verify.save",
        "proxy.verify.verify.Verify._record",
        "proxy.verify.verify.Verify._conclude",
        "proxy.store.ledger.Ledger.record",
        "proxy.store.ledger.Ledger.resolve",
        "proxy.store.debts.Debts.settle",
        "proxy.verify.repair.look_again",
    ),
    Stir.CHANGE: (
        "proxy.routing.change.Change._calm",
        "proxy.routing.hold.Hold.begin",
        "proxy.routing.change.Change._drained",
        "proxy.store.migration.Migration.commit_epoch",
        "proxy.mirror.mirror.Mirror.turn",
        "proxy.routing.router.Router.enter",
        "proxy.shadow.shadow.Shadow.turn",
        "proxy.routing.hold.Hold.release",
    ),
    Stir.PHASE: (
        "proxy.control.stages.Stages._owe",
        "proxy.store.debts.Debts.mark",
        "proxy.store.migration.Migration.enter",
        "proxy.control.stages.Stages._take_stock",
        "proxy.control.stages.Stages._take_latecomers",
    ),
    Stir.START: (
        "proxy.mirror.recovery.prepare",
        "proxy.mirror.recovery.take_over",
        "proxy.mirror.log.Log.begin",
        "proxy.mirror.journal.contents",
        "proxy.mirror.dirty.DirtyKeys.recover",
        "proxy.mirror.mirror.Mirror._recover",
        "proxy.store.state_dir.StateDir.begin",
    ),
}


def _points() -> Iterator[Point]:
    for stir, names in FUNCTIONS.items():
        for name in names:
            yield from (Point(name, moment, stir) for moment in Moment)
    for step in STEPS:
        yield from (Point(_WRITE, moment, Stir.WRITES, step) for moment in Moment)


POINTS: Final = tuple(_points())


def owner_of(function: str) -> tuple[Any, str]:
    """What has it as an attribute, and the attribute's name. Raises AttributeError or ModuleNotFoundError where it is gone."""
    path = function.split(".")
    depth = next(depth for depth in range(len(path), 0, -1) if _is_module(".".join(path[:depth])))
    owner: Any = importlib.import_module(".".join(path[:depth]))
    for name in path[depth:-1]:
        owner = getattr(owner, name)
    getattr(owner, path[-1])
    return owner, path[-1]


def _holds(steps: Sequence[Step], statement: str) -> bool:
    return any(change.sql == statement for step in steps for change in step.changes)


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


def arm(point: Point, nth: int) -> None:
    """This process ends, as `kill -9` ends it, at the nth time that the point comes."""
    owner, name = owner_of(point.function)
    original = getattr(owner, name)
    left = [nth]

    def come(given: tuple[Any, ...]) -> None:
        if not point.holding or _holds(given[1], getattr(tables, point.holding)):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    setattr(
        owner, name, (_around_coroutine if inspect.iscoroutinefunction(original) else _around)(original, point.moment, come)
    )


def _around(original: Callable[..., Any], moment: Moment, come: Come) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapped(*given: Any, **named: Any) -> Any:
        if moment is Moment.BEFORE:
            come(given)
        result = original(*given, **named)
        if moment is Moment.AFTER:
            come(given)
        return result

    return wrapped


def _around_coroutine(
    original: Callable[..., Any], moment: Moment, come: Callable[[tuple[Any, ...]], None]
) -> Callable[..., Any]:
    @functools.wraps(original)
    async def wrapped(*given: Any, **named: Any) -> Any:
        if moment is Moment.BEFORE:
            come(given)
        result = await original(*given, **named)
        if moment is Moment.AFTER:
            come(given)
        return result

    return wrapped
