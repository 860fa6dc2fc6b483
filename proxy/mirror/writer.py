"""Writes the journal's steps and makes them durable.

Owns: two threads, fsync, retries. Not: what the steps say (journal), where they lie (tail, log), SQLite (keeper, tables).

Two marks follow each other. *Written*: in the log, in the page cache, so it survives the death of this process. *Durable*:
synced, so it survives a power cut. What is light the loop writes itself, what somebody waits for at once, the rest at the end
of its turn; what is not, a thread, and whatever comes before that one is ready. A second thread syncs the log. What
the log must soon have room for goes into SQLite (keeper), in a third.
Bound: what is submitted is bounded by whoever submits (Journal.has_room).
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from proxy.config import Fsync, JournalConfig
from proxy.errors import Broken, ProxyError, Unavailable
from proxy.mirror.keeper import Keeper
from proxy.mirror.log import Log
from proxy.mirror.recovery import open_tables
from proxy.mirror.steps import Step
from proxy.mirror.tables import Change, fact
from proxy.mirror.tail import Tail

T = TypeVar("T")

RETRY_PAUSE: Final = 0.2
"""Seconds between tries while the disk refuses."""
HELD_ROWS: Final = 20_000
"""Rows in memory that SQLite lacks, above which it gets them."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Numbers of submissions. `error`: why nothing goes on just now (Unavailable) or at all (Broken)."""

    written: int = 0
    durable: int = 0
    error: ProxyError | None = None


