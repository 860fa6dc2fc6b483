"""How far each long task has come: one JSON document a task, durable when `save` returns. Sealed: it names ids."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from proxy.errors import Broken
from proxy.store.store import Store

_TABLE: Final = "create table if not exists checkpoints (task text primary key, document blob not null)"


class Checkpoints:
    def __init__(self, store: Store) -> None:
        self._store = store
        store.declare(_TABLE)

    async def load(self, task: str) -> dict[str, Any] | None:
        """None where the task has none. Raises Broken on one that cannot be read."""
        sealed = await self._store.run(lambda db: _read(db, task))
        return None if sealed is None else _parsed(task, self._store.seal.open(_place(task), sealed))

    async def save(self, task: str, document: Mapping[str, Any]) -> None:
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        sealed = self._store.seal.close(_place(task), text.encode())
        await self._store.run(lambda db: _write(db, task, sealed))

    async def drop(self, task: str) -> None:
        await self._store.run(lambda db: _delete(db, task))

    async def clear(self) -> None:
        """Every task begins anew."""
        await self._store.run(_clear)


def _place(task: str) -> bytes:
    return b"checkpoints/" + task.encode()


def _parsed(task: str, text: bytes) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise Broken(f"the checkpoint of {task} cannot be read: {error}") from error
    return document


def _read(db: sqlite3.Connection, task: str) -> bytes | None:
    row = db.execute("select document from checkpoints where task = ?", (task,)).fetchone()
    return None if row is None else row[0]


def _write(db: sqlite3.Connection, task: str, sealed: bytes) -> None:
    db.execute("insert or replace into checkpoints (task, document) values (?, ?)", (task, sealed))


def _clear(db: sqlite3.Connection) -> None:
    db.execute("delete from checkpoints")


def _delete(db: sqlite3.Connection, task: str) -> None:
    db.execute("delete from checkpoints where task = ?", (task,))
