"""Which collections verify must look at before anybody may trust their secondary, and which it has found equal.

Owns: the debts with their reasons, the marks of clean passes. Not: the single divergences (ledger.py).
A debt holds at once and is durable when the call returns; a mark of equality holds only when it is durable.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from proxy.ports import Clock
from proxy.store.store import Store

_TABLES: Final = """
create table if not exists debts (number integer primary key autoincrement, collection text unique, why text, since real);
create table if not exists verified (collection text primary key, at real, epoch integer, points integer);
"""


@dataclass(frozen=True, slots=True)
class Debt:
    """`number` grows with every mark, so that a pass knows of a debt that arose while it ran."""

    number: int
    collection: str
    why: str
    since: float


@dataclass(frozen=True, slots=True)
class Verified:
    """A pass over the whole collection that found both sides equal; `at` in seconds since the epoch."""

    collection: str
    at: float
    epoch: int
    points: int


class Debts:
    """A collection is verified when a pass found it equal and no debt has arisen since."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        store.declare(_TABLES)
        debts, verified = store.start(_load)
        self._debts = {debt.collection: debt for debt in debts}
        self._verified = {mark.collection: mark for mark in verified}
        self._last = store.start(_last_number)

    def all(self) -> dict[str, str]:
        """Collection -> why it is unverified, the latest reason."""
        return {name: debt.why for name, debt in self._debts.items()}

    def verified(self, collection: str) -> Verified | None:
        return self._verified.get(collection)

    def number(self) -> int:
        """Of the last mark given to any collection; note it before a pass and hand it to `settle`."""
        return self._last

    async def mark(self, collection: str, why: str) -> None:
        """`collection` is unverified from now on."""
        self._last += 1
        debt = Debt(self._last, collection, why, self._clock.now())
        self._debts[collection] = debt
        self._verified.pop(collection, None)
        await self._store.run(lambda db: _write_debt(db, debt))

    async def clear(self, collection: str) -> None:
        """Forgets the collection altogether: it was dropped or left out of the migration."""
        self._debts.pop(collection, None)
        self._verified.pop(collection, None)
        await self._store.run(lambda db: _forget(db, collection))

    async def settle(self, collection: str, *, since: int, epoch: int, points: int) -> bool:
        """A whole pass that began at mark number `since` found both sides equal. False: a debt arose meanwhile and stands."""
        mark = Verified(collection, self._clock.now(), epoch, points)
        written = await self._store.run(lambda db: _write_verified(db, mark, since))
        debt = self._debts.get(collection)
        if not written or (debt is not None and debt.number > since):
            return False
        self._debts.pop(collection, None)
        self._verified[collection] = mark
        return True


def _load(db: sqlite3.Connection) -> tuple[list[Debt], list[Verified]]:
    debts = [Debt(*row) for row in db.execute("select number, collection, why, since from debts")]
    return debts, [Verified(*row) for row in db.execute("select collection, at, epoch, points from verified")]


def _last_number(db: sqlite3.Connection) -> int:
    row = db.execute("select seq from sqlite_sequence where name = 'debts'").fetchone()
    return int(row[0]) if row else 0


def _write_debt(db: sqlite3.Connection, debt: Debt) -> None:
    db.execute("delete from verified where collection = ?", (debt.collection,))
    db.execute("delete from debts where collection = ?", (debt.collection,))
    db.execute(
        "insert into debts (number, collection, why, since) values (?, ?, ?, ?)",
        (debt.number, debt.collection, debt.why, debt.since),
    )


def _forget(db: sqlite3.Connection, collection: str) -> None:
    db.execute("delete from debts where collection = ?", (collection,))
    db.execute("delete from verified where collection = ?", (collection,))


def _write_verified(db: sqlite3.Connection, mark: Verified, since: int) -> bool:
    if db.execute("select 1 from debts where collection = ? and number > ?", (mark.collection, since)).fetchone():
        return False
    db.execute("delete from debts where collection = ?", (mark.collection,))
    db.execute(
        "insert or replace into verified (collection, at, epoch, points) values (?, ?, ?, ?)",
        (mark.collection, mark.at, mark.epoch, mark.points),
    )
    return True
