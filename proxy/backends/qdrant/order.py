"""The order of a scan. Qdrant's own is that of its ids: all numbers, then all UUIDs.

In a collection of signed numbers a scan is in their order, as Milvus's is, for clients page by `id > last`: it begins where the
negative numbers are, goes on with the UUIDs behind them (keys with a partition), and ends with the numbers from zero.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from proxy.backends.qdrant.ids import mapped_id, next_id, parse_id
from proxy.model.point import Key
from proxy.model.schema import IdKind, Schema

_FIRST_NEGATIVE: Final = 2**63
Position: TypeAlias = int | UUID


@dataclass(frozen=True, slots=True)
class Stretch:
    """Points as Qdrant gave them, and where the next begin; None: there are no more."""

    records: tuple[Any, ...]
    next: Position | None


ReadPage: TypeAlias = Callable[[Position, int], Awaitable[Stretch]]
"""From a position, at most so many, in Qdrant's own order."""


def first(schema: Schema) -> Position:
    return _FIRST_NEGATIVE if _signed(schema) else 0


def behind(key: Key, schema: Schema) -> Position | None:
    """Where the points behind `key` begin, which need not exist; None: nothing can be there."""
    following = next_id(mapped_id(key, schema))
    if not _signed(schema):
        return following
    return None if following == _FIRST_NEGATIVE else 0 if following is None else following


async def walk(read: ReadPage, start: Position, count: int, schema: Schema) -> Stretch:
    """The first `count` from `start` on, fewer only at the end."""
    if not _signed(schema):
        return await read(start, count)
    if _is_from_zero(start):
        return _from_zero(await read(start, count))
    found = await read(start, count)
    if found.next is not None:
        return found
    missing = count - len(found.records)
    rest = _from_zero(await read(0, max(missing, 1)))
    if missing:
        return Stretch(found.records + rest.records, rest.next)
    return Stretch(found.records, 0 if rest.records else None)


def _from_zero(found: Stretch) -> Stretch:
    """Without what a scan began with."""
    records = tuple(record for record in found.records if _is_from_zero(parse_id(record.id)))
    over = len(records) < len(found.records) or found.next is None or not _is_from_zero(found.next)
    return Stretch(records, None if over else found.next)


def _is_from_zero(position: Position) -> bool:
    return isinstance(position, int) and position < _FIRST_NEGATIVE


def _signed(schema: Schema) -> bool:
    return schema.id_kind is IdKind.INT64
