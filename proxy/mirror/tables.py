"""The journal's file: its tables, its checks, its statements.

Owns: SQL. Not: threads and commits (writer), what the rows mean (record, journal).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from proxy.config import Fsync
from proxy.errors import Broken, ProxyError, Unavailable
from proxy.mirror.damage import check_pages, check_rows, check_schema, damaged, digest

Row: TypeAlias = tuple[Any, ...]

VERSION: Final = 4
LOG_LIMIT: Final = 32 * 2**20
"""Bytes of SQLite's write-ahead log above which it is checkpointed."""
_PAGE_SIZE: Final = 4096
_SYNCHRONOUS: Final = {Fsync.EVERY_WRITE: "full", Fsync.INTERVAL: "full", Fsync.OFF: "off"}
"""What a commit holds leaves the journal's own log for good."""

_OF_THE_DISK: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
}
"""What SQLite says where the file is not to blame."""

# `ended` numbers the outcomes in the order in which they came: the order in which writes are brought to the secondary.
# `sum` is the digest of the row's other columns.
_TABLES: Final = """
create table if not exists facts (name text primary key, value integer not null, sum integer not null) without rowid;
create table if not exists entries (seq integer primary key, head blob not null, body blob not null, sum integer not null);
create table if not exists outcomes (
    ended integer primary key, seq integer not null unique, outcome integer not null, horizon integer, reply blob,
    sum integer not null);
create table if not exists dirty (key blob primary key, why blob not null, sum integer not null) without rowid;
create table if not exists rechecks (key blob primary key, why blob not null, sum integer not null) without rowid;
create table if not exists parked (
    key blob primary key, id integer not null, reason blob not null, at real not null, sum integer not null) without rowid;
create table if not exists seal (proof blob not null, sum integer not null);
"""
COLUMNS: Final = {
    "facts": ("name", "value"),
    "entries": ("seq", "head", "body"),
    "outcomes": ("ended", "seq", "outcome", "horizon", "reply"),
    "dirty": ("key", "why"),
    "rechecks": ("key", "why"),
    "parked": ("key", "id", "reason", "at"),
    "seal": ("proof",),
}
"""Without the digest."""


def _insert(table: str, how: str = "insert") -> str:
    places = ", ".join(f"?{number}" for number, _ in enumerate(COLUMNS[table], 1))
    return f"{how} into {table} ({', '.join(COLUMNS[table])}, sum) values ({places}, digest({places}))"


APPEND: Final = _insert("entries")
END: Final = _insert("outcomes")
MOVE: Final = "update outcomes set ended = ?1, horizon = ?2, sum = digest(?1, seq, outcome, ?2, reply) where seq = ?3"
REMOVE_ENTRY: Final = "delete from entries where seq = ?"
REMOVE_OUTCOME: Final = "delete from outcomes where seq = ?"
RAISE_FACT: Final = "update facts set value = max(value, ?1), sum = digest(name, max(value, ?1)) where name = ?2"
MARK: Final = _insert("dirty", "insert or replace")
UNMARK: Final = "delete from dirty where key = ?"
MARK_LATER: Final = _insert("rechecks", "insert or replace")
UNMARK_LATER: Final = "delete from rechecks where key = ?"
PARK: Final = _insert("parked", "insert or replace")
UNPARK: Final = "delete from parked where key = ?"
STATEMENTS: Final = (
    *(APPEND, END, MOVE, REMOVE_ENTRY, REMOVE_OUTCOME, RAISE_FACT),
    *(MARK, UNMARK, MARK_LATER, UNMARK_LATER, PARK, UNPARK),
)
"""Of the journal's steps. Their places are part of the log's format."""
_PROVE: Final = _insert("seal")
_FIRST_FACTS: Final = (("version", VERSION), ("position", 0), ("parked", 0), ("step", 0))

PAGE: Final = """
select o.ended, o.seq, o.outcome, o.horizon, o.reply, e.head, e.body
from outcomes o join entries e using (seq) where o.ended > ? order by o.ended
"""
OPEN_ENTRIES: Final = "select seq, head, body from entries where seq not in (select seq from outcomes) order by seq"


@dataclass(frozen=True, slots=True)
class Change:
    """One statement over some rows. `rows` is called when it is written, again where the disk refused."""

    sql: str
    rows: Callable[[], Iterable[Row]]


def rows(sql: str, *values: Row) -> Change:
    return Change(sql, lambda: values)


def create(path: Path, fsync: Fsync) -> sqlite3.Connection:
    """Opens the journal's file and checks its pages. Raises Broken, sqlite3.Error, OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.05)
    try:
        _tune(db, fsync)
        check_pages(db)
        db.execute("pragma journal_mode=wal")
    except BaseException:
        db.close()
        raise
    return db


def refused(path: Path, error: Exception) -> ProxyError:
    """Why it cannot be opened: the disk, or damage and what to do about it."""
    if _is_of_the_disk(error):
        return Unavailable(f"the journal {path} cannot be opened: {error}")
    return damaged(path, error)


def _is_of_the_disk(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF in _OF_THE_DISK
    return isinstance(error, OSError)


def _tune(db: sqlite3.Connection, fsync: Fsync) -> None:
    db.execute(f"pragma synchronous={_SYNCHRONOUS[fsync]}")
    db.execute(f"pragma wal_autocheckpoint={LOG_LIMIT // _PAGE_SIZE}")
    db.execute(f"pragma journal_size_limit={LOG_LIMIT}")


def prepare(db: sqlite3.Connection) -> None:
    """Makes the tables in a file that has none; checks those that it has, and their rows. Raises Broken, sqlite3.Error."""
    db.create_function("digest", -1, digest, deterministic=True)
    _check_version(db)
    check_schema(db, _TABLES)
    db.executescript(f"begin immediate; {_TABLES}")
    db.executemany(_insert("facts", "insert or ignore"), _FIRST_FACTS)
    db.execute("commit")
    check_rows(db, COLUMNS)


def is_new(db: sqlite3.Connection) -> bool:
    return not db.execute("select exists (select 1 from sqlite_schema where name = 'facts')").fetchone()[0]


def _check_version(db: sqlite3.Connection) -> None:
    if is_new(db):
        return
    version = fact(db, "version")
    if version != VERSION:
        raise Broken(f"it has version {version} and this program reads {VERSION}")


def fact(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute("select value from facts where name = ?", (name,)).fetchone()[0])


def proof(db: sqlite3.Connection) -> bytes | None:
    """Of the key that what it holds is sealed with."""
    row = db.execute("select proof from seal").fetchone()
    return row[0] if row else None


def holds_any(db: sqlite3.Connection) -> bool:
    tables = ("entries", "dirty", "rechecks", "parked")
    return any(db.execute(f"select exists (select 1 from {table})").fetchone()[0] for table in tables)


def prove(db: sqlite3.Connection, proof: bytes | None) -> None:
    """From now on it is sealed with that key. Pages that are free still hold what was removed, so the file is made anew."""
    made = [rows(_PROVE, (proof,))] if proof else []
    transact(db, [rows("delete from seal", ()), *made])
    db.execute("vacuum")
    db.execute("pragma wal_checkpoint(truncate)")


def transact(db: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """All or nothing. Raises sqlite3.Error."""
    db.execute("begin immediate")
    try:
        for change in changes:
            db.executemany(change.sql, change.rows())
        db.execute("commit")
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise
