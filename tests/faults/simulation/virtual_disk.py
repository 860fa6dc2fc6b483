"""What survives the death of a process, and the two ways to write there, in virtual time: real SQLite, slow commits, deaths.

Owns: the journal's writer and the state database as the process sees them. Not: power cuts (all that is committed is kept).
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from proxy.mirror import tables
from proxy.mirror.tables import Change
from proxy.mirror.writer import Progress
from proxy.store.seal import PLAIN
from proxy.store.store import Store

T = TypeVar("T")

HAS_ROOM: Final = 0.7
"""Share of the steps that are written at once, with all before them, where somebody waits."""


@dataclass(eq=False)
class Disk:
    """`commits_a_second`: how fast it is."""

    chance: random.Random
    commits_a_second: float
    journal: sqlite3.Connection = field(default_factory=lambda: _journal())
    state: sqlite3.Connection = field(default_factory=lambda: _empty())

    def delay(self) -> float:
        return self.chance.expovariate(self.commits_a_second)


def _empty() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _journal() -> sqlite3.Connection:
    db = _empty()
    tables.prepare(db)
    return db


class VirtualWriter:
    """mirror.writer.Writer."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._steps: deque[tuple[int, Sequence[Change]]] = deque()
        self._number = tables.fact(disk.journal, "step")
        self._progress = Progress()
        self._told: Callable[[Progress], None] | None = None
        self._dead = False
        self._busy = False
        self.written = self._number

    def watch(self, told: Callable[[Progress], None]) -> None:
        self._told = told
        self._wake()

    def submit(self, changes: Sequence[Change], *, sync: bool, light: bool = True) -> int:
        self._number += 1
        self._steps.append((self._number, changes))
        if sync and light and not self._dead and self._disk.chance.random() < HAS_ROOM:
            self._write()
        self._wake()
        return self._number

    def _wake(self) -> None:
        if self._told is not None and not self._busy and not self._dead:
            self._busy = True
            asyncio.get_running_loop().call_later(self._disk.delay(), self._commit)

    def _commit(self) -> None:
        self._busy = False
        if not self._dead:
            self._write()
            self._tell(Progress(self.written, self._progress.durable))
            asyncio.get_running_loop().call_later(self._disk.chance.expovariate(100), self._sync, self.written)

    def _write(self) -> None:
        if self._steps:
            group, self._steps = self._steps, deque()
            self.written = group[-1][0]
            reached = tables.rows(tables.RAISE_FACT, (self.written, "step"))
            tables.transact(self._disk.journal, [*(change for _, changes in group for change in changes), reached])

    def _sync(self, number: int) -> None:
        if not self._dead:
            self._tell(Progress(self._progress.written, max(number, self._progress.durable)))

    def _tell(self, progress: Progress) -> None:
        self._progress = progress
        assert self._told is not None
        self._told(progress)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        await asyncio.sleep(self._disk.delay())
        return query(self._disk.journal)

    def die(self) -> None:
        """What was not committed is lost; nobody is told of anything any more."""
        self._dead = True
        self._steps.clear()

    def close(self) -> None:
        self.die()


class VirtualStore(Store):
    """The state database: one transaction after the other, each answered a while after its commit. `committed` is told then."""

    def __init__(self, disk: Disk, committed: Callable[[sqlite3.Connection], None]) -> None:
        self.seal, self.proven = PLAIN, True
        self._db = disk.state
        self._disk = disk
        self._committed = committed
        self._works: deque[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = deque()
        self._dead = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[T] = loop.create_future()
        self._works.append((work, answered))
        loop.call_later(self._disk.delay(), self._commit)
        return await answered

    def _commit(self) -> None:
        if self._dead:
            return
        work, answered = self._works.popleft()
        result = self._transact(work)
        self._committed(self._db)
        asyncio.get_running_loop().call_later(self._disk.delay(), _answer, answered, result)

    def die(self) -> None:
        self._dead = True

    def close(self) -> None:
        self.die()


def _answer(answered: asyncio.Future[Any], result: Any) -> None:
    if not answered.done():
        answered.set_result(result)
