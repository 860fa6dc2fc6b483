"""How the journal notices that its files are not what it wrote: pages, rows, tables, and its end.

Owns: checksums, the watermark. Not: what the tables are (tables), what to do about damage (whoever opens it).

SQLite has checksums for its write-ahead log only, and takes what follows a bad one for a commit that never came: a log that is
cut, changed or gone opens as an older journal, without a word. So each row carries a checksum, and the number of the last
commit stands in a file of its own as well, the watermark: a journal that has fewer has lost its end.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import Final

from proxy.errors import Broken

_MARK: Final = Struct(">QI")
"""Step, checksum."""


def damaged(path: Path, why: object) -> Broken:
    """With what to do."""
    return Broken(
        f"the journal {path} is damaged ({why}): writes that only it held are lost. Move {path.name}* aside and start again; "
        "every collection is then unverified: run backfill and verify, which compare every point of both sides"
    )


def digest(*values: object) -> int:
    """Of a row's columns. In SQL: `digest(column, ...)`."""
    total = 0
    for value in values:
        part = value if isinstance(value, bytes) else repr(value).encode()
        total = zlib.crc32(part, zlib.crc32(b"%d " % len(part), total))
    return total


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


class Watermark:
    """Beside the journal's file. Written after each commit and never synced: it is for all ends but a loss of power."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(f"{path}-watermark", os.O_CREAT | os.O_RDWR, 0o600)

    def check(self, step: int) -> None:
        """`step`: the last that the journal has. Raises Broken where there was a later one, or where nobody can tell."""
        found = os.pread(self._file, _MARK.size, 0)
        if not found and step == 0:
            return
        marked = unpack_mark(found)
        if marked is None:
            raise Broken("its watermark is damaged or gone, so nobody can tell whether it is whole")
        if marked > step:
            raise Broken(f"it ends at step {step} and was written up to step {marked}")

    def reach(self, step: int) -> None:
        # One that stays behind where the disk refuses notices less, and never tells of damage that there is not.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, pack_mark(step), 0)

    def close(self) -> None:
        os.close(self._file)


def pack_mark(step: int) -> bytes:
    return _MARK.pack(step, digest(step))


def unpack_mark(packed: bytes) -> int | None:
    """None where it is damaged or gone."""
    if len(packed) != _MARK.size:
        return None
    step = int(_MARK.unpack(packed)[0])
    return step if pack_mark(step) == packed else None
