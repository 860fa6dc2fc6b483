"""A foreign collection on Milvus: every mapping can be reversed, keeps the order of ids, and meets nothing of ours."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from fakes.plain_parts import PlainCatalog
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.app import BACKENDS
from proxy.backends.milvus.fit import fit, unsupported
from proxy.backends.milvus.foreign_ids import parse_id, stored_id
from proxy.backends.milvus.foreign_large import LARGE, MAX_JSON, REST
from proxy.backends.milvus.foreign_names import (
    FIELD_NAME,
    PayloadNames,
    identifier,
    parse_identifier,
    parse_vector_column,
    vector_column,
)
from proxy.backends.milvus.generation import UNKNOWN, Generation, generation_of
from proxy.backends.milvus.landing import Landing, landing_of, stored_index
from proxy.backends.milvus.writes import deletes, upserts
from proxy.compare.points import equal
from proxy.config import SideConfig
from proxy.errors import Broken, Refused
from proxy.milvus.columns import points_of
from proxy.model.evaluate import matches
from proxy.model.feature import Feature
from proxy.model.filter import AllOf, AnyElement, AnyOf, Equals, Filter, HasId, IdLike, IdRange, MinShould, Nested, Not, Op
from proxy.model.operation import CreateIndex, DropIndex, Search
from proxy.model.point import GeoPoint, Key, Point, PointId, Sparse, Vector
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Product, Schema, VectorField, VectorKind

PATIENT = settings(deadline=None, max_examples=60)
NEW, OLD = generation_of("v2.4.1"), generation_of("v2.3.5")
NAME = "my-docs"
UNNAMED = Schema(NAME, {"": VectorField("", VectorKind.DENSE, 2, Metric.COSINE)}, id_kind=IdKind.UINT64_OR_UUID)
MANY = replace(
    UNNAMED,
    vectors={
        "image": VectorField("image", VectorKind.DENSE, 2, Metric.DOT),
        "my-text": VectorField("my-text", VectorKind.DENSE, 2, Metric.EUCLIDEAN, DType.UINT8),
        "words": VectorField("words", VectorKind.SPARSE, 0, Metric.DOT),
    },
)
IMAGE, TEXT = np.array([1, 2], "f4"), np.array([3, 255], "u1")
WORDS = Sparse(np.array([1, 7], "u4"), np.array([0.5, 2], "f4"))
NO_WORDS = Sparse(np.zeros(0, "u4"), np.zeros(0, "f4"))

NAMES = st.text(st.sampled_from("ax_019-é \U0001f600/$v") | st.characters(exclude_categories=["Cs"]), max_size=12)
QDRANT_IDS = st.integers(0, 2**64 - 1) | st.uuids()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OTHERS = (
    st.binary(max_size=4)
    | st.datetimes(timezones=st.just(UTC))
    | st.uuids()
    | st.builds(GeoPoint, st.floats(0, 9), st.just(1.5))
)
OURS = [
    "__id__",
    "___id__",
    "__vecferry__",
    "$meta",
    "_$meta",
    "vector",
    "_vector",
    "__has_vector",
    "image",
    "_image",
    "__rest__",
]
PAYLOADS = st.dictionaries(st.sampled_from(OURS) | NAMES, JSON | OTHERS, max_size=4)


def point(identity: PointId = 1, payload: dict[str, Any] | None = None, **vectors: Vector) -> Point:
    return Point(Key(NAME, None, identity), vectors or {"": IMAGE}, payload or {})


def through(landing: Landing, *points: Point) -> list[Point]:
    """As they come back from a Milvus that keeps what it is sent."""
    (request,) = upserts(landing.stored, landing.stored_points(points))
    rows = points_of(landing.stored, request.fields_data, request.num_rows, None)
    return [landing.point(row) for row in rows]


def order(identity: PointId) -> tuple[bool, Any]:
    return isinstance(identity, UUID), identity


# ---- names ----


@PATIENT
@given(NAMES)
def test_any_name_becomes_one_that_milvus_takes_and_comes_back(name: str) -> None:
    assert parse_identifier(identifier(name)) == name
    assert parse_vector_column(vector_column(name)) == name
    assert not name or FIELD_NAME.fullmatch(identifier(name))
    assert FIELD_NAME.fullmatch(vector_column(name))


def test_names_that_milvus_takes_are_kept() -> None:
    assert [identifier(name) for name in ("docs", "My_docs2", "a_x5")] == ["docs", "My_docs2", "a_x5"]
    assert [identifier(name) for name in ("my-docs", "2nd", "a_x2d_b")] == ["my_x2d_docs", "_x32_nd", "a_x5f_x2d_b"]
    assert [vector_column(name) for name in ("", "vector", "vector_", "image")] == ["vector", "vector_", "vector__", "image"]
    assert not vector_column("__id__").startswith("__")


@PATIENT
@given(st.sets(st.sampled_from(OURS) | NAMES), st.sets(st.sampled_from(OURS)))
def test_payload_names_meet_no_column_and_not_each_other(names: set[str], columns: set[str]) -> None:
    mapping = PayloadNames.beside(columns)
    stored = {name: mapping.stored(name) for name in names}

    assert {name: mapping.parsed(there) for name, there in stored.items()} == {name: name for name in names}
    assert not set(stored.values()) & {*columns, "$meta", "__vecferry__"}
    assert len(set(stored.values())) == len(names)


# ---- ids ----


@PATIENT
@given(st.lists(QDRANT_IDS))
def test_qdrants_ids_are_texts_in_qdrants_order(ids: list[PointId]) -> None:
    stored = [str(stored_id(each, IdKind.UINT64_OR_UUID)) for each in ids]

    assert [parse_id(text, IdKind.UINT64_OR_UUID) for text in stored] == ids
    assert [parse_id(text, IdKind.UINT64_OR_UUID) for text in sorted(stored)] == sorted(ids, key=order)


@PATIENT
@given(st.lists(st.uuids()))
def test_uuids_are_texts_in_their_order(ids: list[PointId]) -> None:
    stored = [str(stored_id(each, IdKind.UUID)) for each in ids]

    assert [parse_id(text, IdKind.UUID) for text in sorted(stored)] == sorted(ids, key=order)


@pytest.mark.parametrize(
    ("identity", "kind"),
    [(-1, IdKind.UINT64_OR_UUID), (2**64, IdKind.UINT64_OR_UUID), ("1", IdKind.UINT64_OR_UUID), (1, IdKind.UUID)],
)
def test_what_is_no_id_is_not_stored_and_not_asked_for(identity: PointId, kind: IdKind) -> None:
    landing = landing_of(replace(UNNAMED, id_kind=kind))

    assert landing.stored_ids([identity]) == []
    assert list(deletes(landing.stored, landing.stored_keys([Key(NAME, None, identity)]))) == []
    with pytest.raises(Refused, match="no id"):
        landing.stored_points([point(identity)])


def test_a_key_that_we_did_not_write_is_told() -> None:
    with pytest.raises(Broken):
        parse_id("x", IdKind.UINT64_OR_UUID)


# ---- points ----


@PATIENT
@given(st.lists(QDRANT_IDS, min_size=1, max_size=3, unique=True), PAYLOADS)
def test_points_come_back_as_they_went(ids: list[PointId], payload: dict[str, Any]) -> None:
    went = [point(each, payload) for each in ids]

    came = through(landing_of(UNNAMED), *went)

    assert [back.key for back in came] == [each.key for each in went]
    assert all(equal(a, b, UNNAMED, 0) for a, b in zip(went, came, strict=True))
    assert [back.payload.keys() for back in came] == [payload.keys()] * len(ids)


@pytest.mark.parametrize(
    "vectors",
    [
        {"image": IMAGE, "my-text": TEXT, "words": WORDS},
        {"image": IMAGE},
        {"my-text": TEXT, "words": NO_WORDS},
        {"words": WORDS},
    ],
    ids=lambda vectors: "+".join(vectors),
)
def test_a_point_has_the_vectors_that_it_had_and_no_others(vectors: dict[str, Vector]) -> None:
    went = point(5, {"image": 1}, **vectors)

    (came,) = through(landing_of(MANY), went)

    assert equal(went, came, MANY, 0)
    assert all(isinstance(v, Sparse) or v.dtype == vectors[name].dtype for name, v in came.vectors.items())


def test_where_nothing_of_ours_is_our_names_are_the_clients() -> None:
    plain = replace(UNNAMED, id_kind=IdKind.INT64)
    payload: dict[str, Any] = {"": 0, "__rest__": ["x"], "__has_vector": 0, "id": 5, "vector": None}

    (came,) = through(landing_of(plain), point(-7, payload))

    assert equal(point(-7, payload), came, plain, 0)


def test_a_row_of_another_length_never_shifts_its_neighbours() -> None:
    rows = [point(n, None, image=np.ones(length, "f4")) for n, length in enumerate((1, 3))]

    with pytest.raises(Refused, match="dimension"):
        landing_of(MANY).stored_points(rows)


def test_a_point_without_any_vector_comes_back_without() -> None:
    bare = replace(UNNAMED, vectors={})

    assert through(landing_of(UNNAMED), Point(Key(NAME, None, 1), {}, {"a": 1}))[0].vectors == {}
    assert through(landing_of(bare), Point(Key(NAME, None, 1), {}, {"a": 1}))[0].vectors == {}


@pytest.mark.parametrize("vectors", [{"else": IMAGE}, {"image": WORDS}, {"words": IMAGE}], ids=["unknown", "dense", "sparse"])
def test_a_vector_that_the_collection_has_not_is_refused(vectors: dict[str, Vector]) -> None:
    with pytest.raises(Refused):
        landing_of(MANY).stored_points([point(1, **vectors)])


def test_only_what_json_cannot_hold_is_kept_twice() -> None:
    landing = landing_of(UNNAMED)

    (plain, wide) = landing.stored_points(
        [point(1, {"a": [1, None, {"b": 1.5}]}), point(2, {"a": 2**64, "b": [math.nan], "c": 1})]
    )

    assert plain.payload == {"a": [1, None, {"b": 1.5}], "__has_vector": 1, "__rest__": []}
    assert orjson.loads(wide.payload["__vecferry__"]).keys() == {"a", "b"}
    assert (wide.payload["a"], wide.payload["b"]) == (2.0**64, [None])


def test_a_payload_beyond_the_dynamic_field_is_whole_in_texts_beside_what_fits() -> None:
    landing = landing_of(UNNAMED)
    payload = {"a": "ü" * 40_000, "b": 2**70, "c": ["x" * 50_000], "d": 1, "vector": {"deep": None}}

    (row,) = landing.stored_points([point(1, payload)])
    (came,) = through(landing, point(1, payload))

    assert row.payload.keys() == {"b", "c", "d", "_vector", "__has_vector", "__rest__"}
    assert len(orjson.dumps({name: row.payload[name] for name in ("b", "c", "d", "_vector")})) <= MAX_JSON
    assert all(len(text) <= 65_535 and text.isascii() for text in row.payload["__rest__"])
    assert equal(point(1, payload), came, UNNAMED, 0)


@pytest.mark.parametrize(("length", "large"), [(MAX_JSON - len('{"a":""}'), False), (MAX_JSON - len('{"a":""}') + 1, True)])
def test_only_what_does_not_fit_is_put_beside(length: int, large: bool) -> None:
    (row,) = landing_of(UNNAMED).stored_points([point(1, {"a": "x" * length})])

    assert bool(row.payload[REST]) is large
    assert matches(LARGE, row) is large


def test_a_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(Refused):
        landing_of(UNNAMED).stored_points([point(1, {"a": "\ud800"})])


def test_of_some_fields_the_rows_tell_what_is_needed_and_no_more() -> None:
    landing = landing_of(MANY)

    assert landing.stored_fields(None, None) is None
    assert landing.stored_fields((), ()) == ()
    assert landing.stored_fields(("image",), ("my-text",)) == ("_image", "__has_my_x2d_text", "__vecferry__", "__rest__")
    assert landing.stored_vectors(("my-text", "no")) == ("my_x2d_text",)
    assert landing.stored_vectors(None) == ("image", "my_x2d_text", "words")


def test_a_collection_of_milvus_is_left_as_it_is() -> None:
    own = replace(UNNAMED, vectors={"v": UNNAMED.vectors[""]}, id_kind=IdKind.INT64, native={"described": ""})
    landing, points = landing_of(own), [point(1, {"a": math.nan}, v=IMAGE)]
    condition = Equals(("v",), 1)
    search = Search(NAME, "v", (IMAGE,), 1, filter=condition, hints={"nprobe": 3})

    assert landing.stored is own
    assert landing.stored_points(points) is points
    assert landing.point(points[0]) is points[0]
    assert (landing.stored_filter(condition), landing.trusted(condition, "v")) == (condition, ())
    assert landing.stored_search(search) is search


# ---- filters ----

CONDITIONS: list[Filter] = [
    Equals(("image",), 1),
    Equals(("_image",), 1),
    Not(Equals(("a",), 1)),
    AnyOf((Equals(("a",), 1), HasId(frozenset({1, UUID(int=1), "1", -1})))),
    MinShould((Equals(("a",), 1), Equals(("image",), 1)), 1),
    Nested(("list",), Equals(("image",), 1)),
    AnyElement(("list",), Equals((), 1)),
    AllOf(()),
    *(IdRange(op, value) for op in Op for value in (-1, 0, 1, 2**63, 2**64 - 1, 2**64, UUID(int=0), UUID(int=1), "1")),
    IdLike("%1"),
]
POINTS = [
    point(identity, payload, image=IMAGE)
    for identity in (0, 1, 2**63, 2**64 - 1, UUID(int=0), UUID(int=1), UUID(int=2**128 - 1))
    for payload in ({"image": 1}, {"_image": 1}, {"a": 1}, {"list": [{"image": 1}, 1]})
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_a_filter_selects_of_the_rows_what_it_selects_of_the_points(condition: Filter) -> None:
    landing = landing_of(MANY)
    stored = landing.stored_filter(condition)

    rows = landing.stored_points(POINTS)

    assert [matches(stored, row) for row in rows] == [matches(condition, each) for each in POINTS]


def test_candidates_have_the_vector() -> None:
    landing = landing_of(MANY)
    rows = landing.stored_points([point(1, image=IMAGE), point(2, words=WORDS), point(3, words=NO_WORDS)])

    assert [not matches(landing.unusual("__has_words"), row) for row in rows] == [False, True, False]
    assert [not matches(landing.unusual("__has_image"), row) for row in rows] == [True, False, False]
    assert landing.trusted(AllOf(()), "words") == ("__has_words",)
    assert landing.trusted(AnyOf((Equals(("a",), 1), HasId(frozenset()))), "words") == ("__has_words", "__rest__")
    assert landing.trusted(HasId(frozenset())) == ()


def test_of_foreign_hints_only_the_effort_goes_on() -> None:
    search = Search(NAME, "my-text", (TEXT,), 3, hints={"hnsw_ef": 40, "quantization": {}})

    stored = landing_of(MANY).stored_search(search)

    assert (stored.using, stored.hints) == ("my_x2d_text", {"ef": 40})


# ---- schemas ----


def test_a_qdrant_collection_gets_a_key_of_texts_and_holds_its_payload_in_the_dynamic_field() -> None:
    indexed = replace(UNNAMED, fields={"n": Field("n", FieldType.INT64, index="integer")})

    stored = landing_of(indexed, rename=True).stored

    assert (stored.collection, stored.id_kind, stored.id_name, stored.dynamic) == ("my_x2d_docs", IdKind.STRING, "__id__", True)
    assert (stored.vectors.keys(), stored.fields.keys()) == ({"vector"}, {"__has_vector", "__rest__"})


def test_an_index_on_a_field_that_is_no_column_is_not_made() -> None:
    landing = landing_of(replace(UNNAMED, fields={"n": Field("n", FieldType.INT64)}), rename=True)

    assert stored_index(CreateIndex(NAME, "n", "n", {}), landing) is None
    assert stored_index(DropIndex(NAME, "n", "n"), landing) is None
    assert stored_index(CreateIndex(NAME, "", "x", {}), landing) == CreateIndex("my_x2d_docs", "vector", "x", {})


def test_a_fit_tells_what_changes_on_the_way() -> None:
    wanted = replace(MANY, fields={"image": Field("image", FieldType.GEO, index="geo")})

    found = fit(landing_of(wanted, rename=True), NEW)

    said = "\n".join(found.losses)
    assert found.refusals == ()
    assert orjson.loads(orjson.dumps(found.target))["collection"] == "my_x2d_docs"
    assert found.target["indexes"]["words"] == {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "IP"}
    for part in ("named my_x2d_docs", "__id__", "is the field my_x2d_text", "float32 instead of uint8", "negative", "64 KB",
                 "without a payload index, so that filters on them are slower: image", "image as _image"):  # fmt: skip
        assert part in said


@pytest.mark.parametrize(
    ("vectors", "generation", "said"),
    [
        (MANY.vectors, OLD, "several vectors a point.*needs Milvus 2.4, and the server is v2.3.5"),
        ({"s": MANY.vectors["words"]}, OLD, "sparse vectors.*needs Milvus 2.4"),
        ({"m": VectorField("m", VectorKind.MULTI, 4, Metric.DOT)}, NEW, "multivectors"),
        ({"": VectorField("", VectorKind.DENSE, 4, Metric.MANHATTAN)}, NEW, "manhattan"),
        ({"": VectorField("", VectorKind.DENSE, 32_769, Metric.DOT)}, NEW, "dimension 32769; Milvus has 2 to 32768"),
        ({"": VectorField("", VectorKind.DENSE, 1, Metric.DOT)}, NEW, "dimension 1; Milvus has 2 to"),
        ({f"v{n}": VectorField(f"v{n}", VectorKind.DENSE, 4, Metric.DOT) for n in range(11)}, NEW, "Milvus has 10 at most"),
    ],
)
def test_what_milvus_has_not_is_refused_by_name(vectors: dict[str, VectorField], generation: Generation, said: str) -> None:
    found = fit(landing_of(replace(UNNAMED, vectors=vectors)), generation)

    assert any(re.search(said, refusal) for refusal in found.refusals), found.refusals
    assert not found.target


def test_the_sidecar_tells_the_target_whose_names_it_gets() -> None:
    side = SideConfig(product=Product.MILVUS, url="http://unused:19530")

    made = {clients: BACKENDS[Product.MILVUS](side, PlainCatalog(), clients) for clients in (Product.QDRANT, Product.MILVUS)}
    foreign, own = (backend.fit(UNNAMED) for backend in made.values())

    assert foreign.target["collection"] == "my_x2d_docs"
    assert own.refusals == ("'my-docs' cannot be the name of a collection in Milvus",)


def test_refusals_name_their_features() -> None:
    assert [each.feature for each in unsupported(landing_of(MANY), OLD)] == [Feature.NAMED_VECTORS, Feature.SPARSE_VECTORS]
    assert list(unsupported(landing_of(MANY), NEW)) == []


def test_many_vectors_need_a_setting_of_milvus() -> None:
    five = {f"v{n}": VectorField(f"v{n}", VectorKind.DENSE, 4, Metric.DOT) for n in range(5)}

    assert any("maxVectorFieldNum" in loss for loss in fit(landing_of(replace(UNNAMED, vectors=five)), NEW).losses)
    assert not any("maxVectorFieldNum" in loss for loss in fit(landing_of(MANY), NEW).losses)


def test_a_name_that_grows_too_long_is_refused() -> None:
    long = replace(UNNAMED, collection="-" * 60)

    assert any("255" in refusal for refusal in fit(landing_of(long, rename=True), NEW).refusals)
    assert fit(landing_of(replace(UNNAMED, collection="x" * 255), rename=True), NEW).refusals == ()


def test_a_server_that_has_not_told_its_version_is_taken_for_a_new_one() -> None:
    found = fit(landing_of(MANY, rename=True), UNKNOWN)

    assert found.refusals == ()
    assert any("not told its version" in loss for loss in found.losses)


def test_a_time_is_stored_as_text_that_filters_can_read() -> None:
    (row,) = landing_of(UNNAMED).stored_points([point(1, {"t": datetime(2024, 1, 1), "u": UUID(int=1), "g": GeoPoint(1, 2)})])

    assert row.payload["t"] == "2024-01-01T00:00:00+00:00"
    assert (row.payload["u"], row.payload["g"]) == (str(UUID(int=1)), {"lon": 1, "lat": 2})
