"""The journal's writer in virtual time: real SQLite, commits and syncs that take as long as chance says, and deaths."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from proxy.mirror import tables
from proxy.mirror.tables import Change
from proxy.mirror.writer import Progress

T = TypeVar("T")


def disk() -> sqlite3.Connection:
    """What survives the death of a process."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(tables.TABLES)
    db.execute("insert into facts values ('version', 1), ('position', 0), ('parked', 0)")
    return db


class VirtualWriter:
    """mirror.writer.Writer."""

    def __init__(self, db: sqlite3.Connection, chance: random.Random, commits_a_second: float) -> None:
        self._db = db
        self._chance = chance
        self._rate = commits_a_second
        self._steps: deque[tuple[int, Sequence[Change]]] = deque()
        self._number = 0
        self._progress = Progress()
        self._told: Callable[[Progress], None] | None = None
        self._dead = False
        self._busy = False

    def watch(self, told: Callable[[Progress], None]) -> None:
        self._told = told
        self._wake()

    def submit(self, changes: Sequence[Change], *, sync: bool) -> int:
        self._number += 1
        self._steps.append((self._number, changes))
        self._wake()
        return self._number

    def _wake(self) -> None:
        if self._told is not None and not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_later(self._chance.expovariate(self._rate), self._commit)

    def _commit(self) -> None:
        self._busy = False
        if self._dead or not self._steps:
            return
        group, self._steps = self._steps, deque()
        tables.transact(self._db, [change for _, changes in group for change in changes])
        self._tell(Progress(group[-1][0], self._progress.durable))
        asyncio.get_running_loop().call_later(self._chance.expovariate(100), self._sync, group[-1][0])

    def _sync(self, number: int) -> None:
        if not self._dead:
            self._tell(Progress(self._progress.written, max(number, self._progress.durable)))

    def _tell(self, progress: Progress) -> None:
        self._progress = progress
        assert self._told is not None
        self._told(progress)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        await asyncio.sleep(self._chance.expovariate(200))
        return query(self._db)

    def die(self) -> None:
        """What was not committed is lost; nobody is told of anything any more."""
        self._dead = True
        self._steps.clear()

    def close(self) -> None:
        self.die()
