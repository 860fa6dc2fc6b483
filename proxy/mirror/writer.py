"""Commits the journal's changes in groups, and makes them durable.

Owns: the threads, group commit, fsync, checkpoints. Not: what the changes say (journal), their SQL (tables).

Two marks follow each other. *Written*: committed to the page cache, so it survives the death of this process. An intent may
do so before it is committed (intake).
*Durable*: fsynced, so it survives a power cut. One thread commits all that waits in one transaction, without an fsync; a second
one syncs the write-ahead log while the first goes on. A log that has grown is checkpointed from the reading connection, which
does not stop the writer; only the short rest, and the log's truncation, is done between two commits.
Bound: what is submitted is bounded by whoever submits (Journal.has_room).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import operator
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol, TypeVar

from proxy.config import Fsync, JournalConfig
from proxy.errors import Broken, ProxyError, Unavailable
from proxy.mirror.damage import Watermark
from proxy.mirror.intake import Intake, IntentRow
from proxy.mirror.tables import APPEND, RAISE_FACT, Change, Row, connect, create, fact, rows, transact

T = TypeVar("T")

LOG_LIMIT: Final = 32 * 2**20
"""Bytes of write-ahead log above which it is checkpointed."""
RETRY_PAUSE: Final = 0.2
"""Seconds between tries while the disk refuses."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Numbers of submissions. `error`: why nothing goes on just now (Unavailable) or at all (Broken)."""

    written: int = 0
    durable: int = 0
    error: ProxyError | None = None


class Writer(Protocol):
    """Where the journal's changes go; tests have one that works in virtual time."""

    def watch(self, told: Callable[[Progress], None]) -> None:
        """`told` is called in the loop after each step."""

    def submit(self, changes: Sequence[Change], *, sync: bool) -> int:
        """One atomic step; its number. `sync`: somebody waits until it is durable."""

    def append(self, row: IntentRow) -> tuple[int, bool]:
        """The step that writes it, somebody waits until it is durable; and whether it survives this process's death already."""

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Sees what is written. Raises Broken where the file is damaged."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Step:
    number: int
    changes: Sequence[Change]
    sync: bool


class _Order(Enum):
    STOP = auto()
    TRUNCATE = auto()


