"""Brings into SQLite what the log cannot hold for ever, and reads back from there.

Owns: SQLite's thread. Not: when there must be room, tries after a refusal (writer), what SQLite lacks (tail).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from proxy.errors import Broken, ProxyError, Unavailable
from proxy.mirror.tables import transact
from proxy.mirror.tail import Behind, Tail

T = TypeVar("T")


class Keeper:
    """One call after the other. The connection is its own from now on."""

    def __init__(self, db: sqlite3.Connection, tail: Tail) -> None:
        self.kept = tail.written
        """The last step that SQLite has."""
        self._db = db
        self._tail = tail
        self._behind: Behind | None = None
        self._under_way = False
        self._thread = ThreadPoolExecutor(1, "vecferry-journal-keep")

    def keep(self) -> ProxyError | None:
        """Until SQLite has all that is written when it begins. One try: Unavailable where the disk refuses, Broken where the
        file is damaged."""
        return self._thread.submit(self._keep).result()

    def keep_behind(self, refused: Callable[[], None]) -> None:
        """Without waiting, unless that is under way. `refused` is called in another thread."""
        if not self._under_way:
            self._under_way = True
            self._thread.submit(self._keep_or_tell, refused)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Sees what is written. Raises Unavailable where the disk refuses, Broken where the file is damaged."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, query)
        except sqlite3.DatabaseError as error:
            raise Broken(f"the journal cannot be read back: {error}") from error

    def close(self) -> None:
        """What the disk refuses stays in the log."""
        self.keep()
        self._thread.shutdown()
        self._db.close()

    # ---- in its thread ----

    def _keep(self) -> ProxyError | None:
        until = self._tail.passed
        while self.kept < until:
            error = self._commit()
            if error is not None:
                return error
        return None

    def _commit(self) -> ProxyError | None:
        """What is cut off is kept until SQLite has it."""
        behind = self._behind = self._behind or self._tail.cut()
        try:
            transact(self._db, self._tail.changes(behind))
        except sqlite3.OperationalError as error:
            return Unavailable(f"the journal cannot be written: {error}")
        except (sqlite3.Error, OSError, Broken) as error:
            return Broken(f"the journal is damaged: {error}")
        self.kept, self._behind = behind.step, None
        return None

    def _keep_or_tell(self, refused: Callable[[], None]) -> None:
        done = False
        try:
            done = self._keep() is None
        finally:
            self._under_way = False
            if not done:
                refused()

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if (error := self._keep()) is not None:
            raise error
        return query(self._db)
