"""A client's filter in terms of the rows that we store for a foreign collection: names and ids. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from proxy.backends.milvus.foreign_ids import MAPPED, stored_id, stored_range
from proxy.backends.milvus.foreign_names import PayloadNames
from proxy.model.filter import AllOf, AnyOf, Filter, HasId, HasVector, IdLike, IdRange, MinShould, Not
from proxy.model.schema import IdKind

_NOTHING: Final = AnyOf(())


def stored_filter(condition: Filter, kind: IdKind, names: PayloadNames, has: Callable[[str], Filter]) -> Filter:
    """`has`: what tells that a point has the vector of a name."""
    match condition:
        case AllOf(parts):
            return AllOf(tuple(stored_filter(part, kind, names, has) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(stored_filter(part, kind, names, has) for part in parts))
        case MinShould(parts, count):
            return MinShould(tuple(stored_filter(part, kind, names, has) for part in parts), count)
        case Not(part):
            return Not(stored_filter(part, kind, names, has))
        case HasVector(name):
            return has(name)
        case HasId(ids):
            return HasId(frozenset(found for each in ids if (found := stored_id(each, kind)) is not None))
        case IdRange():
            return stored_range(condition, kind)
        case IdLike():
            return _NOTHING if kind in MAPPED else condition
        case _:
            first, *rest = condition.path
            return replace(condition, path=(names.stored(str(first)), *rest))
