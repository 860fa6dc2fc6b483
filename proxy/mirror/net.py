"""What some steps of the journal change together: what one of them adds and a later one takes away is in none of it. Pure.

Owns: how statements cancel each other. Not: their SQL (tables), where a body lies until it is needed (log).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeAlias

from proxy.mirror import tables
from proxy.mirror.log import Place
from proxy.mirror.tables import Change, Row

_Keys: TypeAlias = dict[bytes, Row | None]
"""Rows by key; None: it goes."""

_KEYED: Final = {tables.MARK: tables.UNMARK, tables.MARK_LATER: tables.UNMARK_LATER, tables.PARK: tables.UNPARK}
"""What puts the row of a key, and what takes it away."""


class Net:
    def __init__(self) -> None:
        self._entries: dict[int, Row] = {}
        self._outcomes: dict[int, Row] = {}
        self._moves: dict[int, Row] = {}
        """Of outcomes that SQLite has, as the lists behind it."""
        self._gone_entries: list[Row] = []
        self._gone_outcomes: list[Row] = []
        self._keys: dict[str, _Keys] = {put: {} for put in _KEYED}
        self._facts: dict[str, int] = {}
        self._takes: dict[str, Callable[[Row], None]] = {
            tables.APPEND: self._append,
            tables.END: self._end,
            tables.MOVE: self._move,
            tables.REMOVE_OUTCOME: self._remove_outcome,
            tables.REMOVE_ENTRY: self._remove_entry,
            tables.RAISE_FACT: self._raise_fact,
        }
        for put, drop in _KEYED.items():
            self._takes[put] = partial(self._put, self._keys[put])
            self._takes[drop] = partial(self._drop, self._keys[put])

    def __len__(self) -> int:
        """Rows."""
        of_keys = sum(map(len, self._keys.values()))
        gone = len(self._gone_entries) + len(self._gone_outcomes)
        return len(self._entries) + len(self._outcomes) + len(self._moves) + gone + of_keys

    def take(self, sql: str, rows: Iterable[Row]) -> None:
        """In the order of the steps. In a row of tables.APPEND the place of the body may stand for the body."""
        take = self._takes[sql]
        for row in rows:
            take(row)

    def _append(self, row: Row) -> None:
        self._entries[row[0]] = row

    def _end(self, row: Row) -> None:
        self._outcomes[row[1]] = row

    def _move(self, row: Row) -> None:
        ended, horizon, seq = row
        if (outcome := self._outcomes.get(seq)) is None:
            self._moves[seq] = row
        else:
            self._outcomes[seq] = (ended, seq, outcome[2], horizon, outcome[4])

    def _remove_outcome(self, row: Row) -> None:
        (seq,) = row
        self._moves.pop(seq, None)
        if self._outcomes.pop(seq, None) is None and seq not in self._entries:
            self._gone_outcomes.append(row)

    def _remove_entry(self, row: Row) -> None:
        if self._entries.pop(row[0], None) is None:
            self._gone_entries.append(row)

    def _raise_fact(self, row: Row) -> None:
        value, name = row
        self._facts[name] = max(value, self._facts.get(name, value))

    def _put(self, keys: _Keys, row: Row) -> None:
        keys[row[0]] = row

    def _drop(self, keys: _Keys, row: Row) -> None:
        keys[row[0]] = None

    def changes(self, read: Callable[[Place], bytes] | None = None) -> list[Change]:
        """In an order that SQLite takes. `read` a body that lies somewhere."""
        changes = [
            _all(tables.REMOVE_OUTCOME, self._gone_outcomes),
            _all(tables.REMOVE_ENTRY, self._gone_entries),
            _all(tables.MOVE, self._moves.values()),
            Change(tables.APPEND, lambda: _with_bodies(self._entries.values(), read)),
            _all(tables.END, self._outcomes.values()),
        ]
        for put, drop in _KEYED.items():
            keys = self._keys[put]
            changes.append(_all(drop, [(key,) for key, row in keys.items() if row is None]))
            changes.append(_all(put, [row for row in keys.values() if row is not None]))
        changes.append(_all(tables.RAISE_FACT, [(value, name) for name, value in self._facts.items()]))
        return changes


def _all(sql: str, rows: Iterable[Row]) -> Change:
    return Change(sql, lambda: rows)


def _with_bodies(entries: Iterable[Row], read: Callable[[Place], bytes] | None) -> Iterator[Row]:
    for seq, head, body in entries:
        yield seq, head, read(body) if read is not None and isinstance(body, Place) else body
