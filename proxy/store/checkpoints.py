"""How far each long task has come: one JSON document a task, durable when `save` returns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from proxy.errors import Broken
from proxy.store.store import Store

_TABLE: Final = "create table if not exists checkpoints (task text primary key, document text not null)"


class Checkpoints:
    def __init__(self, store: Store) -> None:
        self._store = store
        store.declare(_TABLE)

    async def load(self, task: str) -> dict[str, Any] | None:
        """None where the task has none. Raises Broken on one that cannot be read."""
        return await self._store.run(lambda db: _read(db, task))

    async def save(self, task: str, document: Mapping[str, Any]) -> None:
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        await self._store.run(lambda db: _write(db, task, text))

    async def drop(self, task: str) -> None:
        await self._store.run(lambda db: _delete(db, task))


def _read(db: sqlite3.Connection, task: str) -> dict[str, Any] | None:
    row = db.execute("select document from checkpoints where task = ?", (task,)).fetchone()
    if row is None:
        return None
    try:
        document: dict[str, Any] = json.loads(row[0])
    except ValueError as error:
        raise Broken(f"the checkpoint of {task} cannot be read: {error}") from error
    return document


def _write(db: sqlite3.Connection, task: str, text: str) -> None:
    db.execute("insert or replace into checkpoints (task, document) values (?, ?)", (task, text))


def _delete(db: sqlite3.Connection, task: str) -> None:
    db.execute("delete from checkpoints where task = ?", (task,))
