"""The state database: one SQLite file, one thread, one transaction a call.

Owns: opening, threads, transactions, the seal. Not: any table (each noun declares its own, and says what of it is sealed), the
journal (its own file).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from proxy.errors import Broken, Unavailable
from proxy.store.seal import PLAIN, Seal

T = TypeVar("T")


class Store:
    """`await store.run(work)` calls `work(connection)` in the store's thread, inside one durable transaction.

    `work` returns no cursor: one that ends in another thread resets a statement that the store's thread may be using.
    Raises Unavailable when the disk refuses (full, read-only), Broken when the file is damaged.
    """

    def __init__(self, path: Path, seal: Seal = PLAIN) -> None:
        self.seal = seal
        self._thread = ThreadPoolExecutor(1, "vecferry-store")
        with _explained():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
            self._db.execute("create table if not exists seal (proof blob not null)")
            row = self._db.execute("select proof from seal").fetchone()
        self.proven = seal.proven(row[0] if row else None)
        """What is sealed in it opens. Otherwise its nouns are to be cleared, and then `prove` makes it so."""

    def declare(self, ddl: str) -> None:
        """Creates a noun's tables; only while starting, before the loop serves."""
        with _explained():
            self._db.executescript(ddl)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def prove(self) -> None:
        """From now on it is sealed with this key. Free pages still hold what was cleared, so the file is made anew."""
        await self.run(lambda db: _keep_proof(db, self.seal.proof()))
        await asyncio.get_running_loop().run_in_executor(self._thread, self._made_anew)
        self.proven = True

    def _made_anew(self) -> None:
        with _explained():
            self._db.execute("vacuum")
            self._db.execute("pragma wal_checkpoint(truncate)")

    def start(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same without a loop; only while starting."""
        return self._transact(work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _explained():
            self._db.execute("begin immediate")
            try:
                result = work(self._db)
                if isinstance(result, sqlite3.Cursor):
                    raise TypeError("a cursor must not leave the store's thread")
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")
        return result

    def close(self) -> None:
        self._thread.shutdown()
        self._db.close()


def _keep_proof(db: sqlite3.Connection, proof: bytes | None) -> None:
    db.execute("delete from seal")
    if proof is not None:
        db.execute("insert into seal (proof) values (?)", (proof,))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise Unavailable(f"the state database cannot be written: {error}") from error
    except sqlite3.DatabaseError as error:
        raise Broken(
            f"the state database is damaged ({error}); restore state.db from a backup, or start with an empty state directory "
            "and verify again"
        ) from error
