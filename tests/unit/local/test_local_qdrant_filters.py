"""Filters: the server against the SDK's own in-memory implementation, which is another code base, as the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from qdrant_client import QdrantClient, models

from proxy.local.qdrant import filters, queries, updates

PLANE = models.VectorParams(size=2, distance=models.Distance.DOT)
PAYLOADS: list[dict[str, Any]] = [
    {
        "s": "red",
        "i": 1,
        "f": 0.5,
        "b": True,
        "t": "a quick fox",
        "at": "2024-01-01T00:00:00Z",
        "g": {"lat": 52.5, "lon": 13.4},
    },
    {"s": "green", "i": 2, "f": 1.0, "b": False, "t": "Quick brown", "at": "2024-06-01T12:30:00+02:00"},
    {"s": "blue", "i": 3, "f": -2.5, "l": ["red", "blue"], "g": {"lat": 48.8, "lon": 2.3}},
    {"s": None, "i": -7, "l": [], "n": [{"k": 1, "v": 5}, {"k": 2, "v": 6}]},
    {"l": [1, 2, 3], "n": [{"k": 1, "v": 6}], "o": {"p": {"q": "deep"}}},
    {"l": [None, "red"], "o": {"p": {"q": None}}, "i": 2**53},
    {},
    {
        "s": "redder",
        "b": [True, False],
        "t": "fox",
        "at": "2025-01-01",
        "g": [{"lat": 0.0, "lon": 0.0}, {"lat": 52.4, "lon": 13.5}],
    },
]


def field(key: str, **condition: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key, **condition)


def equals(key: str, value: Any) -> models.FieldCondition:
    return field(key, match=models.MatchValue(value=value))


def point(lat: float, lon: float) -> models.GeoPoint:
    return models.GeoPoint(lat=lat, lon=lon)


RED, FIRST = equals("s", "red"), equals("i", 1)
SQUARE = [point(50, 10), point(54, 10), point(54, 15), point(50, 15), point(50, 10)]
HOLE = [point(52, 13), point(53, 13), point(53, 14), point(52, 14), point(52, 13)]
CONDITIONS: dict[str, models.Condition] = {
    "text": RED,
    "integer": FIRST,
    "negative integer": equals("i", -7),
    "large integer": equals("i", 2**53),
    "true": equals("b", True),
    "false": equals("b", False),
    "element of an array": equals("l", "red"),
    "integer element": equals("l", 2),
    "deep": equals("o.p.q", "deep"),
    "in an array of objects": equals("n[].k", 2),
    "any": field("s", match=models.MatchAny(any=["red", "blue"])),
    "any integer": field("i", match=models.MatchAny(any=[1, 3])),
    "any of none": field("s", match=models.MatchAny(any=[])),
    "except": field("s", match=models.MatchExcept(**{"except": ["red"]})),
    "range": field("i", range=models.Range(gt=1, lte=3)),
    "range of fractions": field("f", range=models.Range(gte=-2.5, lt=1.0)),
    "range over an array": field("l", range=models.Range(gte=3)),
    "time": field("at", range=models.DatetimeRange(gte="2024-06-01T10:30:00Z")),
    "count of values": field("l", values_count=models.ValuesCount(gte=2)),
    "radius": field("g", geo_radius=models.GeoRadius(center=point(52.5, 13.4), radius=50_000)),
    "box": field("g", geo_bounding_box=models.GeoBoundingBox(top_left=point(53, 2), bottom_right=point(48, 14))),
    "polygon": field("g", geo_polygon=models.GeoPolygon(exterior=models.GeoLineString(points=SQUARE))),
    "polygon with a hole": field(
        "g",
        geo_polygon=models.GeoPolygon(
            exterior=models.GeoLineString(points=SQUARE), interiors=[models.GeoLineString(points=HOLE)]
        ),
    ),
    "empty": models.IsEmptyCondition(is_empty=models.PayloadField(key="l")),
    "null": models.IsNullCondition(is_null=models.PayloadField(key="s")),
    "null element": models.IsNullCondition(is_null=models.PayloadField(key="l")),
    "deep null": models.IsNullCondition(is_null=models.PayloadField(key="o.p.q")),
    "ids": models.HasIdCondition(has_id=[1, 3, 99]),
    "vector": models.HasVectorCondition(has_vector=""),
    "nested": models.NestedCondition(
        nested=models.Nested(key="n", filter=models.Filter(must=[equals("k", 1), equals("v", 6)]))
    ),
    "filter in a filter": models.Filter(should=[RED, models.Filter(must=[FIRST], must_not=[RED])]),
}
FILTERS: dict[str, models.Filter] = {
    **{name: models.Filter(must=[condition]) for name, condition in CONDITIONS.items()},
    **{f"not {name}": models.Filter(must_not=[condition]) for name, condition in CONDITIONS.items()},
    "everything": models.Filter(),
    "empty clauses": models.Filter(must=[], should=[], must_not=[]),
    "a lone condition": models.Filter(must=RED),
    "should": models.Filter(should=[RED, FIRST, equals("s", "blue")]),
    "all clauses": models.Filter(
        must=[field("i", range=models.Range(gte=1))], should=[RED, equals("s", "blue")], must_not=[FIRST]
    ),
    "at least two": models.Filter(min_should=models.MinShould(conditions=[RED, FIRST, equals("b", False)], min_count=2)),
}


def fill(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config=PLANE)
    client.upsert(name, [models.PointStruct(id=n, vector=[n, 1], payload=payload) for n, payload in enumerate(PAYLOADS)])


@pytest.fixture(scope="module")
def oracle() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    fill(client, "filters")
    yield client
    client.close()


@pytest.fixture(scope="module")
def filled(client: QdrantClient) -> Iterator[QdrantClient]:
    fill(client, "filters")
    yield client
    client.delete_collection("filters")


@pytest.mark.parametrize("case", FILTERS)
def test_a_filter_finds_what_the_oracle_finds(filled: QdrantClient, oracle: QdrantClient, case: str) -> None:
    found, expected = (client.scroll("filters", scroll_filter=FILTERS[case])[0] for client in (filled, oracle))
    assert [record.id for record in found] == [record.id for record in expected]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (models.MatchText(text="fox"), [0, 7]),
        (models.MatchTextAny(text_any="brown fox"), [0, 1, 7]),
        (models.MatchPhrase(phrase="quick fox"), [0]),
    ],
)
def test_words_are_matched_by_the_index(filled: QdrantClient, match: models.Match, expected: list[int]) -> None:
    filled.create_payload_index(
        "filters",
        "t",
        models.TextIndexParams(
            type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True, phrase_matching=True
        ),
    )
    found, _ = filled.scroll("filters", scroll_filter=models.Filter(must=[field("t", match=match)]))
    assert [record.id for record in found] == expected


def test_prefixes_are_matched(filled: QdrantClient) -> None:
    prefix = models.Filter(must=[field("s", match=models.MatchPrefix(prefix="red"))])
    assert [record.id for record in filled.scroll("filters", scroll_filter=prefix)[0]] == [0, 7]


def test_slices_part_the_points(filled: QdrantClient) -> None:
    parts = [models.SliceCondition(slice=models.Slice(total=3, index=index)) for index in range(3)]
    found = [filled.scroll("filters", scroll_filter=models.Filter(must=[part]))[0] for part in parts]
    assert sorted(record.id for part in found for record in part) == list(range(len(PAYLOADS)))


def test_the_tables_know_every_alternative_of_the_rest_models() -> None:
    assert set(filters.CONDITIONS) == set(get_args(models.Condition))
    assert set(filters.MATCHES) == set(get_args(models.Match))
    assert set(queries.QUERIES) == set(get_args(models.Query))
    assert set(updates.OPERATIONS) == set(get_args(models.UpdateOperation))
