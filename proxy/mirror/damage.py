"""How the journal notices that its tables are not what it wrote: pages, rows, tables.

Owns: checksums. Not: what the tables are (tables), whether the end is there (log), what to do about damage (whoever opens it).

SQLite has checksums for its write-ahead log only, and takes what follows a bad one for a commit that never came: a log that is
cut, changed or gone opens as an older journal, without a word. So each row carries a checksum; and where the journal's own log
does not go on where SQLite ends, an end is lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from xxhash import xxh3_64

from proxy.errors import Broken


def damaged(path: Path, why: object) -> Broken:
    """With what to do."""
    return Broken(
        f"the journal {path} is damaged ({why}): writes that only it held are lost. Move {path.name}* aside and start again; "
        "every collection is then unverified: run backfill and verify, which compare every point of both sides"
    )


def digest(*values: object) -> int:
    """Of a row's columns, 63 bits: what SQLite's integers hold. In SQL: `digest(column, ...)`."""
    total = xxh3_64()
    for value in values:
        part = value if isinstance(value, bytes) else repr(value).encode()
        total.update(b"%d " % len(part))
        total.update(part)
    return total.intdigest() >> 1


def check_pages(db: sqlite3.Connection) -> None:
    """Raises Broken, or sqlite3.DatabaseError."""
    found = db.execute("pragma integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise Broken(str(found).replace("\n", " "))


def check_schema(db: sqlite3.Connection, ddl: str) -> None:
    """An empty file has none yet. Raises Broken."""
    found = _schema(db)
    expected = sqlite3.connect(":memory:")
    try:
        expected.executescript(ddl)
        if found and found != _schema(expected):
            raise Broken("its tables are not those that this program makes")
    finally:
        expected.close()


def _schema(db: sqlite3.Connection) -> set[tuple[str, str | None]]:
    return set(db.execute("select name, sql from sqlite_schema"))


def check_rows(db: sqlite3.Connection, columns: Mapping[str, Sequence[str]]) -> None:
    """`columns` of each table, without the checksum. Raises Broken."""
    for table, names in columns.items():
        wrong = db.execute(f"select exists (select 1 from {table} where sum is not digest({', '.join(names)}))").fetchone()
        if wrong[0]:
            raise Broken(f"a row of {table} does not match its checksum")
