"""Seeded payloads and filters over the whole of Qdrant's grammar, for comparison with Qdrant's own engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from random import Random
from typing import Any, Final

from qdrant_client import models

NAMES: Final = ["a", "b"]
KEYS: Final = [
    "a",
    "a",
    "b",
    "a.b",
    "a[0]",
    "a[1].b",
    "a[].b",
    "a[].b[].a",
    "a[]",
    "a[][]",
    "a[].b[]",
    "a[][0].b",
    "b[][].a",
    '"a".b',
    "b[].a.b",
]
ARRAYS: Final = ["a", "a[]", "b", "a.b", "a[].b", "a[][]", "a[].b[]"]
TEXTS: Final = ["", "x", "Hello big World", "hello", "big-world!", "100%_a", "2024-01-01", "2024-06-01T00:00:00+02:00"]
WORDS: Final = [*TEXTS, "World hello", "hello big", "big", "World x", "!"]
PIECES: Final = ["", "he", "ell", "100%", "%", "_", "1"]
INTEGERS: Final = [-1, 0, 1, 2, 5]
NUMBERS: Final = [*INTEGERS, 0.5, -2.5]
TIMES: Final = [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 5, 31, 22, tzinfo=UTC), datetime(2023, 3, 3), date(2024, 1, 1)]
PLACES: Final = [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (10.0, 50.0), (-179.5, 0.25), (179.5, 0.25)]
RING: Final = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.25, 0.25)]
HOLE: Final = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6), (0.4, 0.4)]
BOXES: Final = [((-0.5, 1.5), (1.5, -0.5)), ((179, 1), (-179, -1)), ((0, 1), (1, 0)), ((1, 0), (0, 1))]
TESTS: Final = [
    "match",
    "range",
    "times",
    "values_count",
    "is_empty",
    "is_null",
    "geo_radius",
    "geo_bounding_box",
    "geo_polygon",
]


def payload(chance: Random) -> dict[str, Any]:
    return {name: _value(chance, 0) for name in NAMES if chance.random() < 0.8}


def a_filter(chance: Random, depth: int = 0, *, nested: bool = False) -> models.Filter:
    """Mostly one clause or two, with a condition or two."""
    found: dict[str, Any] = {}
    for clause in chance.sample(["must", "should", "must_not", "min_should"], chance.choice([0, 1, 1, 1, 2])):
        parts = [_condition(chance, depth, nested) for _ in range(chance.choice([0, 1, 1, 2, 3]))]
        if clause == "min_should" and not parts:
            continue  # the engine forgets an empty one beside other clauses
        if clause == "min_should":
            found[clause] = models.MinShould(conditions=parts, min_count=chance.randint(0, 2))
        else:
            found[clause] = parts[0] if len(parts) == 1 and chance.random() < 0.5 else parts
    return models.Filter(**found)


def _value(chance: Random, depth: int) -> Any:
    roll = chance.random()
    if depth < 3 and roll < 0.2:
        return [_value(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    if depth < 3 and roll < 0.4:
        return {name: _value(chance, depth + 1) for name in NAMES if chance.random() < 0.6}
    if roll < 0.5:
        lon, lat = chance.choice(PLACES)
        return {"lon": lon, "lat": lat}
    return chance.choice([None, True, False, chance.choice(NUMBERS), chance.choice(NUMBERS), chance.choice(TEXTS)])


def _condition(chance: Random, depth: int, nested: bool) -> Any:
    roll = chance.random()
    if roll < 0.1 and depth < 3:
        return a_filter(chance, depth + 1, nested=nested)
    if roll < 0.25 and depth < 3:
        inner = a_filter(chance, depth + 1, nested=True)
        return models.NestedCondition(nested=models.Nested(key=chance.choice(ARRAYS), filter=inner))
    if roll < 0.3:
        return models.IsEmptyCondition(is_empty=models.PayloadField(key=chance.choice(KEYS)))
    if roll < 0.35:
        return models.IsNullCondition(is_null=models.PayloadField(key=chance.choice(KEYS)))
    if roll < 0.4 and not nested:
        return models.HasIdCondition(has_id=chance.sample(range(8), chance.randint(0, 3)))
    if roll < 0.45 and not nested:
        return models.HasVectorCondition(has_vector=chance.choice(["dense", "sparse", "none"]))
    return _field(chance)


def _field(chance: Random) -> models.FieldCondition:
    tests: dict[str, Any] = {}
    for name in chance.sample(TESTS, chance.choice([1, 1, 1, 1, 2])):
        tests |= {"range" if name == "times" else name: _test(chance, name)}
    return models.FieldCondition(key=chance.choice(KEYS), **tests)


def _test(chance: Random, name: str) -> Any:
    match name:
        case "match":
            return chance.choice(_MATCHES)(chance)
        case "range":
            return models.Range(**_bounds(chance, NUMBERS, 0))
        case "times":
            return models.DatetimeRange(**_bounds(chance, TIMES, 1))
        case "values_count":
            return models.ValuesCount(**_bounds(chance, range(4), 0))
        case "is_empty" | "is_null":
            return chance.random() < 0.5
        case "geo_radius":
            return models.GeoRadius(center=_point(chance.choice(PLACES)), radius=chance.choice([10.0, 1e5, 1e7]))
        case "geo_bounding_box":
            top_left, bottom_right = chance.choice(BOXES)
            return models.GeoBoundingBox(top_left=_point(top_left), bottom_right=_point(bottom_right))
        case _:
            return models.GeoPolygon(exterior=_ring(RING), interiors=[_ring(HOLE)] if chance.random() < 0.5 else None)


def _bounds(chance: Random, values: Any, least: int) -> dict[str, Any]:
    names = chance.sample(["lt", "lte", "gt", "gte"], chance.choice([least, 1, 1, 2, 2]))
    return {name: chance.choice(values) for name in names}


def _several(chance: Random) -> list[Any]:
    return chance.sample(chance.choice([TEXTS, INTEGERS]), chance.randint(0, 3))


_MATCHES: Final[list[Callable[[Random], Any]]] = [
    lambda chance: models.MatchValue(value=chance.choice([True, False, *INTEGERS, *TEXTS])),
    lambda chance: models.MatchAny(any=_several(chance)),
    lambda chance: models.MatchExcept(**{"except": _several(chance)}),
    lambda chance: models.MatchText(text=chance.choice(WORDS)),
    lambda chance: models.MatchTextAny(text_any=chance.choice(WORDS)),
    lambda chance: models.MatchPhrase(phrase=chance.choice(WORDS)),
    lambda chance: models.MatchPrefix(prefix=chance.choice(PIECES)),
    lambda chance: models.MatchSubstring(substring=chance.choice(PIECES)),
]


def _ring(points: list[tuple[float, float]]) -> models.GeoLineString:
    return models.GeoLineString(points=list(map(_point, points)))


def _point(place: tuple[float, float]) -> models.GeoPoint:
    return models.GeoPoint(lon=place[0], lat=place[1])
