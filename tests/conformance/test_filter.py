"""Each condition selects, on every side, exactly the points that it selects in memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conformance.documents import made
from conformance.world import World

from proxy.model.feature import Feature
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
from proxy.model.operation import Count, Scan
from proxy.model.point import GeoPoint

ANY = ("any",)
RANK = ("rank",)
RED = Equals(("tags",), "red")
POSITIVE = Range(RANK, Op.GT, 0)
FLAG = Equals(("flag",), True)


MAY, JUNE = datetime(2024, 5, 1), datetime(2024, 6, 1, tzinfo=UTC)


def _square(west: float, south: float, east: float, north: float) -> tuple[GeoPoint, ...]:
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return tuple(GeoPoint(lon, lat) for lon, lat in corners)


def case(name: str, condition: Filter, *needs: Feature) -> object:
    return pytest.param(condition, id=name, marks=pytest.mark.needs(*needs))


EQUALITY = [
    case("int", Equals(RANK, 3), Feature.FILTER_EQUALS),
    case("int beyond doubles", Equals(RANK, 2**53 + 1), Feature.FILTER_EQUALS),
    case("int by a whole double", Equals(RANK, 3.0), Feature.FILTER_FLOAT_EQUALS),
    case("int by a fraction", Equals(RANK, 3.5), Feature.FILTER_FLOAT_EQUALS),
    case("text", Equals(("name",), "name 3"), Feature.FILTER_EQUALS),
    case("bool", FLAG, Feature.FILTER_EQUALS),
    case("double", Equals(("price",), 1.25), Feature.FILTER_FLOAT_EQUALS),
    case("double by an int", Equals(("price",), 2), Feature.FILTER_EQUALS),
    case("dynamic 1", Equals(ANY, 1), Feature.FILTER_EQUALS),
    case("dynamic 1.0", Equals(ANY, 1.0), Feature.FILTER_FLOAT_EQUALS),
    case("dynamic 1.5", Equals(ANY, 1.5), Feature.FILTER_FLOAT_EQUALS),
    case("dynamic true", Equals(ANY, True), Feature.FILTER_EQUALS),
    case("dynamic text 1", Equals(ANY, "1"), Feature.FILTER_EQUALS),
    case("dynamic empty text", Equals(ANY, ""), Feature.FILTER_EQUALS),
    case("dynamic 2**53", Equals(ANY, 2**53), Feature.FILTER_EQUALS),
    case("dynamic 2**53+1", Equals(ANY, 2**53 + 1), Feature.FILTER_EQUALS),
    case("dynamic 1e300", Equals(ANY, 1e300), Feature.FILTER_FLOAT_EQUALS),
    case("not", Not(Equals(ANY, 1)), Feature.FILTER_EQUALS),
    case("nested key", Equals(("doc", "n"), 2), Feature.FILTER_EQUALS, Feature.NESTED_PAYLOAD),
    case("deep key", Equals(("doc", "in", "s"), "s1"), Feature.FILTER_EQUALS, Feature.NESTED_PAYLOAD),
    case("dynamic nested key", Equals(("any", "b"), 1), Feature.FILTER_EQUALS, Feature.NESTED_PAYLOAD),
    case("one of ints", OneOf(RANK, (1, 3, 2**60 + 1, 77)), Feature.FILTER_EQUALS),
    case("one of texts", OneOf(("name",), ("name 1", "name 2", "no")), Feature.FILTER_EQUALS),
    case("one of mixed", OneOf(ANY, (1, "abc", True, 1.5)), Feature.FILTER_EQUALS, Feature.FILTER_FLOAT_EQUALS),
    case("one of nothing", OneOf(RANK, ()), Feature.FILTER_EQUALS),
    case("not one of", Not(OneOf(ANY, (1, "abc"))), Feature.FILTER_EQUALS),
    case("name with a space", Equals(("with space",), 1), Feature.FILTER_EQUALS),
    case("name with a dot", Equals(("a.b",), 2), Feature.FILTER_EQUALS),
    case("name beyond ASCII", Equals(("ü",), 3), Feature.FILTER_EQUALS),
    case("name with brackets", Equals(("x[0]",), 4), Feature.FILTER_EQUALS),
    case("name that we use ourselves", Equals(("__id__",), 5), Feature.FILTER_EQUALS),
    case("name with a dollar", Equals(("$m",), 6), Feature.FILTER_EQUALS),
]
ORDER = [
    *(case(f"{op} int", Range(RANK, op, 4), Feature.FILTER_RANGE) for op in Op),
    *(case(f"{op} 2**53+1", Range(RANK, op, 2**53 + 1), Feature.FILTER_RANGE) for op in Op),
    *(case(f"{op} -2**60", Range(RANK, op, -(2**60)), Feature.FILTER_RANGE) for op in Op),
    *(case(f"{op} fraction", Range(RANK, op, -1.5), Feature.FILTER_RANGE) for op in Op),
    *(case(f"dynamic {op} 1", Range(ANY, op, 1), Feature.FILTER_RANGE) for op in Op),
    *(case(f"dynamic {op} 2**60", Range(ANY, op, 2**60), Feature.FILTER_RANGE) for op in Op),
    case("interval", AllOf((Range(("price",), Op.GE, 1), Range(("price",), Op.LT, 3.25))), Feature.FILTER_RANGE),
    case("interval of one element", Interval(("marks",), (Bound(Op.GT, 0), Bound(Op.LT, 3))), Feature.FILTER_RANGE),
    case("interval of ints", Interval(RANK, (Bound(Op.GE, 1), Bound(Op.LT, 5))), Feature.FILTER_RANGE),
    case("dynamic interval", Interval(ANY, (Bound(Op.GT, 0.5), Bound(Op.LE, 1))), Feature.FILTER_RANGE),
    case("not a dynamic interval", Not(Interval(ANY, (Bound(Op.GT, 0.5), Bound(Op.LE, 1)))), Feature.FILTER_RANGE),
    case("texts that are times", Range(ANY, Op.GE, datetime(2024, 5, 1, 10, tzinfo=UTC)), Feature.FILTER_RANGE),
    case("times between", Interval(ANY, (Bound(Op.GT, MAY), Bound(Op.LT, JUNE))), Feature.FILTER_RANGE),
    case("not times between", Not(Interval(ANY, (Bound(Op.GT, MAY), Bound(Op.LT, JUNE)))), Feature.FILTER_RANGE),
    case("not a range", Not(Range(ANY, Op.GE, 1)), Feature.FILTER_RANGE),
    case("texts", Range(("name",), Op.GE, "name 5"), Feature.FILTER_TEXT_RANGE),
    case("dynamic texts", Range(ANY, Op.LT, "b"), Feature.FILTER_TEXT_RANGE),
]
ARRAYS = [
    case("element", RED, Feature.FILTER_ARRAY),
    case("element of ints", Equals(("marks",), 2**60 + 1), Feature.FILTER_ARRAY),
    case("element range", Range(("marks",), Op.GT, 2), Feature.FILTER_ARRAY, Feature.FILTER_RANGE),
    case("contains any", ContainsAny(("tags",), ("green", "blue")), Feature.FILTER_ARRAY),
    case("contains any int", ContainsAny(("marks",), (3, -5)), Feature.FILTER_ARRAY),
    case("contains all", ContainsAll(("tags",), ("green", "red")), Feature.FILTER_ARRAY),
    case("contains none", Not(ContainsAny(("tags",), ("red",))), Feature.FILTER_ARRAY),
    case("contains all of nothing", ContainsAll(("tags",), ()), Feature.FILTER_ARRAY),
    case("contains any of nothing", ContainsAny(("tags",), ()), Feature.FILTER_ARRAY),
    case("dynamic contains any", ContainsAny(ANY, (1, "abc")), Feature.FILTER_ARRAY),
    case("dynamic contains all", ContainsAll(ANY, (1, 2)), Feature.FILTER_ARRAY),
    case("json contains any", ContainsAny(("doc", "list"), (4,)), Feature.FILTER_ARRAY, Feature.NESTED_PAYLOAD),
    case("none of texts", NoneOf(ANY, ("abc", "1")), Feature.FILTER_ARRAY),
    case("none of ints", NoneOf(RANK, (1, 3)), Feature.FILTER_ARRAY),
    case("none of elements", NoneOf(("tags",), ("red",)), Feature.FILTER_ARRAY),
    case("not none of", Not(NoneOf(ANY, ("abc", "1"))), Feature.FILTER_ARRAY),
    case("by index", Equals(("tags", 0), "red"), Feature.FILTER_ARRAY_INDEX),
    case("by index beyond the end", Not(Equals(("tags", 1), "green")), Feature.FILTER_ARRAY_INDEX),
    case("json by index", Equals(("doc", "list", 1), 3), Feature.FILTER_ARRAY_INDEX, Feature.NESTED_PAYLOAD),
    *(case(f"length {low} to {high}", ArrayLength(("tags",), low, high), Feature.FILTER_ARRAY_LENGTH)
      for low, high in ((0, 0), (1, 1), (1, None), (None, 1), (2, 5), (3, 2))),
    *(case(f"dynamic length {low} to {high}", ArrayLength(ANY, low, high), Feature.FILTER_ARRAY_LENGTH)
      for low, high in ((0, 0), (1, 1), (2, None), (None, None))),
]  # fmt: skip
PRESENCE = [
    case("exists", Exists(ANY), Feature.FILTER_EXISTS),
    case("does not exist", Not(Exists(ANY)), Feature.FILTER_EXISTS),
    case("nested key exists", Exists(("any", "b")), Feature.FILTER_EXISTS, Feature.NESTED_PAYLOAD),
    case("exists and differs", AllOf((Exists(ANY), Not(Equals(ANY, 1)))), Feature.FILTER_EXISTS),
    case("is null", IsNull(ANY), Feature.FILTER_NULL),
    case("nested key is null", IsNull(("any", "b")), Feature.FILTER_NULL, Feature.NESTED_PAYLOAD),
    case("null in an array", ContainsNull(ANY), Feature.FILTER_NULL),
    case("no null in an array", Not(ContainsNull(ANY)), Feature.FILTER_NULL),
    case("is empty", IsEmpty(ANY), Feature.FILTER_NULL),
    case("is not empty", Not(IsEmpty(ANY)), Feature.FILTER_NULL),
    case("array is empty", IsEmpty(("tags",)), Feature.FILTER_NULL),
]
TEXTS = [
    case("prefix", Like(("name",), "name%"), Feature.FILTER_PREFIX),
    case("prefix of some", Like(("name",), "name 1%"), Feature.FILTER_PREFIX),
    case("dynamic prefix", Like(ANY, "abc%"), Feature.FILTER_PREFIX),
    case("prefix with an escape", Like(ANY, "a\\%%"), Feature.FILTER_PREFIX),
    case("no wildcard", Like(ANY, "abc"), Feature.FILTER_PREFIX),
    case("escaped wildcard", Like(ANY, "a\\%c"), Feature.FILTER_PREFIX),
    case("any text", Like(ANY, "%"), Feature.FILTER_PREFIX),
    case("suffix", Like(ANY, "%abc"), Feature.FILTER_LIKE),
    case("middle", Like(ANY, "%b%"), Feature.FILTER_LIKE),
    case("one character", Like(ANY, "ab_"), Feature.FILTER_LIKE),
    case("words", TextMatch(ANY, "two word"), Feature.FILTER_TEXT),
    case("phrase", TextMatch(ANY, "Or two", phrase=True), Feature.FILTER_TEXT),
    case("no words", TextMatch(ANY, "!"), Feature.FILTER_TEXT),
]
LOGIC = [
    case("everything", EVERYTHING),
    case("nothing", AnyOf(())),
    case("and", AllOf((RED, POSITIVE)), Feature.FILTER_EQUALS),
    case("or", AnyOf((RED, POSITIVE)), Feature.FILTER_EQUALS),
    case("not or", Not(AnyOf((RED, POSITIVE))), Feature.FILTER_EQUALS),
    case("not not", Not(Not(RED)), Feature.FILTER_EQUALS),
    case("not everything", Not(EVERYTHING)),
    case("two of three", MinShould((RED, POSITIVE, FLAG), 2), Feature.FILTER_EQUALS),
    case("none of three is asked", MinShould((RED, POSITIVE, FLAG), 0), Feature.FILTER_EQUALS),
    case("more than there are", MinShould((RED, POSITIVE), 3), Feature.FILTER_EQUALS),
    case("nested logic", AllOf((AnyOf((RED, FLAG)), Not(AllOf((RED, FLAG))))), Feature.FILTER_EQUALS),
]
ELEMENTS = [
    case("same element", Nested(ANY, AllOf((Equals(("b",), 1), Equals(("c",), 2)))), Feature.FILTER_NESTED),
    case("other elements", Nested(ANY, AllOf((Equals(("b",), 1), Equals(("c",), 4)))), Feature.FILTER_NESTED),
    case("an element itself", AnyElement(ANY, Equals((), 1)), Feature.FILTER_NESTED),
    case("no such element", Not(AnyElement(ANY, Equals((), "abc"))), Feature.FILTER_NESTED),
    case("an element without", Nested(ANY, Not(Equals(("b",), 1))), Feature.FILTER_NESTED),
]
IDS = [
    case("ids", HasId(frozenset({-3, 5, 9, 7777})), Feature.FILTER_ID),
    case("not the ids", Not(HasId(frozenset({5, 9}))), Feature.FILTER_ID),
    case("no ids", HasId(frozenset()), Feature.FILTER_ID),
    *(case(f"id {op} 6", IdRange(op, 6), Feature.FILTER_ID_RANGE) for op in Op),
    case("id > -2", IdRange(Op.GT, -2), Feature.FILTER_ID_RANGE, Feature.NEGATIVE_IDS),
]
PLACES = [
    case("near", GeoRadius(("place",), GeoPoint(13.4, 52.5), 1000), Feature.FILTER_GEO),
    case("nearby", GeoRadius(("place",), GeoPoint(13.4, 52.5), 10_000), Feature.FILTER_GEO),
    case("in a box", GeoBox(("place",), 13.3, 52.4, 13.45, 52.6), Feature.FILTER_GEO),
    case("in a box across the date line", GeoBox(("place",), 13.45, 40, -170, 60), Feature.FILTER_GEO),
    case("in a polygon", GeoPolygon(("place",), _square(13, 52, 14, 53)), Feature.FILTER_GEO),
    case(
        "in a polygon with a hole",
        GeoPolygon(("place",), _square(13, 52, 14, 53), (_square(13.45, 52.4, 13.55, 52.6),)),
        Feature.FILTER_GEO,
    ),
]
VECTORS = [
    case("has a vector", HasVector("v"), Feature.FILTER_HAS_VECTOR),
    case("has no such vector", Not(HasVector("absent")), Feature.FILTER_HAS_VECTOR),
]


@pytest.mark.parametrize("condition", EQUALITY + ORDER + ARRAYS + PRESENCE + TEXTS + LOGIC + ELEMENTS + IDS + PLACES + VECTORS)
async def test_filter_selects_what_it_selects_in_memory(world: World, condition: Filter) -> None:
    collection = await made(world)

    scan = Scan(collection, limit=1000, filter=condition, fields=(), vector_names=())
    found = {point.key.id for point in (await world.side.scan(scan)).points}

    assert found == {point.key.id for point in (await world.reference.scan(scan)).points}
    assert await world.side.count(Count(collection, condition)) == len(found)