class ThreadWriter:
    """Raises Broken where the file is damaged. `watch` binds it to the running loop."""

    def __init__(self, path: Path, config: JournalConfig, *, after_power_loss: bool = False) -> None:
        self._config = config
        self._watermark = Watermark(path)
        self._intake = Intake(path)
        try:
            self._db = create(path, config.fsync, self._watermark, self._intake, after_power_loss=after_power_loss)
        except ProxyError:
            self._watermark.close()
            self._intake.close()
            raise
        self._reads = connect(path, config.fsync)
        self._log = os.open(f"{path}-wal", os.O_RDWR)
        _sync_directory(path.parent)
        self._steps: queue.SimpleQueue[_Step | _Order] = queue.SimpleQueue()
        self._unsynced: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._number = fact(self._db, "step")
        self._watermark.reach(self._number)
        self._progress = Progress()
        self._posting = threading.Lock()
        self._posted = False
        self._checkpointing = False
        self._reader = ThreadPoolExecutor(1, "vecferry-journal-read")
        self._threads = [
            threading.Thread(target=self._write, name="vecferry-journal-write", daemon=True),
            threading.Thread(target=self._sync, name="vecferry-journal-sync", daemon=True),
        ]

    @property
    def connection(self) -> sqlite3.Connection:
        """For reading back before `watch` starts the threads."""
        return self._db

    # ---- the loop's side ----

    def watch(self, told: Callable[[Progress], None]) -> None:
        self._told = told
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def submit(self, changes: Sequence[Change], *, sync: bool) -> int:
        self._number += 1
        self._steps.put(_Step(self._number, changes, sync))
        return self._number

    def append(self, row: IntentRow) -> tuple[int, bool]:
        # Before the writer's thread wakes and takes the interpreter.
        kept = self._intake.append(self._number + 1, row, self._progress.written)
        return self.submit([rows(APPEND, row)], sync=True), kept

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, query, self._reads)
        except sqlite3.DatabaseError as error:
            raise Broken(f"the journal cannot be read back: {error}") from error

    def close(self) -> None:
        """Commits what is submitted, unless the disk refuses."""
        self._stopping.set()
        self._steps.put(_Order.STOP)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._reader.shutdown()
        self._reads.close()
        # The log's own descriptor goes last: until then nothing else in this process may open and close the file.
        self._db.close()
        os.close(self._log)
        self._watermark.close()
        self._intake.close()

    def _tell(self) -> None:
        with self._posting:
            self._posted = False
            progress = self._progress
        self._told(progress)

    # ---- the threads' side ----

    def _post(self, advance: Callable[[Progress], Progress]) -> None:
        """One call into the loop for all the steps since the last. What is broken stays broken."""
        with self._posting:
            ahead = advance(self._progress)
            broken = isinstance(self._progress.error, Broken)
            self._progress = replace(ahead, error=self._progress.error) if broken else ahead
            if self._posted or self._loop.is_closed():
                return
            self._posted = True
        self._loop.call_soon_threadsafe(self._tell)

    def _write(self) -> None:
        try:
            while self._turn(_drained(self._steps)):
                pass
        finally:
            self._unsynced.put(None)
            if not self._stopping.is_set():
                self._post(functools.partial(replace, error=Broken("the journal's writer has ended")))

    def _turn(self, waiting: Sequence[_Step | _Order]) -> bool:
        """False: it was the last."""
        group = [step for step in waiting if isinstance(step, _Step)]
        if group and not self._commit(group):
            return False
        self._checkpoint_if_due(finish=_Order.TRUNCATE in waiting)
        return _Order.STOP not in waiting

    def _commit(self, group: Sequence[_Step]) -> bool:
        """Tries until the disk takes it. False: stopped, or the file is damaged."""
        number = group[-1].number
        changes = [*_joined(group), rows(RAISE_FACT, (number, "step"))]
        while (error := self._try(changes)) is not None:
            self._post(functools.partial(replace, error=error))
            if isinstance(error, Broken) or self._stopping.wait(RETRY_PAUSE):
                return False
        self._watermark.reach(number)
        if self._config.fsync is Fsync.EVERY_WRITE:
            self._post(functools.partial(replace, written=number, error=None))
        else:
            self._post(functools.partial(replace, written=number, durable=number, error=None))
        if self._config.fsync is not Fsync.OFF and any(step.sync for step in group):
            self._unsynced.put(number)
        return True

    def _try(self, changes: Sequence[Change]) -> ProxyError | None:
        try:
            transact(self._db, changes)
        except sqlite3.OperationalError as error:
            return Unavailable(f"the journal cannot be written: {error}")
        except sqlite3.DatabaseError as error:
            return Broken(f"the journal is damaged: {error}")
        return None

    def _sync(self) -> None:
        while (number := _drained(self._unsynced)[-1]) is not None:
            try:
                os.fdatasync(self._log)
            except OSError as error:
                # After a failed fsync the kernel may have dropped the pages: what is durable is not known any more.
                self._post(functools.partial(replace, error=Broken(f"the disk failed to sync the journal: {error.strerror}")))
                return
            if self._config.fsync is Fsync.EVERY_WRITE:
                self._post(functools.partial(replace, durable=number))
            else:
                self._stopping.wait(self._config.fsync_interval)

    def _checkpoint_if_due(self, *, finish: bool) -> None:
        if finish:
            # A full disk leaves the log as it is: it stays valid, and the next commit comes back here.
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("pragma wal_checkpoint(truncate)")
            self._checkpointing = False
        if not self._checkpointing and os.fstat(self._log).st_size > LOG_LIMIT:
            self._checkpointing = True
            self._reader.submit(self._checkpoint)

    def _checkpoint(self) -> None:
        """In the reader's thread: most of the log while the writer goes on."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._reads.execute("pragma wal_checkpoint(passive)")
        self._steps.put(_Order.TRUNCATE)


def _drained(waiting: queue.SimpleQueue[T]) -> list[T]:
    """All that waits, at least one."""
    drained = [waiting.get()]
    while not waiting.empty():
        drained.append(waiting.get())
    return drained


def _joined(group: Sequence[_Step]) -> list[Change]:
    """Neighbours of the same statement as one: SQLite prepares it once, and one call carries all rows."""
    changes = (change for step in group for change in step.changes)
    return [
        Change(sql, functools.partial(_all_rows, tuple(same)))
        for sql, same in itertools.groupby(changes, operator.attrgetter("sql"))
    ]


def _all_rows(changes: Sequence[Change]) -> Iterator[Row]:
    return itertools.chain.from_iterable(change.rows() for change in changes)


def _sync_directory(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
