"""Qdrant's conditions on one path, and their logic: the bricks of filter.py. Pure.

Owns: what Qdrant means by a number, an order, a text pattern, an empty `should`. Not: the model's filters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, assert_never

from google.protobuf.timestamp_pb2 import Timestamp

from proxy.backends.originals import INT64_MAX, INT64_MIN
from proxy.backends.qdrant.payload import DOUBLE_LIMIT, double, instant
from proxy.errors import Unsupported
from proxy.model.evaluate import GeoTest
from proxy.model.feature import Feature
from proxy.model.filter import Bound, GeoBox, GeoPolygon, GeoRadius, Op
from proxy.model.point import GeoPoint
from proxy.model.schema import Product
from proxy.qdrant.sdk import grpc

_BOUND: Final = {Op.LT: "lt", Op.LE: "lte", Op.GT: "gt", Op.GE: "gte"}
_PREFIX: Final = re.compile(r"((?:\\.|[^\\%_])*)(%*)", re.DOTALL)


# ---- logic ----


def all_of(parts: Iterable[grpc.Condition]) -> grpc.Condition:
    return grpc.Condition(filter=grpc.Filter(must=parts))


def any_of(parts: Iterable[grpc.Condition]) -> grpc.Condition:
    """Qdrant itself reads an empty `should` as everything."""
    should = list(parts)
    return grpc.Condition(filter=grpc.Filter(should=should)) if should else negation(all_of(()))


def negation(part: grpc.Condition) -> grpc.Condition:
    return grpc.Condition(filter=grpc.Filter(must_not=[part]))


def at_least(count: int, parts: Sequence[grpc.Condition]) -> grpc.Condition:
    if count <= 0:
        return all_of(())
    return grpc.Condition(filter=grpc.Filter(min_should=grpc.MinShould(conditions=parts, min_count=count)))


def nothing() -> grpc.Condition:
    return any_of(())


# ---- presence ----


def is_empty(key: str) -> grpc.Condition:
    """Missing, null or []."""
    return grpc.Condition(is_empty=grpc.IsEmptyCondition(key=key))


def is_null(key: str) -> grpc.Condition:
    """Null, or an array with a null in it."""
    return grpc.Condition(is_null=grpc.IsNullCondition(key=key))


# ---- values: of the field, or of any element of its array ----


def field(key: str, **test: Any) -> grpc.Condition:
    return grpc.Condition(field=grpc.FieldCondition(key=key, **test))


def match(key: str, **value: Any) -> grpc.Condition:
    return field(key, match=grpc.Match(**value))


def texts(key: str, wanted: Iterable[str]) -> grpc.Condition:
    return match(key, keywords=grpc.RepeatedStrings(strings=wanted))


def integers(key: str, wanted: Iterable[int]) -> grpc.Condition:
    """Never a double, be it whole. Integers that Qdrant cannot hold match nothing."""
    fitting = [number for number in wanted if INT64_MIN <= number <= INT64_MAX]
    return match(key, integers=grpc.RepeatedIntegers(integers=fitting))


def like(key: str, pattern: str) -> grpc.Condition:
    """Only a prefix, or no wildcard at all."""
    wanted = _PREFIX.fullmatch(pattern)
    if wanted is None:
        raise Unsupported(Feature.FILTER_LIKE, Product.QDRANT, f"{pattern!r}, where only a prefix such as 'abc%' is")
    text = re.sub(r"\\(.)", r"\1", wanted[1], flags=re.DOTALL)
    return match(key, prefix=text) if wanted[2] else match(key, keyword=text)


def equal_time(key: str, value: datetime) -> grpc.Condition:
    moment = _timestamp(value)
    return field(key, datetime_range=grpc.DatetimeRange(gte=moment, lte=moment))


def geo(key: str, test: GeoTest) -> grpc.Condition:
    match test:
        case GeoRadius(_, center, meters):
            return field(key, geo_radius=grpc.GeoRadius(center=_geo_point(center), radius=meters))
        case GeoBox(_, west, south, east, north):
            corners = {"top_left": grpc.GeoPoint(lon=west, lat=north), "bottom_right": grpc.GeoPoint(lon=east, lat=south)}
            return field(key, geo_bounding_box=grpc.GeoBoundingBox(**corners))
        case GeoPolygon(_, exterior, interiors):
            polygon = grpc.GeoPolygon(exterior=_ring(exterior), interiors=map(_ring, interiors))
            return field(key, geo_polygon=polygon)
        case _:
            assert_never(test)


def _ring(points: Sequence[GeoPoint]) -> grpc.GeoLineString:
    return grpc.GeoLineString(points=map(_geo_point, points))


def _geo_point(point: GeoPoint) -> grpc.GeoPoint:
    return grpc.GeoPoint(lon=point.lon, lat=point.lat)


# ---- numbers: without an index Qdrant compares them as doubles; payload.py stores whole doubles from 2**53 on as integers ----


def equal_number(key: str, value: int | float) -> grpc.Condition:
    """Integers and doubles alike. Beyond 64 bits numbers compare as doubles."""
    if math.isnan(value):
        return nothing()
    if _is_wide(value):
        return integers(key, [int(value)])
    return field(key, range=grpc.Range(gte=double(value), lte=double(value)))


def interval(key: str, bounds: Sequence[Bound]) -> grpc.Condition:
    """Of bounds of one class. Raises Unsupported for texts, and for several bounds where integers share a double."""
    values = [bound.value for bound in bounds]
    if all(isinstance(value, datetime) for value in values):
        moments = {_BOUND[bound.op]: _timestamp(bound.value) for bound in bounds if isinstance(bound.value, datetime)}
        return field(key, datetime_range=grpc.DatetimeRange(**moments))
    numbers = [(bound.op, bound.value) for bound in bounds if isinstance(bound.value, int | float)]
    if len(numbers) < len(bounds):
        raise Unsupported(Feature.FILTER_TEXT_RANGE, Product.QDRANT)
    if len(numbers) == 1:
        return number_range(key, *numbers[0])
    if any(math.isnan(value) or _is_wide(value) for _, value in numbers):
        raise Unsupported(Feature.FILTER_RANGE, Product.QDRANT, "an interval of integers that are no doubles")
    return field(key, range=grpc.Range(**{_BOUND[op]: double(value) for op, value in numbers}))


def number_range(key: str, op: Op, bound: int | float) -> grpc.Condition:
    if math.isnan(bound):
        return nothing()
    if _is_wide(bound):
        return _wide_range(key, op, int(bound))
    return field(key, range=grpc.Range(**{_BOUND[op]: double(bound)}))


def _is_wide(value: int | float) -> bool:
    """An integer, or stored as one, that shares its double with others."""
    return abs(value) >= DOUBLE_LIMIT and INT64_MIN <= value <= INT64_MAX


def _wide_range(key: str, op: Op, bound: int) -> grpc.Condition:
    """Where several integers are one double: doubles surely beyond the bound, and each integer before those one by one."""
    upwards = op in (Op.GT, Op.GE)
    first = bound + {Op.GT: 1, Op.GE: 0, Op.LT: -1, Op.LE: 0}[op]
    beyond = _steps(float(bound), 3, math.inf if upwards else -math.inf)
    before = range(first, int(beyond), 1 if upwards else -1)
    outside = grpc.Range(gte=beyond) if upwards else grpc.Range(lte=beyond)
    return any_of([field(key, range=outside), integers(key, before)])


def _steps(value: float, count: int, towards: float) -> float:
    for _ in range(count):
        value = math.nextafter(value, towards)
    return value


def _timestamp(value: datetime) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(instant(value))
    return moment
