from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from proxy.model.evaluate import Missing, matches, value_at
from proxy.model.filter import (
    EVERYTHING,
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
    Range,
    TextMatch,
)
from proxy.model.point import GeoPoint, Key, Point

UID = UUID("936da01f-9abd-4d9d-80c7-02af85c822a8")
PAYLOAD = {
    "n": 3,
    "x": 0.5,
    "nan": float("nan"),
    "t": "Größe 10%_a",
    "yes": True,
    "null": None,
    "none": [],
    "tags": ["a", "b", 7],
    "o": {"k": {"z": 1}, "list": [10, {"q": 2}]},
    "parts": [{"n": 1, "ok": True}, {"n": 2, "ok": False}, "loose"],
    "when": datetime(2024, 5, 1, tzinfo=UTC),
    "id": UID,
    "spot": GeoPoint(13.4, 52.5),
    "said": {"lon": 13.4, "lat": 52.5},
    "date": "2024-05-01",
    "holes": [1, None],
}
RING = tuple(GeoPoint(lon, lat) for lon, lat in ((13, 52), (14, 52), (14, 53), (13, 53), (13, 52)))
ONE, TWO = Equals(("n",), 3), Equals(("x",), 0.5)
NO = Equals(("n",), 4)

TRUE: list[Filter] = [
    EVERYTHING,
    ONE,
    Equals(("n",), 3.0),
    Equals(("yes",), True),
    Equals(("tags",), "b"),
    Equals(("o", "k", "z"), 1),
    Equals(("o", "list", 0), 10),
    Equals(("when",), datetime(2024, 5, 1)),
    Equals(("id",), UID),
    OneOf(("n",), (9, 3)),
    OneOf(("tags",), ("z", 7)),
    Range(("n",), Op.GE, 3),
    Range(("x",), Op.LT, 1),
    Range(("tags",), Op.GT, 6),
    Range(("t",), Op.GT, "Gr"),
    Range(("when",), Op.LE, datetime(2024, 5, 2, tzinfo=UTC)),
    ContainsAny(("tags",), ("q", "a")),
    ContainsAll(("tags",), ("a", 7)),
    ContainsAll(("none",), ()),
    ArrayLength(("tags",), 3, 3),
    ArrayLength(("none",), None, 0),
    Exists(("null",)),
    Exists(("tags", 2)),
    IsNull(("null",)),
    IsEmpty(("null",)),
    IsEmpty(("none",)),
    IsEmpty(("absent",)),
    Like(("t",), "Gr%"),
    Like(("t",), r"%10\%\__"),
    Like(("tags",), "_"),
    TextMatch(("t",), "größe 10"),
    GeoRadius(("spot",), GeoPoint(13.4, 52.51), 1200),
    GeoRadius(("said",), GeoPoint(13.4, 52.51), 1200),
    GeoBox(("spot",), 13.3, 52.4, 13.5, 52.6),
    GeoBox(("spot",), 13.3, 52.4, -170.0, 52.6),
    GeoPolygon(("spot",), RING),
    Interval(("n",), (Bound(Op.GT, 2), Bound(Op.LE, 3.0))),
    Interval(("tags",), (Bound(Op.GE, "a"), Bound(Op.LT, "b"))),
    Interval(("date",), (Bound(Op.GT, datetime(2024, 4, 30)), Bound(Op.LT, datetime(2024, 5, 2)))),
    Range(("date",), Op.GE, datetime(2024, 5, 1, tzinfo=UTC)),
    NoneOf(("n",), (1, "3", True)),
    NoneOf(("tags",), ("a", "b")),
    NoneOf(("o",), (1,)),
    ContainsNull(("holes",)),
    TextMatch(("t",), "größe 10", phrase=True),
    TextMatch(("t",), "A"),
    HasVector("v"),
    Not(Equals(("absent",), 1)),
    Not(Equals(("null",), 1)),
    Nested(("parts",), AllOf((Equals(("n",), 1), Equals(("ok",), True)))),
    AnyElement(("tags",), Equals((), 7)),
    AnyElement(("parts",), Equals(("n",), 1)),
    MinShould((ONE, TWO, NO), 2),
    AnyOf((NO, TWO)),
    HasId(frozenset({5, 7})),
    IdRange(Op.LE, 5),
]
FALSE: list[Filter] = [
    AnyOf(()),
    NO,
    Equals(("n",), "3"),
    Equals(("yes",), 1),
    Equals(("n",), True),
    Equals(("nan",), float("nan")),
    Equals(("null",), False),
    Equals(("absent",), 1),
    Equals(("id",), str(UID)),
    Equals(("o", "list", 1), 10),
    Equals(("o", "list", 9), 10),
    Range(("t",), Op.GT, 3),
    Range(("yes",), Op.GE, 0),
    Range(("nan",), Op.LE, 1.0),
    Range(("absent",), Op.LT, 3),
    ContainsAny(("n",), (3,)),
    ContainsAny(("tags",), ()),
    ContainsAll(("tags",), ("a", "z")),
    ArrayLength(("t",), None, None),
    ArrayLength(("tags",), 4, None),
    Exists(("absent",)),
    Exists(("o", "k", "z", "deeper")),
    IsNull(("absent",)),
    IsNull(("none",)),
    IsEmpty(("n",)),
    Like(("t",), "gr%"),
    Like(("t",), "Gr"),
    Like(("n",), "3"),
    TextMatch(("t",), "Größe 11"),
    GeoRadius(("spot",), GeoPoint(13.4, 52.51), 1000),
    GeoRadius(("o",), GeoPoint(13.4, 52.51), 1000),
    GeoBox(("spot",), 13.4, 52.4, 13.5, 52.6),
    GeoBox(("spot",), 13.5, 52.4, -170.0, 52.6),
    GeoPolygon(("spot",), RING, (RING,)),
    GeoPolygon(("spot",), tuple(GeoPoint(p.lon + 1, p.lat) for p in RING)),
    Interval(("tags",), (Bound(Op.GT, "a"), Bound(Op.LT, "b"))),
    Interval(("t",), (Bound(Op.GT, datetime(2024, 4, 30)), Bound(Op.LT, datetime(2024, 5, 2)))),
    Range(("t",), Op.GE, datetime(2000, 5, 1, tzinfo=UTC)),
    NoneOf(("n",), (3.0,)),
    NoneOf(("null",), (3,)),
    NoneOf(("absent",), ()),
    NoneOf(("none",), ()),
    ContainsNull(("null",)),
    ContainsNull(("tags",)),
    TextMatch(("t",), "10 größe", phrase=True),
    TextMatch(("t",), "!"),
    HasVector("absent"),
    Nested(("parts",), AllOf((Equals(("n",), 1), Equals(("ok",), False)))),
    Nested(("o",), EVERYTHING),
    AnyElement(("n",), Equals((), 3)),
    AnyElement(("tags",), AllOf((Equals((), 7), Equals((), "b")))),
    AnyElement(("none",), EVERYTHING),
    MinShould((ONE, NO), 2),
    HasId(frozenset({"5"})),
    IdRange(Op.GT, 5),
    IdRange(Op.GE, "1"),
    IdLike("5"),
]


def point(**payload: object) -> Point:
    return Point(Key("c", None, 5), {"v": np.zeros(2)}, payload or PAYLOAD)  # type: ignore[arg-type]


@pytest.mark.parametrize("condition", TRUE, ids=repr)
def test_the_condition_holds(condition: Filter) -> None:
    assert matches(condition, point())
    assert not matches(Not(condition), point())


@pytest.mark.parametrize("condition", FALSE, ids=repr)
def test_the_condition_does_not_hold(condition: Filter) -> None:
    assert not matches(condition, point())
    assert matches(Not(condition), point())


def test_an_id_that_is_a_text_is_ordered_by_its_bytes() -> None:
    text = Point(Key("c", None, "ab"), {})
    assert matches(IdRange(Op.GT, "aZ"), text)
    assert matches(IdLike("a_"), text)
    assert not matches(IdRange(Op.GT, 0), text)


def test_null_and_missing_are_told_apart() -> None:
    assert value_at({"a": None}, ("a",)) is None
    assert value_at({"a": None}, ("b",)) is Missing.MISSING
