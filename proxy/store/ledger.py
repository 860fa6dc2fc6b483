"""The divergences that verify found and nobody has mended yet.

Owns: one row a key, sealed. Not: which collections are verified (debts.py). No payload value is ever kept here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.model.point import Key
from proxy.ports import Clock
from proxy.store.keys import dump_key, load_key
from proxy.store.store import Store

_TABLE: Final = """
create table if not exists divergences (
  collection text, key blob, reason text, detail blob, first_seen real, last_seen real, primary key (collection, key));
"""


@dataclass(frozen=True, slots=True)
class Divergence:
    """`reason`: missing, stale, extra, payload or vector. `detail` never holds a payload's value. Times since the epoch."""

    key: Key
    reason: str
    detail: str = ""
    first_seen: float = 0.0
    last_seen: float = 0.0


class Ledger:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        store.declare(_TABLE)
        self._counts = dict(store.start(_counts))

    def counts(self) -> dict[str, int]:
        """Collection -> open divergences; those without any are left out."""
        return dict(self._counts)

    def count(self, collection: str) -> int:
        return self._counts.get(collection, 0)

    async def record(self, divergences: Sequence[Divergence]) -> None:
        """A key seen before keeps its `first_seen`. The times given are replaced by now."""
        if divergences:
            now = self._clock.now()
            await self._change(lambda db: db.executemany(_RECORD, [(*self._row(found), now, now) for found in divergences]))

    async def resolve(self, keys: Collection[Key]) -> None:
        if keys:
            await self._change(lambda db: db.executemany(_RESOLVE, [(key.collection, self._sealed(key)) for key in keys]))

    async def forget(self, collection: str) -> None:
        """The collection was dropped, or left out of the migration."""
        await self._change(lambda db: db.execute("delete from divergences where collection = ?", (collection,)))

    async def page(self, collection: str, limit: int, after: Key | None = None) -> tuple[Divergence, ...]:
        """In the order of the keys as they are stored, behind `after`."""
        floor = self._sealed(after) if after else b""
        rows = await self._store.run(lambda db: _page(db, collection, floor, limit))
        return tuple(self._found(collection, *row) for row in rows)

    async def clear(self) -> None:
        """Forgets all."""
        await self._change(lambda db: db.execute("delete from divergences"))

    async def _change(self, work: Callable[[sqlite3.Connection], object]) -> None:
        def counted(db: sqlite3.Connection) -> list[tuple[str, int]]:
            work(db)
            return _counts(db)

        self._counts = dict(await self._store.run(counted))

    def _sealed(self, key: Key) -> bytes:
        return self._store.seal.close_name(_place(key.collection), dump_key(key).encode())

    def _row(self, found: Divergence) -> tuple[str, bytes, str, bytes]:
        key = self._sealed(found.key)
        detail = self._store.seal.close(_place(found.key.collection) + key, found.detail.encode())
        return found.key.collection, key, found.reason, detail

    def _found(self, collection: str, key: bytes, reason: str, detail: bytes, first: float, last: float) -> Divergence:
        seal, place = self._store.seal, _place(collection)
        text = seal.open(place + key, detail).decode()
        return Divergence(load_key(collection, seal.open_name(place, key).decode()), reason, text, first, last)


_RECORD: Final = """
insert into divergences (collection, key, reason, detail, first_seen, last_seen) values (?, ?, ?, ?, ?, ?)
on conflict do update set reason = excluded.reason, detail = excluded.detail, last_seen = excluded.last_seen
"""
_RESOLVE: Final = "delete from divergences where collection = ? and key = ?"


def _place(collection: str) -> bytes:
    return b"divergences/" + collection.encode() + b"/"


def _counts(db: sqlite3.Connection) -> list[tuple[str, int]]:
    return db.execute("select collection, count(*) from divergences group by collection").fetchall()


def _page(db: sqlite3.Connection, collection: str, floor: bytes, limit: int) -> list[tuple[bytes, str, bytes, float, float]]:
    return db.execute(
        "select key, reason, detail, first_seen, last_seen from divergences "
        "where collection = ? and key > ? order by key limit ?",
        (collection, floor, limit),
    ).fetchall()
