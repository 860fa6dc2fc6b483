"""What the shadow found: the last samples, one row each, and the running figures of each collection.

Owns: rows and documents of one epoch at a time, the bound on the rows. Not: what the figures mean (proxy/shadow/figures.py).
Rows hold ids and values of both answers and the text of filters, never a payload's value; so those parts are sealed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.store.store import Store

_TABLES: Final = """
create table if not exists samples (
  number integer primary key, epoch integer, collection text, at real, operation text, digest blob,
  recall real, overlap real, drift real, primary_seconds real, secondary_seconds real, detail blob);
create index if not exists samples_by_recall on samples (epoch, collection, recall);
create table if not exists shadow_figures (epoch integer, collection text, document blob, primary key (epoch, collection));
"""


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One sample that was repeated on the secondary.

    `recall`: of a search its recall, of another read 1 when both answers were equal and 0 when not, None when the secondary
    failed; then `secondary_seconds` is None too. `digest` tells repetitions of one request. `at`: by Clock.now.
    `detail`: JSON values.
    """

    collection: str
    at: float
    operation: str
    digest: str
    recall: float | None
    overlap: float | None
    drift: float | None
    primary_seconds: float
    secondary_seconds: float | None
    detail: Mapping[str, Any]


_COLUMNS: Final = "collection, at, operation, digest, recall, overlap, drift, primary_seconds, secondary_seconds, detail"
_ADD: Final = f"insert into samples (epoch, {_COLUMNS}) values ({', '.join('?' * 11)})"
_WORST: Final = f"""
select {_COLUMNS} from samples where epoch = ? and collection = ? and recall < 1 order by recall, overlap, number desc limit ?
"""
_LATEST: Final = (
    "select primary_seconds, secondary_seconds from samples where epoch = ? and collection = ? order by number desc limit ?"
)


class Samples:
    """The last `keep` rows over all collections."""

    def __init__(self, store: Store, keep: int) -> None:
        self._store = store
        self._keep = keep
        store.declare(_TABLES)

    def figures(self, epoch: int) -> dict[str, str]:
        """Collection -> its document as last added. Only while starting."""
        rows = self._store.start(lambda db: _figures(db, epoch))
        return {name: self._store.seal.open(_place(name), document).decode() for name, document in rows}

    def latest_seconds(self, epoch: int, collection: str, limit: int) -> list[tuple[float, float | None]]:
        """(primary, secondary) of the last rows, oldest first; None where the secondary failed. Only while starting."""
        rows = self._store.start(lambda db: db.execute(_LATEST, (epoch, collection, limit)).fetchall())
        return [(primary, secondary) for primary, secondary in reversed(rows)]

    async def add(self, epoch: int, rows: Sequence[SampleRow], figures: Mapping[str, str]) -> None:
        """Rows, and the documents that include them, in one transaction; the oldest rows beyond `keep` go."""
        sealed = [self._values(row) for row in rows]
        documents = [(epoch, name, self._store.seal.close(_place(name), text.encode())) for name, text in figures.items()]
        await self._store.run(lambda db: _add(db, epoch, sealed, documents, self._keep))

    async def worst(self, epoch: int, collection: str, limit: int) -> tuple[SampleRow, ...]:
        """Rows whose answers differ, least recall first, the newest first among equals."""
        rows = await self._store.run(lambda db: db.execute(_WORST, (epoch, collection, limit)).fetchall())
        return tuple(self._row(row) for row in rows)

    async def clear(self) -> None:
        """Forgets all."""
        await self._store.run(_clear)

    def _values(self, row: SampleRow) -> tuple[object, ...]:
        seal, place = self._store.seal, _place(row.collection)
        digest = seal.close_name(place, row.digest.encode())
        detail = seal.close(place, json.dumps(row.detail, ensure_ascii=False).encode())
        seconds, agreement = (row.primary_seconds, row.secondary_seconds), (row.recall, row.overlap, row.drift)
        return row.collection, row.at, row.operation, digest, *agreement, *seconds, detail

    def _row(self, row: tuple[Any, ...]) -> SampleRow:
        seal, place = self._store.seal, _place(row[0])
        digest, detail = seal.open_name(place, row[3]).decode(), json.loads(seal.open(place, row[-1]))
        return SampleRow(*(*row[:3], digest, *row[4:-1], detail))


def _place(collection: str) -> bytes:
    return b"samples/" + collection.encode()


def _figures(db: sqlite3.Connection, epoch: int) -> list[tuple[str, bytes]]:
    return db.execute("select collection, document from shadow_figures where epoch = ?", (epoch,)).fetchall()


def _clear(db: sqlite3.Connection) -> None:
    db.execute("delete from samples")
    db.execute("delete from shadow_figures")


def _add(
    db: sqlite3.Connection, epoch: int, rows: Sequence[tuple[object, ...]], documents: Sequence[tuple[object, ...]], keep: int
) -> None:
    db.executemany(_ADD, [(epoch, *row) for row in rows])
    db.execute("delete from samples where number <= (select max(number) from samples) - ?", (keep,))
    db.executemany("insert or replace into shadow_figures (epoch, collection, document) values (?, ?, ?)", documents)
