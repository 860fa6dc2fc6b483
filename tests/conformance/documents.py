"""The points that filters choose from: every kind of value in a declared and in a dynamic place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from conformance.world import World

from proxy.model.feature import Feature
from proxy.model.point import GeoPoint, Key, Point
from proxy.model.schema import Field, FieldType, Metric, Schema, VectorField, VectorKind

COLLECTION: Final = "documents"
DIM: Final = 4

SCHEMA: Final = Schema(
    collection=COLLECTION,
    vectors={"v": VectorField("v", VectorKind.DENSE, DIM, Metric.EUCLIDEAN)},
    fields={
        field.name: field
        for field in (
            Field("rank", FieldType.INT64),
            Field("price", FieldType.FLOAT64),
            Field("name", FieldType.STRING, max_length=100),
            Field("flag", FieldType.BOOL),
            Field("tags", FieldType.ARRAY, element=FieldType.STRING, max_length=20),
            Field("marks", FieldType.ARRAY, element=FieldType.INT64),
            Field("doc", FieldType.JSON),
        )
    },
)

# of the dynamic field "any"; the first point does not have it
_ANY: Final[tuple[Any, ...]] = (
    0, 1, 1.0, 1.5, -1, True, False, "1", "", "abc", "abcd", "xabc", "a%c", "ABC", "a word or two",
    "2024-05-01T12:00:00+02:00", "2024-05-31", ["2024-05-02T00:00:00Z", "x"],
    [], [1, 2], [1.0, "x"], ["abc", "zz"], [[1, 2]], [[]],
    {}, {"b": 1}, {"b": [1, 2]}, {"b": {"c": "deep"}}, [{"b": 1, "c": 2}, {"b": 3, "c": 4}],
    2**53, 2**53 + 1, float(2**53), 2**60, 2**60 + 1, -(2**60) - 1, 1e300,
)  # fmt: skip
_NULLS: Final[tuple[Any, ...]] = (None, [None], [None, 1], [1, None], {"b": None})
_TAGS: Final = ([], ["red"], ["red", "green"], ["blue"])
_MARKS: Final = ([], [1], [1, 2, 3], [2**60 + 1], [-5])
_WIDE: Final = {7: 2**53, 8: 2**53 + 1, 9: 2**60 + 1, 10: -(2**60) - 1}


def documents(world: World) -> tuple[Point, ...]:
    values = _ANY + (_NULLS if world.has(Feature.NULL_VALUES) else ())
    plain = [_document(0, {})] + [_document(n, {"any": value}) for n, value in enumerate(values, 1)]
    named = [_document(500 + n, {name: n + 1}) for n, name in enumerate(("with space", "a.b", "ü", "x[0]", "__id__", "$m"))]
    places = [(13.4, 52.5), (13.5, 52.5), (2.35, 48.86)] if world.has(Feature.FILTER_GEO) else []
    located = [_document(600 + n, {"place": GeoPoint(lon, lat)}) for n, (lon, lat) in enumerate(places)]
    found = (*plain, *named, *located)
    return found if world.has(Feature.NEGATIVE_IDS) else tuple(_with_natural_id(point) for point in found)


async def made(world: World) -> str:
    return await world.collection(SCHEMA, documents(world))


def _document(number: int, dynamic: dict[str, Any]) -> Point:
    vector = np.array([number, number % 7, number % 3, 1], np.float32)
    return Point(Key(COLLECTION, None, number - 3 if number < 5 else number), {"v": vector}, _declared(number) | dynamic)


def _with_natural_id(point: Point) -> Point:
    """The few that are negative, behind all others."""
    assert isinstance(point.key.id, int)
    return point if point.key.id >= 0 else replace(point, key=point.key._replace(id=1000 - point.key.id))


def _declared(number: int) -> dict[str, Any]:
    return {
        "rank": _WIDE.get(number, number - 5),
        "price": number / 4,
        "name": f"name {number % 10}",
        "flag": number % 2 == 0,
        "tags": _TAGS[number % len(_TAGS)],
        "marks": _MARKS[number % len(_MARKS)],
        "doc": {"n": number % 4, "list": [number % 3, number % 5], "in": {"s": f"s{number % 2}"}},
    }
