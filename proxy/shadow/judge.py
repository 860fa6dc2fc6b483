"""Compares two answers to one read, without the points whose writes were under way. Pure.

Owns: what is left out and when too much is left out. Not: asking (trial), what agreement means (proxy/compare).
Ids stand for keys here: a client of a product with partitions sees only ids in an answer, and some replies hold no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from proxy.compare.hits import Agreement, agreement
from proxy.compare.kept import Kept
from proxy.compare.points import difference
from proxy.errors import Broken
from proxy.model.operation import Count, Fetch, Hit, Hits, Page, Result, Scan, Search
from proxy.model.point import Key, Point
from proxy.model.schema import Schema

# Below this share of k left, what remains says little about the search that was asked.
LEAST_SHARE_LEFT: Final = 0.5


class Touched(Protocol):
    """Keys that writes touched, as the mirror tells them. `all`: it cannot tell which."""

    @property
    def all(self) -> bool: ...
    @property
    def keys(self) -> AbstractSet[Key]: ...


@dataclass(frozen=True, slots=True)
class Busy:
    """Whether a write may be under way on the points of an id, in whichever partition. Looks up, never walks the keys."""

    touched: Touched
    partitions: tuple[str, ...]

    @property
    def all(self) -> bool:
        return self.touched.all

    def __bool__(self) -> bool:
        return self.touched.all or bool(self.touched.keys)

    def __contains__(self, key: Key) -> bool:
        return any(key._replace(partition=name) in self.touched.keys for name in (None, *self.partitions))


@dataclass(frozen=True, slots=True)
class Ranked:
    """One query vector's answers, comparable: ids as keys, busy ones left out, cut at the same depth."""

    first: tuple[Hit, ...]
    second: tuple[Hit, ...]

    @property
    def agreement(self) -> Agreement:
        return agreement(self.first, self.second)


@dataclass(frozen=True, slots=True)
class Rules:
    """How exactly two states of a point must agree; see proxy/compare/points.difference."""

    schema: Schema
    tolerance: float
    kept: Kept


Difference: TypeAlias = tuple[str, str]
"""(what, how): an id or `count`, and a reason; never a payload's value."""


def ranked(search: Search, first: Hits, second: Hits, busy: Busy) -> tuple[Ranked, ...] | None:
    """A pair for each query vector, or None where writes under way leave too little to compare."""
    if len(first) != len(second):
        raise Broken(f"a search with {len(search.vectors)} query vectors got {len(first)} and {len(second)} answers")
    # Behind an offset, a point that moved ahead of the page shifts it unseen.
    if busy.all or (search.offset and busy):
        return None
    pairs = [_level(search.k, a, b, busy) for a, b in zip(first, second, strict=True)]
    found = tuple(pair for pair in pairs if pair is not None)
    return found if len(found) == len(pairs) else None


def differences(
    read: Fetch | Scan | Count, first: Result, second: Result, busy: Busy, rules: Rules
) -> tuple[Difference, ...] | None:
    """Of the two answers; None where writes under way leave nothing to compare."""
    if busy.all:
        return None
    match read, first, second:
        case Count(), int(), int():
            return None if busy else _sizes(first, second)
        case Scan(), Page(), Page():
            return _page_differences(read, first, second, busy, rules)
        case Fetch(), Mapping(), Mapping():
            if read.keys and all(key in busy for key in read.keys):
                return None
            return _point_differences(_idle(first.values(), busy), _idle(second.values(), busy), rules)
        case _:
            raise Broken(f"a {type(read).__name__} was answered by {type(first).__name__} and {type(second).__name__}")


def _page_differences(scan: Scan, first: Page, second: Page, busy: Busy, rules: Rules) -> tuple[Difference, ...] | None:
    """Products page in orders of their own: only whole results must hold the same keys, of others the shared ones compare."""
    a, b = _idle(first.points, busy), _idle(second.points, busy)
    whole = scan.after is None and not scan.offset and max(len(first.points), len(second.points)) < scan.limit
    if whole:
        return _point_differences(a, b, rules)
    shared = a.keys() & b.keys()
    sizes = () if busy else _sizes(len(first.points), len(second.points))
    return sizes + _point_differences({key: a[key] for key in shared}, {key: b[key] for key in shared}, rules)


def _point_differences(first: Mapping[Key, Point], second: Mapping[Key, Point], rules: Rules) -> tuple[Difference, ...]:
    found = ((key, _reason(first.get(key), second.get(key), rules)) for key in {**first, **second})
    return tuple((str(key.id), reason) for key, reason in found if reason is not None)


def _reason(a: Point | None, b: Point | None, rules: Rules) -> str | None:
    return difference(a, b, rules.schema, rules.tolerance, rules.kept)


def _sizes(first: int, second: int) -> tuple[Difference, ...]:
    return () if first == second else (("count", f"{first} and {second}"),)


def _idle(points: Iterable[Point], busy: Busy) -> dict[Key, Point]:
    return {by_id(point.key): point for point in points if point.key not in busy}


def _level(k: int, first: Sequence[Hit], second: Sequence[Hit], busy: Busy) -> Ranked | None:
    """Both cut at the depth to which both are the nearest of the points left."""
    idle = [_distinct(hit for hit in hits if hit.key not in busy) for hits in (first, second)]
    depth = k - max(len(first) - len(idle[0]), len(second) - len(idle[1]))
    return Ranked(idle[0][:depth], idle[1][:depth]) if depth >= k * LEAST_SHARE_LEFT else None


def by_id(key: Key) -> Key:
    return key._replace(partition=None)


def _distinct(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """One hit an id, the nearest: Milvus may hold an id twice."""
    nearest: dict[Key, Hit] = {}
    for hit in hits:
        key = by_id(hit.key)
        nearest.setdefault(key, replace(hit, key=key))
    return tuple(nearest.values())
