"""The model's filters as an application on Qdrant writes them. Pure.

Raises Refused for what Qdrant has no condition for: nothing is asked that means something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from qdrant_client import models

from proxy.errors import Refused
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
    Filter,
    GeoBox,
    GeoPolygon,
    GeoRadius,
    HasId,
    HasVector,
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
    Scalar,
    TextMatch,
    bounds_of,
)
from proxy.model.point import GeoPoint
from proxy.model.schema import FieldType, Schema

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_BOUND: Final = {Op.LT: "lt", Op.LE: "lte", Op.GT: "gt", Op.GE: "gte"}
_PATTERN: Final = re.compile(r"(?P<before>(?:%(?=.))?)(?P<text>(?:\\.|[^\\%_])*)(?P<behind>%?)", re.DOTALL)


def filter_of(condition: Filter, schema: Schema) -> models.Filter | None:
    return None if condition == AllOf(()) else models.Filter(must=[_condition(condition, schema)])


def can_be_said(name: str) -> bool:
    return name != "" and '"' not in name


def key_of(path: Path) -> str:
    first, *rest = path
    return _step(first) + "".join(f"[{step}]" if isinstance(step, int) else f".{_step(step)}" for step in rest)


def _step(step: str | int) -> str:
    name = str(step)
    if not can_be_said(name):
        raise Refused(f"no path of Qdrant can name {name!r}")
    return name if _BARE.fullmatch(name) else f'"{name}"'


def _condition(condition: Filter, schema: Schema) -> Any:
    """Of any models.Condition."""
    match condition:
        case AllOf() | AnyOf() | Not() | MinShould():
            return _logic(condition, schema)
        case HasId() | HasVector():
            return _of_point(condition)
        case ContainsAny() | ContainsAll() | ContainsNull() | ArrayLength():
            return _of_array(condition, schema)
        case Nested(path, part):
            inner = models.Filter(must=[_condition(part, schema)])
            return models.NestedCondition(nested=models.Nested(key=key_of(path), filter=inner))
        case AnyElement(path, Equals((), value)):
            return models.FieldCondition(key=key_of(path) + "[]", match=models.MatchValue(value=value))
        case IsNull() | IsEmpty():
            return _of_presence(condition)
        case GeoRadius() | GeoBox() | GeoPolygon():
            return _of_place(condition)
        case _:
            return _of_value(condition)


def _logic(condition: AllOf | AnyOf | Not | MinShould, schema: Schema) -> models.Filter:
    match condition:
        case AllOf(parts):
            return models.Filter(must=_all(parts, schema))
        case AnyOf(()):
            return _not(models.Filter())
        case AnyOf(parts):
            return models.Filter(should=_all(parts, schema))
        case Not(part):
            return _not(_condition(part, schema))
        case MinShould(parts, count):
            return models.Filter(min_should=models.MinShould(conditions=_all(parts, schema), min_count=count))


def _of_point(condition: HasId | HasVector) -> Any:
    """No application asks for an id that Qdrant cannot have."""
    match condition:
        case HasId(ids):
            possible = [each for each in ids if not isinstance(each, int) or each >= 0]
            return models.HasIdCondition(has_id=[each if isinstance(each, int) else str(each) for each in possible])
        case HasVector(name):
            return models.HasVectorCondition(has_vector=name)


def _all(parts: Sequence[Filter], schema: Schema) -> list[Any]:
    return [_condition(part, schema) for part in parts]


def _not(condition: Any) -> models.Filter:
    return models.Filter(must_not=[condition])


def _field(path: Path, **test: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key_of(path), **test)


# ---- one value ----


def _of_value(condition: Any) -> Any:
    match condition:
        case Equals(path, value):
            return _equals(path, value)
        case OneOf(path, values):
            return _one_of(path, values)
        case NoneOf(path, values):
            return _field(path, match=models.MatchExcept(**{"except": list(values)}))
        case Range() | Interval():
            return _range(condition.path, bounds_of(condition))
        case Like(path, pattern):
            return _field(path, match=_pattern(pattern))
        case TextMatch(path, text, phrase):
            return _field(path, match=models.MatchPhrase(phrase=text) if phrase else models.MatchText(text=text))
        case _:
            raise Refused(f"Qdrant has no condition for {type(condition).__name__}")


def _equals(path: Path, value: Scalar) -> Any:
    """Qdrant matches no fraction, but a range can be as narrow as one."""
    if isinstance(value, float):
        return _field(path, range=models.Range(gte=value, lte=value))
    return _field(path, match=models.MatchValue(value=value))


def _one_of(path: Path, values: Sequence[Scalar]) -> Any:
    if len({type(value) for value in values}) == 1 and isinstance(values[0], str | int):
        return _field(path, match=models.MatchAny(any=list(values)))
    return models.Filter(should=[_equals(path, value) for value in values]) if values else _not(models.Filter())


def _range(path: Path, bounds: Sequence[Bound]) -> Any:
    said: dict[str, Any] = {_BOUND[bound.op]: bound.value for bound in bounds}
    if all(isinstance(value, datetime) for value in said.values()):
        return _field(path, range=models.DatetimeRange(**said))
    if any(float(value) != value for value in said.values()):
        raise Refused("the bounds of Qdrant's ranges are doubles")
    return _field(path, range=models.Range(**said))


def _pattern(pattern: str) -> Any:
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        raise Refused("Qdrant has no patterns but a prefix and a part")
    text = re.sub(r"\\(.)", r"\1", found["text"], flags=re.DOTALL)
    match bool(found["before"]), bool(found["behind"]):
        case False, False:
            return models.MatchValue(value=text)
        case False, True:
            return models.MatchPrefix(prefix=text)
        case True, True:
            return models.MatchSubstring(substring=text)
        case _:
            raise Refused("Qdrant has no condition on how a text ends")


# ---- presence: an array with a null in it is null to Qdrant as well, but not empty ----


def _of_presence(condition: IsNull | IsEmpty) -> Any:
    empty = _empty(condition.path)
    return models.Filter(must=[_null(condition.path), empty]) if isinstance(condition, IsNull) else empty


def _null(path: Path) -> models.IsNullCondition:
    return models.IsNullCondition(is_null=models.PayloadField(key=key_of(path)))


def _empty(path: Path) -> models.IsEmptyCondition:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=key_of(path)))


# ---- arrays: to Qdrant a value is an array of one ----


def _of_array(condition: ContainsAny | ContainsAll | ContainsNull | ArrayLength, schema: Schema) -> Any:
    match condition:
        case ContainsAny(path, values):
            return _in_array(path, [_one_of(path, values)], schema)
        case ContainsAll(path, ()):
            return _in_array(path, [_field(path, values_count=models.ValuesCount(gte=0))], schema, filled=False)
        case ContainsAll(path, values):
            return _in_array(path, [_equals(path, value) for value in values], schema)
        case ContainsNull(path):
            return models.Filter(must=[_null(path), _not(_empty(path))])
        case ArrayLength(path, low, high):
            count = _field(path, values_count=models.ValuesCount(gte=low or 0, lte=high))
            return count if low and low > 1 else _short(path, count, schema, low or 0)


def _in_array(path: Path, tests: Iterable[Any], schema: Schema, *, filled: bool = True) -> models.Filter:
    """`filled`: an empty array is not meant, which Qdrant cannot tell from what is missing."""
    if _is_declared_array(path, schema):
        return models.Filter(must=list(tests))
    if not filled:
        raise Refused("Qdrant cannot tell an empty array from what is missing")
    elements = models.IsEmptyCondition(is_empty=models.PayloadField(key=key_of(path) + "[]"))
    return models.Filter(must=[*tests, _not(elements)])


def _short(path: Path, count: models.FieldCondition, schema: Schema, low: int) -> Any:
    if low and not _is_declared_array(path, schema):
        raise Refused("Qdrant cannot tell an array of an empty array from a single value")
    return _in_array(path, [count], schema, filled=bool(low))


def _is_declared_array(path: Path, schema: Schema) -> bool:
    """The application that declares a field has the same in every point of it."""
    field = schema.fields.get(str(path[0]))
    return len(path) == 1 and field is not None and field.type is FieldType.ARRAY


# ---- places ----


def _of_place(condition: GeoRadius | GeoBox | GeoPolygon) -> models.FieldCondition:
    match condition:
        case GeoRadius(path, center, meters):
            return _field(path, geo_radius=models.GeoRadius(center=_geo(center), radius=meters))
        case GeoBox(path, west, south, east, north):
            corners = {"top_left": models.GeoPoint(lon=west, lat=north), "bottom_right": models.GeoPoint(lon=east, lat=south)}
            return _field(path, geo_bounding_box=models.GeoBoundingBox(**corners))
        case GeoPolygon(path, exterior, interiors):
            area = models.GeoPolygon(exterior=_ring(exterior), interiors=[_ring(ring) for ring in interiors])
            return _field(path, geo_polygon=area)


def _geo(point: GeoPoint) -> models.GeoPoint:
    return models.GeoPoint(lon=point.lon, lat=point.lat)


def _ring(points: Sequence[GeoPoint]) -> models.GeoLineString:
    return models.GeoLineString(points=[_geo(point) for point in points])
