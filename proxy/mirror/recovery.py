"""A journal opened: what the log holds of an earlier process goes into SQLite, and the log begins anew.

Owns: the order of that. Not: what is damage (damage, log), the tables (tables).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from proxy.config import Fsync
from proxy.errors import Broken
from proxy.mirror.log import Log, Record
from proxy.mirror.net import Net
from proxy.mirror.steps import decode, with_bodies
from proxy.mirror.tables import RAISE_FACT, create, fact, is_new, prepare, refused, rows, transact


def open_tables(path: Path, fsync: Fsync, log: Log, *, after_power_loss: bool) -> sqlite3.Connection:
    """`after_power_loss`: nobody can tell how far the log went. Raises Broken with what to do, Unavailable where the disk
    refuses."""
    try:
        db = create(path, fsync)
        try:
            if is_new(db) and log.is_new:
                log.begin(0)  # first, for a file with tables and no log has lost it
            prepare(db)
            kept = fact(db, "step")
            take_over(db, log.left_by_power_loss(kept) if after_power_loss else log.beyond(kept))
            log.begin(fact(db, "step"))
        except BaseException:
            db.close()
            raise
    except (sqlite3.DatabaseError, Broken, OSError) as error:
        raise refused(path, error) from error
    return db


def take_over(db: sqlite3.Connection, records: Sequence[Record]) -> None:
    """All that was not in SQLite when the last process ended. Raises sqlite3.Error."""
    if not records:
        return
    net = Net()
    for record in records:
        for sql, each in with_bodies(decode(record.changes), record.bodies):
            net.take(sql, each)
    transact(db, [*net.changes(), rows(RAISE_FACT, (records[-1].step, "step"))])
