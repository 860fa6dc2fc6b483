"""Ids that Milvus does not have <-> texts, which are the primary key then. Pure.

Qdrant's ids: a number is its 20 decimal digits, a UUID is `u` and its usual form. So the texts' order of bytes is Qdrant's own
order of ids: all numbers, then all UUIDs. Where all ids are UUIDs, they are in their usual form. Numbers of 64 bits with a sign
and texts are themselves.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from proxy.errors import Broken
from proxy.model.filter import AllOf, AnyOf, Filter, IdRange, Op
from proxy.model.point import PointId
from proxy.model.schema import IdKind

_DIGITS: Final = 20
_NUMBERS: Final = 2**64
_UUID: Final = "u"
MAPPED: Final = frozenset({IdKind.UINT64_OR_UUID, IdKind.UUID})
"""Kinds of ids that become texts."""

_NOTHING: Final = AnyOf(())
_ALL_NUMBERS: Final = IdRange(Op.LT, _UUID)
_ALL_UUIDS: Final = IdRange(Op.GE, _UUID)
_DOWN: Final = frozenset({Op.LT, Op.LE})


def stored_id(identity: PointId, kind: IdKind) -> int | str | None:
    """None for what is no id of this kind."""
    match kind, identity:
        case (IdKind.INT64, int(itself)) | (IdKind.STRING, str(itself)):
            return itself
        case IdKind.UINT64_OR_UUID, int() if 0 <= identity < _NUMBERS:
            return f"{identity:0{_DIGITS}}"
        case IdKind.UINT64_OR_UUID, UUID():
            return f"{_UUID}{identity}"
        case IdKind.UUID, UUID():
            return str(identity)
        case _:
            return None


def parse_id(stored: PointId, kind: IdKind) -> PointId:
    """Raises Broken on what `stored_id` did not write."""
    if kind not in MAPPED:
        return stored
    text = str(stored)
    try:
        if kind is IdKind.UUID:
            return UUID(text)
        return UUID(text.removeprefix(_UUID)) if text.startswith(_UUID) else int(text)
    except ValueError as error:
        raise Broken(f"{text!r} is no primary key of a collection that we made") from error


def stored_range(test: IdRange, kind: IdKind) -> Filter:
    """Numbers compare with numbers only, UUIDs with UUIDs."""
    match kind, test.value:
        case IdKind.UINT64_OR_UUID, int() as number:
            return _number_range(test.op, number)
        case IdKind.UINT64_OR_UUID, UUID() as uuid:
            return AllOf((IdRange(test.op, f"{_UUID}{uuid}"), _ALL_UUIDS))
        case IdKind.UUID, UUID() as uuid:
            return IdRange(test.op, str(uuid))
        case ((IdKind.INT64 | IdKind.STRING), _):
            return test
        case _:
            return _NOTHING


def _number_range(op: Op, number: int) -> Filter:
    if not 0 <= number < _NUMBERS:
        return _ALL_NUMBERS if (number < 0) != (op in _DOWN) else _NOTHING
    return AllOf((IdRange(op, f"{number:0{_DIGITS}}"), _ALL_NUMBERS))
