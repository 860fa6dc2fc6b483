"""Where the migration stands: phase, epoch, primary, and who changed what when and why.

Owns: the record, durable before a call returns. Not: which step is allowed (routing.phase) or whether its gates hold.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Final

from proxy.errors import Broken
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.ports import Clock
from proxy.store.store import Store

_TABLE: Final = """
create table if not exists migration (
  number integer primary key autoincrement, at real, phase text, epoch integer, leader text, who text, why text, forced text);
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who asked and why; `forced` names the gates that were red and overruled."""

    who: str
    why: str = ""
    forced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One row of the history; the last one is where the migration stands. `at` in seconds since the epoch."""

    at: float
    phase: Phase
    epoch: int
    primary: Place
    decision: Decision


class Migration:
    """`first`: the phase of a migration that starts here; one that has begun stays where it was."""

    def __init__(self, store: Store, clock: Clock, first: Phase) -> None:
        self._store = store
        self._clock = clock
        store.declare(_TABLE)
        self._stage = store.start(_last) or self._begin(first)

    @property
    def phase(self) -> Phase:
        return self._stage.phase

    @property
    def epoch(self) -> int:
        return self._stage.epoch

    @property
    def primary(self) -> Place:
        return self._stage.primary

    async def enter(self, phase: Phase, decision: Decision) -> None:
        """Another phase of the same primary and epoch."""
        await self._write(Stage(self._clock.now(), phase, self.epoch, self.primary, decision))

    async def commit_epoch(self, epoch: int, primary: Place, phase: Phase, decision: Decision) -> None:
        """The point of no return of a change of primary. Raises Broken unless epoch and primary follow from the last."""
        if epoch != self.epoch + 1 or primary is self.primary:
            raise Broken(f"epoch {epoch} with primary {primary} cannot follow epoch {self.epoch} with primary {self.primary}")
        await self._write(Stage(self._clock.now(), phase, epoch, primary, decision))

    async def history(self, limit: int = 1000) -> tuple[Stage, ...]:
        """The newest first."""
        return await self._store.run(lambda db: _history(db, limit))

    async def _write(self, stage: Stage) -> None:
        await self._store.run(lambda db: _insert(db, stage))
        self._stage = stage

    def _begin(self, phase: Phase) -> Stage:
        stage = Stage(self._clock.now(), phase, 1, Place.SOURCE, Decision("config", "start of the migration"))
        self._store.start(lambda db: _insert(db, stage))
        return stage


def _insert(db: sqlite3.Connection, stage: Stage) -> None:
    decision = stage.decision
    db.execute(
        "insert into migration (at, phase, epoch, leader, who, why, forced) values (?, ?, ?, ?, ?, ?, ?)",
        (stage.at, stage.phase, stage.epoch, stage.primary, decision.who, decision.why, json.dumps(decision.forced)),
    )


def _last(db: sqlite3.Connection) -> Stage | None:
    return next(iter(_history(db, 1)), None)


def _history(db: sqlite3.Connection, limit: int) -> tuple[Stage, ...]:
    rows = db.execute("select at, phase, epoch, leader, who, why, forced from migration order by number desc limit ?", (limit,))
    return tuple(
        Stage(at, Phase(phase), epoch, Place(leader), Decision(who, why, tuple(json.loads(forced))))
        for at, phase, epoch, leader, who, why, forced in rows
    )
