"""A client's filter in terms of the rows that we store for a foreign collection: names and ids. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, assert_never

from proxy.backends.milvus.foreign_ids import MAPPED, stored_id, stored_range
from proxy.backends.milvus.foreign_names import PayloadNames
from proxy.model.filter import AllOf, AnyOf, Filter, HasId, HasVector, IdLike, IdRange, MinShould, Not
from proxy.model.schema import IdKind

_NOTHING: Final = AnyOf(())


def stored_filter(condition: Filter, kind: IdKind, names: PayloadNames, has: Callable[[str], Filter]) -> Filter:
    """`has`: what tells that a point has the vector of a name."""

    def stored(part: Filter) -> Filter:
        return stored_filter(part, kind, names, has)

    match condition:
        case AllOf(parts):
            return AllOf(tuple(map(stored, parts)))
        case AnyOf(parts):
            return AnyOf(tuple(map(stored, parts)))
        case MinShould(parts, count):
            return MinShould(tuple(map(stored, parts)), count)
        case Not(part):
            return Not(stored(part))
        case HasVector(name):
            return has(name)
        case HasId() | IdRange() | IdLike():
            return _of_ids(condition, kind)
        case _:
            first, *rest = condition.path
            return replace(condition, path=(names.stored(str(first)), *rest))


def _of_ids(condition: HasId | IdRange | IdLike, kind: IdKind) -> Filter:
    match condition:
        case HasId(ids):
            return HasId(frozenset(found for each in ids if (found := stored_id(each, kind)) is not None))
        case IdRange():
            return stored_range(condition, kind)
        case IdLike():
            return _NOTHING if kind in MAPPED else condition
        case _:
            assert_never(condition)
