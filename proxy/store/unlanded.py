"""Names at the secondary that a change of schema was sent for, and of which nobody knows yet that nothing more of it can land.

Owns: the names, collections' and aliases' alike. Not: how long something can linger, and what waits for it (mirror.turns).
What a death leaves here is what the last process had on its way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from proxy.store.store import Store

_TABLE: Final = "create table if not exists unlanded (name text primary key)"
_ADD: Final = "insert or ignore into unlanded (name) values (?)"
_REMOVE: Final = "delete from unlanded where name = ?"


class Unlanded:
    """Bound: a name for each collection and alias that is being changed now, or was given up within the linger."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.declare(_TABLE)
        self._names = store.start(_load)

    def all(self) -> frozenset[str]:
        return frozenset(self._names)

    async def begin(self, names: Iterable[str]) -> None:
        """Before anything is sent. Durable when it returns."""
        added = tuple(set(names) - self._names)
        if added:
            await self._store.run(lambda db: _write(db, _ADD, added))
            self._names.update(added)  # only now: where the disk refuses, the next try has it to write still

    async def end(self, names: Iterable[str]) -> None:
        """What was sent has been answered, or can land no more."""
        gone = tuple(self._names.intersection(names))
        await self._store.run(lambda db: _write(db, _REMOVE, gone))
        self._names.difference_update(gone)


def _write(db: sqlite3.Connection, sql: str, names: Iterable[str]) -> None:
    db.executemany(sql, [(name,) for name in names])


def _load(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("select name from unlanded")}