class Writer(Protocol):
    """Where the journal's changes go; tests have one that works in virtual time."""

    @property
    def written(self) -> int:
        """The last step that survives this process's death; `watch` is told later."""

    def watch(self, told: Callable[[Progress], None]) -> None:
        """`told` is called in the loop after each step."""

    def submit(self, changes: Sequence[Change], *, sync: bool, light: bool = True) -> int:
        """One atomic step; its number. `sync`: somebody waits until it is durable. `light`: the loop may write it."""

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Sees what is written. Raises Broken where the file is damaged."""

    def close(self) -> None: ...


class _Order(Enum):
    STOP = auto()
    KEEP = auto()
    """Bring into SQLite what it lacks: it was tried and the disk refused."""


class ThreadWriter:
    """Raises Broken where the file is damaged. `watch` binds it to the running loop."""

    def __init__(self, path: Path, config: JournalConfig, *, after_power_loss: bool = False) -> None:
        self._config = config
        self._log = Log(path, config.log_bytes)
        try:
            self._db = open_tables(path, config.fsync, self._log, after_power_loss=after_power_loss)
        except ProxyError:
            self._log.close()
            raise
        _sync_directory(path.parent)
        self._number = self._handed = fact(self._db, "step")
        """The last step submitted, and given to the thread."""
        self._tail = Tail(self._log, self._number)
        self._keeper = Keeper(self._db, self._tail)
        self._waiting: list[Step] = []
        self._steps: queue.SimpleQueue[list[Step] | _Order] = queue.SimpleQueue()
        self._unsynced: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._progress = Progress()
        self._posting = threading.Lock()
        self._posted = False
        self._turn_ends = False
        self._to_sync = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._write, name="vecferry-journal-write", daemon=True),
            threading.Thread(target=self._sync, name="vecferry-journal-sync", daemon=True),
        ]

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading back before `watch` starts the threads."""
        return self._db

    # ---- the loop's side ----

    @property
    def written(self) -> int:
        return self._tail.written

    def watch(self, told: Callable[[Progress], None]) -> None:
        self._told = told
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        self._at_end_of_turn()

    def submit(self, changes: Sequence[Change], *, sync: bool, light: bool = True) -> int:
        self._number += 1
        self._waiting.append(Step(self._number, changes, sync))
        if sync or not light:
            self._pass_on(light=light)
        else:
            self._at_end_of_turn()
        return self._number

    def _pass_on(self, *, light: bool) -> None:
        """What waits, into the log where nothing before it is with the thread, or else to the thread."""
        steps, self._waiting = self._waiting, []
        wrote = False
        try:
            wrote = light and self._tail.written >= self._handed and self._wrote(steps)
        finally:  # what cannot be written by the thread either ends the journal, with what waited beside it
            if not wrote:
                self._handed = steps[-1].number
                self._steps.put(steps)

    def _wrote(self, steps: Sequence[Step]) -> bool:
        """False: the thread is to go on, which waits for room, or tries again and tells."""
        try:
            self._tail.write(steps, self._keeper.kept)
        except OSError:
            return False
        if any(step.sync for step in steps):
            self._to_sync = self._tail.written
        self._at_end_of_turn()
        return self._tail.written == steps[-1].number

    def _at_end_of_turn(self) -> None:
        if not self._turn_ends and self._loop is not None:
            self._turn_ends = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        """The last bytes of whoever waited for the log have left before a thread wakes."""
        if self._stopping.is_set():
            return
        if self._waiting:
            self._pass_on(light=True)
        self._turn_ends = False
        if self._to_sync:
            self._unsynced.put(self._to_sync)
            self._to_sync = 0
        self._make_room()
        self._advance(**self._reached(self._tail.written))
        self._tell()

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        while True:
            try:
                return await self._keeper.read(query)
            except Unavailable:
                await asyncio.sleep(RETRY_PAUSE)

    def close(self) -> None:
        """Writes what is submitted, unless the disk refuses; what is in the log the next start finds."""
        if self._waiting:
            self._pass_on(light=True)
        self._stopping.set()
        self._steps.put(_Order.STOP)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._keeper.close()
        self._log.close()

    # ---- progress, from any thread ----

    def _advance(self, **ahead: Any) -> None:
        """Numbers only grow, and what is broken stays broken."""
        with self._posting:
            before = self._progress
            if isinstance(before.error, Broken):
                ahead.pop("error", None)
            numbers = {name: max(getattr(before, name), ahead[name]) for name in ("written", "durable") if name in ahead}
            self._progress = replace(before, **ahead | numbers)

    def _tell(self) -> None:
        with self._posting:
            self._posted = False
            progress = self._progress
        self._told(progress)

    def _post(self, **ahead: Any) -> None:
        """From a thread: one call into the loop for all the steps since the last."""
        self._advance(**ahead)
        assert self._loop is not None
        with self._posting:
            if self._posted or self._loop.is_closed():
                return
            self._posted = True
        self._loop.call_soon_threadsafe(self._tell)

    # ---- the threads' side ----

    def _write(self) -> None:
        try:
            while self._turn(_drained(self._steps)):
                pass
        finally:
            self._unsynced.put(None)
            if not self._stopping.is_set():
                self._post(error=Broken("the journal's writer has ended"))

    def _turn(self, orders: Sequence[list[Step] | _Order]) -> bool:
        """False: it was the last."""
        steps = [step for order in orders if isinstance(order, list) for step in order]
        if _Order.KEEP in orders and not self._until_taken(self._keeper.keep):
            return False
        if steps:
            if not self._until_taken(lambda: self._try(steps)):
                return False
            self._post(**self._reached(steps[-1].number))
            if any(step.sync for step in steps):
                self._unsynced.put(steps[-1].number)
        self._make_room()
        return _Order.STOP not in orders

    def _reached(self, number: int) -> dict[str, int]:
        """How far it is written; and durable, where nobody waits for the disk."""
        return {"written": number} if self._config.fsync is Fsync.EVERY_WRITE else {"written": number, "durable": number}

    def _until_taken(self, attempt: Callable[[], ProxyError | None]) -> bool:
        """Tries until the disk takes it. False: stopped, or the file is damaged."""
        failed = False
        while (error := attempt()) is not None:
            failed = True
            self._post(error=error)
            if isinstance(error, Broken) or self._stopping.wait(RETRY_PAUSE):
                return False
        if failed:
            self._post(error=None)
        return True

    def _try(self, steps: Sequence[Step]) -> ProxyError | None:
        while (before := self._tail.written) < steps[-1].number:
            try:
                self._tail.write(steps, self._keeper.kept)
            except OSError as error:
                return Unavailable(f"the journal cannot be written: {error.strerror}")
            if self._tail.written == before and (refused := self._make_way(steps)) is not None:
                return refused
        return None

    def _make_way(self, steps: Sequence[Step]) -> ProxyError | None:
        """The log has no room for the next: SQLite takes what the log holds, or where that is nothing, the step itself."""
        step = next(step for step in steps if step.number > self._tail.written)
        if self._keeper.kept >= self._tail.written and self._tail.passed < step.number:
            self._tail.pass_by(step)
        if (refused := self._keeper.keep()) is not None:
            return refused
        if self._keeper.kept < step.number:
            return None
        try:
            self._tail.reach(step.number)
        except OSError as error:
            return Unavailable(f"the journal cannot be written: {error.strerror}")
        self._post(durable=step.number)
        return None

    def _make_room(self) -> None:
        if self._log.needs_room(self._keeper.kept) or self._tail.holds > HELD_ROWS:
            self._keeper.keep_behind(lambda: self._steps.put(_Order.KEEP))

    def _sync(self) -> None:
        while None not in (numbers := _drained(self._unsynced)):
            if self._config.fsync is Fsync.OFF:
                continue
            try:
                os.fdatasync(self._log.file)
            except OSError as error:
                # After a failed fsync the kernel may have dropped the pages: what is durable is not known any more.
                self._post(error=Broken(f"the disk failed to sync the journal: {error.strerror}"))
                return
            if self._config.fsync is Fsync.EVERY_WRITE:
                # The loop's may come behind a later one of the thread.
                self._post(durable=max(number for number in numbers if number is not None))
            else:
                self._stopping.wait(self._config.fsync_interval)


def _drained(waiting: queue.SimpleQueue[T]) -> list[T]:
    """All that waits, at least one."""
    drained = [waiting.get()]
    while not waiting.empty():
        drained.append(waiting.get())
    return drained


def _sync_directory(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
