"""Whether a point satisfies a filter: the executable meaning of `filter.py`. Pure; knows no product."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, Final, TypeAlias, assert_never

from proxy.model import geo
from proxy.model.filter import (
    AllOf,
    AnyElement,
    AnyOf,
    ArrayLength,
    Bound,
    ContainsAll,
    ContainsAny,
    ContainsNull,
    Equals,
    Exists,
    Filter,
    GeoBox,
    GeoPolygon,
    GeoRadius,
    HasId,
    HasVector,
    IdLike,
    IdRange,
    Interval,
    IsEmpty,
    IsNull,
    Like,
    MinShould,
    Nested,
    NoneOf,
    Not,
    OneOf,
    Op,
    Path,
    Range,
    TextMatch,
    bounds_of,
)
from proxy.model.point import GeoPoint, Point, PointId
from proxy.model.times import instant, said_instant


class Missing(Enum):
    """What `value_at` gives for a key that is not there; null is None."""

    MISSING = "missing"


GeoTest: TypeAlias = GeoRadius | GeoBox | GeoPolygon
ElementTest: TypeAlias = Equals | OneOf | NoneOf | Range | Interval | Like | TextMatch | GeoTest
ArrayTest: TypeAlias = ContainsAny | ContainsAll | ContainsNull | ArrayLength | Nested | AnyElement
FieldTest: TypeAlias = ArrayTest | Exists | IsNull | IsEmpty
IdTest: TypeAlias = HasId | IdRange | IdLike

_COMPARE: Final[Mapping[Op, Callable[[Any, Any], bool]]] = {Op.LT: lt, Op.LE: le, Op.GT: gt, Op.GE: ge}


def matches(condition: Filter, point: Point) -> bool:
    return _matches(condition, point, point.payload)


def value_at(payload: Any, path: Path) -> Any:
    """The value there, or Missing.MISSING; an index beyond the array's end is missing too."""
    value: Any = payload
    for step in path:
        match value, step:
            case dict() | Mapping(), str() if step in value:
                value = value[step]
            case list(), int() if 0 <= step < len(value):
                value = value[step]
            case _:
                return Missing.MISSING
    return value


def _matches(condition: Filter, point: Point, payload: Any) -> bool:
    match condition:
        case AllOf(parts):
            return all(_matches(part, point, payload) for part in parts)
        case AnyOf(parts):
            return any(_matches(part, point, payload) for part in parts)
        case Not(part):
            return not _matches(part, point, payload)
        case MinShould(parts, count):
            return sum(_matches(part, point, payload) for part in parts) >= count
        case HasId() | IdRange() | IdLike():
            return _id_matches(condition, point.key.id)
        case HasVector(name):
            return name in point.vectors
        case _ if isinstance(condition, FieldTest):
            return _field_matches(condition, value_at(payload, condition.path), point)
        case _:
            found = value_at(payload, condition.path)
            elements = found if isinstance(found, list) else [found]
            return any(_element_matches(condition, element) for element in elements)


def _id_matches(condition: IdTest, found: PointId) -> bool:
    match condition:
        case HasId(ids):
            return found in ids
        case IdRange(op, value):
            return type(found) is type(value) and _COMPARE[op](found, value)
        case IdLike(pattern):
            return isinstance(found, str) and _pattern(pattern).fullmatch(found) is not None
        case _:
            assert_never(condition)


def _element_matches(condition: ElementTest, value: Any) -> bool:
    match condition:
        case Equals(_, wanted):
            return _equal(value, wanted)
        case OneOf(_, wanted):
            return any(_equal(value, each) for each in wanted)
        case NoneOf(_, wanted):
            return not (value is None or value is Missing.MISSING or any(_equal(value, each) for each in wanted))
        case Range() | Interval():
            return _within(value, bounds_of(condition))
        case Like(_, pattern):
            return isinstance(value, str) and _pattern(pattern).fullmatch(value) is not None
        case TextMatch():
            return isinstance(value, str) and _says(condition, value)
        case _:
            return _geo_matches(condition, geo.place_of(value))


def _field_matches(condition: FieldTest, value: Any, point: Point) -> bool:
    match condition:
        case Exists():
            return value is not Missing.MISSING
        case IsNull():
            return value is None
        case IsEmpty():
            return value is Missing.MISSING or value is None or value == []
        case _:
            return isinstance(value, list) and _array_matches(condition, value, point)


def _array_matches(condition: ArrayTest, elements: list[Any], point: Point) -> bool:
    match condition:
        case ContainsAny(_, wanted):
            return any(_has(elements, each) for each in wanted)
        case ContainsAll(_, wanted):
            return all(_has(elements, each) for each in wanted)
        case ContainsNull():
            return None in elements
        case ArrayLength(_, low, high):
            return (low or 0) <= len(elements) <= (math.inf if high is None else high)
        case Nested(_, part):
            return any(isinstance(element, dict) and _matches(part, point, element) for element in elements)
        case AnyElement(_, part):
            return any(_matches(part, point, element) for element in elements)
        case _:
            assert_never(condition)


def _has(values: list[Any], wanted: Any) -> bool:
    return any(_equal(value, wanted) for value in values)


def _equal(value: Any, wanted: Any) -> bool:
    return _class(value) is _class(wanted) and bool(_comparable(value) == _comparable(wanted))


def _within(value: Any, bounds: Sequence[Bound]) -> bool:
    """Of one class with each bound, and on the right side of it."""
    if isinstance(value, str) and isinstance(bounds[0].value, datetime):
        value = said_instant(value)
    return all(
        _class(value) is _class(bound.value) and _COMPARE[bound.op](_comparable(value), _comparable(bound.value))
        for bound in bounds
    )


def _class(value: Any) -> type:
    """Values compare within one class only: numbers are one, bool is not a number."""
    return float if type(value) is int else type(value)


def _comparable(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value


@lru_cache(maxsize=256)
def _pattern(like: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", like, re.DOTALL)
    return re.compile("".join(wild.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


# ---- words ----


def _says(condition: TextMatch, text: str) -> bool:
    wanted, found = words_of(condition.text), words_of(text)
    if not condition.phrase:
        return bool(wanted) and set(wanted) <= set(found)
    return bool(wanted) and any(found[n : n + len(wanted)] == wanted for n in range(len(found)))


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return re.findall(r"[^\W_]+", text.lower())


# ---- places ----


def _geo_matches(condition: GeoTest, place: GeoPoint | None) -> bool:
    match place, condition:
        case None, _:
            return False
        case GeoPoint(), GeoRadius(_, center, meters):
            return geo.meters(place, center) <= meters
        case GeoPoint(), GeoBox(_, west, south, east, north):
            return geo.in_box(place, west, south, east, north)
        case GeoPoint(), GeoPolygon(_, exterior, interiors):
            return geo.in_ring(place, exterior) and all(geo.outside(place, ring) for ring in interiors)
