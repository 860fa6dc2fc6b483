"""Conditions on one payload key -> the model's.

What makes it more than a translation: Qdrant asks about each value that the key leads to, where `a[].b` leads to several; a
value that is no array counts as one; null and [] count as none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

from qdrant_client import models

from proxy.errors import Refused
from proxy.frontends.qdrant.paths import Where, where
from proxy.model.evaluate import words_of
from proxy.model.filter import (
    AllOf,
    AnyOf,
    ArrayLength,
    Bound,
    ContainsNull,
    Equals,
    Exists,
    Filter,
    GeoBox,
    GeoPolygon,
    GeoRadius,
    Interval,
    IsEmpty,
    IsNull,
    Like,
    NoneOf,
    Not,
    OneOf,
    Op,
    Path,
    Range,
    TextMatch,
)
from proxy.model.point import GeoPoint

_OPS: Final = {"lt": Op.LT, "lte": Op.LE, "gt": Op.GT, "gte": Op.GE}
_RING: Final = 4
"""Points of the smallest ring, the first of them again at its end."""


def field_test(found: models.FieldCondition) -> Filter:
    """Of several tests in one condition, Qdrant looks at the first of these; others are alternatives."""
    place = where(found.key)
    if found.values_count is not None:
        return _values_count(place, found.values_count)
    if found.is_empty is not None:
        return _some(place, IsEmpty) if found.is_empty else place.some(lambda path: Not(IsEmpty(path)))
    if found.is_null is not None:
        return is_null(place) if found.is_null else _some(place, lambda path: Not(_null(path)))
    tests = _tests(found, place)
    if not tests:
        raise Refused("At least one field condition must be specified")
    return tests[0] if len(tests) == 1 else AnyOf(tuple(tests))


def is_empty(place: Where) -> Filter:
    """All that the key leads to is missing, null or []."""
    return Not(place.some(lambda path: Not(IsEmpty(path))))


def is_null(place: Where) -> Filter:
    """An array with a null in it is null to Qdrant as well."""
    return place.some(_null)


def _null(path: Path) -> Filter:
    return AnyOf((IsNull(path), ContainsNull(path)))


def _some(place: Where, test: Callable[[Path], Filter]) -> Filter:
    """`test`, which holds for what is missing, for one of the values that are there, or there is none."""
    if not place.arrays:
        return test(place.path)
    none = Not(place.some(Exists))
    return AnyOf((none, place.some(lambda path: AllOf((Exists(path), test(path))))))


def _tests(found: models.FieldCondition, place: Where) -> list[Filter]:
    tests: list[Filter] = []
    if found.match is not None:
        tests.append(place.some(lambda path: _match(path, found.match)))
    if found.range is not None:
        bounds = _bounds(found.range)
        tests.append(place.some(lambda path: _range(path, bounds)))
    for area in (found.geo_radius, found.geo_bounding_box, found.geo_polygon):
        if area is not None:
            tests.append(place.some(partial(_geo, area)))
    return tests


# ---- match ----


def _match(path: Path, match: Any) -> Filter:
    """Of any models.Match."""
    match match:
        case models.MatchValue():
            return Equals(path, match.value)
        case models.MatchAny():
            return OneOf(path, tuple(match.any))
        case models.MatchExcept():
            return NoneOf(path, tuple(match.except_))
        case models.MatchPrefix():
            return Like(path, _escaped(match.prefix) + "%")
        case models.MatchSubstring():
            return Like(path, f"%{_escaped(match.substring)}%")
        case _:
            return _words(path, match)


def _words(path: Path, match: Any) -> Filter:
    """As Qdrant's default tokenizer has them."""
    match match:
        case models.MatchText():
            return TextMatch(path, match.text)
        case models.MatchPhrase():
            return TextMatch(path, match.phrase, phrase=True)
        case models.MatchTextAny():
            return AnyOf(tuple(TextMatch(path, word) for word in words_of(match.text_any)))
        case _:
            raise Refused(f"{type(match).__name__} is no match that is known here")


def _escaped(text: str) -> str:
    return re.sub(r"[\\%_]", r"\\\g<0>", text)


# ---- ranges ----


def _bounds(found: models.Range | models.DatetimeRange) -> tuple[Bound, ...]:
    given = {op: getattr(found, name) for name, op in _OPS.items()}
    return tuple(Bound(op, _bound(value)) for op, value in given.items() if value is not None)


def _bound(value: float | date) -> float | datetime:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


def _range(path: Path, bounds: Sequence[Bound]) -> Filter:
    match bounds:
        case []:
            return AnyOf((Range(path, Op.LT, 0.0), Range(path, Op.GE, 0.0)))  # any number
        case [bound]:
            return Range(path, bound.op, bound.value)
        case _:
            return Interval(path, tuple(bounds))


def _values_count(place: Where, found: models.ValuesCount) -> Filter:
    low = max(found.gte or 0, 0 if found.gt is None else found.gt + 1)
    highs = [found.lte, None if found.lt is None else found.lt - 1]
    high = min((each for each in highs if each is not None), default=None)
    if high is not None and high < low:
        return AnyOf(())
    if low > 0:
        return place.some(lambda path: _count(path, low, high))
    return _some(place, lambda path: _count(path, low, high))


def _count(path: Path, low: int, high: int | None) -> Filter:
    """What is missing counts as none. Said by what is empty and by arrays of two or more, of which every product can tell."""
    if low > 1:
        return ArrayLength(path, low, high)
    if high == 0:
        return IsEmpty(path)
    least = () if low <= 0 else (Not(IsEmpty(path)),)
    most = () if high is None else (Not(ArrayLength(path, high + 1, None)),)
    clauses = (*least, *most)
    return clauses[0] if len(clauses) == 1 else AllOf(clauses)


# ---- places ----


def _geo(area: models.GeoRadius | models.GeoBoundingBox | models.GeoPolygon, path: Path) -> Filter:
    match area:
        case models.GeoRadius():
            return GeoRadius(path, _point(area.center), area.radius)
        case models.GeoBoundingBox():
            west, north = area.top_left.lon, area.top_left.lat
            return GeoBox(path, west, area.bottom_right.lat, area.bottom_right.lon, north)
        case models.GeoPolygon():
            return GeoPolygon(path, _ring(area.exterior), tuple(map(_ring, area.interiors or ())))


def _ring(found: models.GeoLineString) -> tuple[GeoPoint, ...]:
    points = tuple(map(_point, found.points))
    if len(points) < _RING or points[0] != points[-1]:
        raise Refused("polygon invalid, the first and the last points of a ring must be the same one of 4 or more")
    return points


def _point(found: models.GeoPoint) -> GeoPoint:
    return GeoPoint(found.lon, found.lat)
