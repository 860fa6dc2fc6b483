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
from proxy.errors import Broken, Unavailable

Row: TypeAlias = tuple[Any, ...]

VERSION: Final = 1
_SYNCHRONOUS: Final = {Fsync.EVERY_WRITE: "normal", Fsync.INTERVAL: "normal", Fsync.OFF: "off"}

# `ended` numbers the outcomes in the order in which they came: the order in which writes are brought to the secondary.
TABLES: Final = """
create table if not exists facts (name text primary key, value integer not null) without rowid;
create table if not exists entries (seq integer primary key, head blob not null, body blob not null);
create table if not exists outcomes (
    ended integer primary key, seq integer not null unique, outcome integer not null, horizon integer, reply blob);
create table if not exists dirty (key blob primary key, why blob not null) without rowid;
create table if not exists rechecks (key blob primary key, why blob not null) without rowid;
create table if not exists parked (key blob primary key, id integer not null, reason blob not null, at real not null)
    without rowid;
create table if not exists seal (proof blob not null);
"""

APPEND: Final = "insert into entries (seq, head, body) values (?, ?, ?)"
END: Final = "insert into outcomes (ended, seq, outcome, horizon, reply) values (?, ?, ?, ?, ?)"
MOVE: Final = "update outcomes set ended = ?, horizon = ? where seq = ?"
REMOVE_ENTRY: Final = "delete from entries where seq = ?"
REMOVE_OUTCOME: Final = "delete from outcomes where seq = ?"
RAISE_FACT: Final = "update facts set value = max(value, ?) where name = ?"
MARK: Final = "insert or replace into dirty (key, why) values (?, ?)"
UNMARK: Final = "delete from dirty where key = ?"
MARK_LATER: Final = "insert or replace into rechecks (key, why) values (?, ?)"
UNMARK_LATER: Final = "delete from rechecks where key = ?"
PARK: Final = "insert or replace into parked (key, id, reason, at) values (?, ?, ?, ?)"
UNPARK: Final = "delete from parked where key = ?"

PAGE: Final = """
select o.ended, o.seq, o.outcome, o.horizon, o.reply, e.head, e.body
from outcomes o join entries e using (seq) where o.ended > ? order by o.ended
"""
OPEN_ENTRIES: Final = "select seq, head, body from entries where seq not in (select seq from outcomes) order by seq"


@dataclass(frozen=True, slots=True)
class Change:
    """One statement over some rows. `rows` is called in the writer's thread, again after a failed commit."""

    sql: str
    rows: Callable[[], Iterable[Row]]


def rows(sql: str, *values: Row) -> Change:
    return Change(sql, lambda: values)


def create(path: Path, fsync: Fsync) -> sqlite3.Connection:
    """Opens the journal's file for writing and checks it. Raises Broken with what to do, Unavailable where the disk refuses."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = _opened(path)
    try:
        _tune(db, fsync)
        _check(db)
    except sqlite3.OperationalError as error:
        db.close()
        raise Unavailable(f"the journal {path} cannot be opened: {error}") from error
    except (sqlite3.DatabaseError, Broken) as error:
        db.close()
        raise Broken(
            f"the journal {path} is damaged ({error}): writes that only it held are lost. Move it aside and start again; "
            "then run backfill and verify, which compare every point of both sides"
        ) from error
    return db


def connect(path: Path, fsync: Fsync) -> sqlite3.Connection:
    """One more connection to a checked file."""
    db = _opened(path)
    _tune(db, fsync)
    return db


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.05)


def _tune(db: sqlite3.Connection, fsync: Fsync) -> None:
    db.execute(f"pragma synchronous={_SYNCHRONOUS[fsync]}")
    # Checkpoints are made on purpose (writer), so that none stands in a client's way.
    db.execute("pragma wal_autocheckpoint=0")


def _check(db: sqlite3.Connection) -> None:
    found = db.execute("pragma quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Broken(str(found).replace("\n", " "))
    db.execute("pragma journal_mode=wal")
    db.executescript(TABLES)
    db.execute("insert or ignore into facts values ('version', ?), ('position', 0), ('parked', 0)", (VERSION,))
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
    made = [rows("insert into seal (proof) values (?)", (proof,))] if proof else []
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
