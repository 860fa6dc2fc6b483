"""Whether a point satisfies a filter: the executable meaning of `filter.py`. Pure; knows no product."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any, Final, TypeAlias, assert_never

from proxy.model.filter import (
    AllOf,
    AnyOf,
    ArrayLength,
    ContainsAll,
    ContainsAny,
    Equals,
    Exists,
    Filter,
    GeoRadius,
    HasId,
    IdLike,
    IdRange,
    IsEmpty,
    IsNull,
    Like,
    MinShould,
    Nested,
    Not,
    OneOf,
    Op,
    Path,
    Range,
    TextMatch,
)
from proxy.model.point import GeoPoint, Key, Payload, Point

EARTH_RADIUS_METERS: Final = 6_371_008.8


class Missing(Enum):
    """What `value_at` gives for a key that is not there; null is None."""

    MISSING = "missing"


ElementTest: TypeAlias = Equals | OneOf | Range | Like | TextMatch | GeoRadius
FieldTest: TypeAlias = ContainsAny | ContainsAll | ArrayLength | Exists | IsNull | IsEmpty | Nested
IdTest: TypeAlias = HasId | IdRange | IdLike

_COMPARE: Final[Mapping[Op, Callable[[Any, Any], bool]]] = {Op.LT: lt, Op.LE: le, Op.GT: gt, Op.GE: ge}


def matches(condition: Filter, point: Point) -> bool:
    return _matches(condition, point.key, point.payload)


def value_at(payload: Payload, path: Path) -> Any:
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


def _matches(condition: Filter, key: Key, payload: Payload) -> bool:
    match condition:
        case AllOf(parts):
            return all(_matches(part, key, payload) for part in parts)
        case AnyOf(parts):
            return any(_matches(part, key, payload) for part in parts)
        case Not(part):
            return not _matches(part, key, payload)
        case MinShould(parts, count):
            return sum(_matches(part, key, payload) for part in parts) >= count
        case HasId() | IdRange() | IdLike():
            return _id_matches(condition, key)
        case Equals() | OneOf() | Range() | Like() | TextMatch() | GeoRadius():
            found = value_at(payload, condition.path)
            elements = found if isinstance(found, list) else [found]
            return any(_element_matches(condition, element) for element in elements)
        case _:
            return _field_matches(condition, value_at(payload, condition.path), key)


def _id_matches(condition: IdTest, key: Key) -> bool:
    match condition:
        case HasId(ids):
            return key.id in ids
        case IdRange(op, value):
            return type(key.id) is type(value) and _COMPARE[op](key.id, value)
        case IdLike(pattern):
            return isinstance(key.id, str) and _pattern(pattern).fullmatch(key.id) is not None
        case _:
            assert_never(condition)


def _element_matches(condition: ElementTest, value: Any) -> bool:
    match condition:
        case Equals(_, wanted):
            return _equal(value, wanted)
        case OneOf(_, wanted):
            return any(_equal(value, each) for each in wanted)
        case Range(_, op, bound):
            return _comparable(value, bound) and _COMPARE[op](_instant(value), _instant(bound))
        case Like(_, pattern):
            return isinstance(value, str) and _pattern(pattern).fullmatch(value) is not None
        case TextMatch(_, text):
            return isinstance(value, str) and _words(text) <= _words(value)
        case GeoRadius(_, center, meters):
            return isinstance(value, GeoPoint) and _meters(value, center) <= meters
        case _:
            assert_never(condition)


def _field_matches(condition: FieldTest, value: Any, key: Key) -> bool:
    match condition:
        case ContainsAny(_, wanted):
            return isinstance(value, list) and any(_has(value, each) for each in wanted)
        case ContainsAll(_, wanted):
            return isinstance(value, list) and all(_has(value, each) for each in wanted)
        case ArrayLength(_, low, high):
            return isinstance(value, list) and (low or 0) <= len(value) <= (math.inf if high is None else high)
        case Exists():
            return value is not Missing.MISSING
        case IsNull():
            return value is None
        case IsEmpty():
            return value is Missing.MISSING or value is None or value == []
        case Nested(_, part):
            elements = value if isinstance(value, list) else []
            return any(isinstance(element, dict) and _matches(part, key, element) for element in elements)
        case _:
            assert_never(condition)


def _has(values: list[Any], wanted: Any) -> bool:
    return any(_equal(value, wanted) for value in values)


def _equal(value: Any, wanted: Any) -> bool:
    return _class(value) is _class(wanted) and bool(_instant(value) == _instant(wanted))


def _comparable(value: Any, bound: Any) -> bool:
    return _class(value) is _class(bound) and _class(bound) in (float, str, datetime)


def _class(value: Any) -> type:
    """Values compare within one class only: numbers are one, bool is not a number."""
    return float if type(value) is int else type(value)


def _instant(value: Any) -> Any:
    """A time without a zone is UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


@lru_cache(maxsize=256)
def _pattern(like: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", like, re.DOTALL)
    return re.compile("".join(wild.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _meters(a: GeoPoint, b: GeoPoint) -> float:
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half_lat, half_lon = (lat_b - lat_a) / 2, math.radians(b.lon - a.lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_METERS * math.asin(min(1.0, math.sqrt(chord)))
