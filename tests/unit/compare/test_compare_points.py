from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from proxy.backends.milvus.features import BEFORE_2_4 as MILVUS_BEFORE_2_4
from proxy.backends.milvus.features import FEATURES as MILVUS
from proxy.backends.qdrant.features import FEATURES as QDRANT
from proxy.compare.kept import EXACTLY, Kept, kept_by
from proxy.compare.points import Reason, difference, equal
from proxy.model.feature import Feature, Support
from proxy.model.point import GeoPoint, Key, Point, Sparse
from proxy.model.schema import DType, Field, FieldType, Metric, Schema, VectorField, VectorKind

TOLERANCE = 1e-5
ID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def schema(
    metric: Metric = Metric.EUCLIDEAN, dtype: DType = DType.FLOAT32, kind: VectorKind = VectorKind.DENSE, **fields: FieldType
) -> Schema:
    declared = {name: Field(name, type, FieldType.FLOAT32) for name, type in fields.items()}
    return Schema("books", {"": VectorField("", kind, 3, metric, dtype)}, declared)


def point(vector: Any = (1.0, 2.0, 3.0), **payload: Any) -> Point:
    found = vector if isinstance(vector, Sparse) else np.asarray(vector, np.float32)
    return Point(Key("books", None, 1), {"": found}, payload)


def same_payload(a: Any, b: Any, type: FieldType | None = None) -> bool:
    fields = {} if type is None else {"f": type}
    return equal(point(f=a), point(f=b), schema(**fields), TOLERANCE)


def same_vector(a: Any, b: Any, what: Schema, *, exact_length: bool = True) -> bool:
    return equal(point(a), point(b), what, TOLERANCE, Kept(lengths=exact_length))


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        (None, None, None),
        (point(), None, Reason.MISSING),
        (None, point(), Reason.EXTRA),
        (point(n=1), point(n=1), None),
        (point(n=1), point(n=2), Reason.PAYLOAD),
        (point((1, 2, 3)), point((1, 2, 4)), Reason.VECTOR),
        (point((1, 2, 3), n=1), point((1, 2, 4), n=2), Reason.STALE),
    ],
)
def test_a_difference_has_its_reason(a: Point | None, b: Point | None, reason: Reason | None) -> None:
    assert difference(a, b, schema(), TOLERANCE) is reason


@pytest.mark.parametrize("pair", [(1, 1.0), (1, "1"), (1, True), (0, False), (None, []), ([], {}), ("a", b"a"), ([1], [1, 1])])
def test_undeclared_values_of_different_types_differ(pair: tuple[Any, Any]) -> None:
    assert not same_payload(*pair)
    assert not same_payload({"deep": [pair[0]]}, {"deep": [pair[1]]})


def test_null_is_not_missing() -> None:
    assert difference(point(f=None), point(), schema(), TOLERANCE) is Reason.PAYLOAD
    assert equal(point(f=None), point(f=None), schema(f=FieldType.INT64), TOLERANCE)
    assert not same_payload(None, 0, FieldType.INT64)


def test_the_order_of_an_objects_keys_means_nothing_and_that_of_a_list_does() -> None:
    assert same_payload({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same_payload([1, 2], [2, 1])


@pytest.mark.parametrize(
    ("type", "a", "b"),
    [
        (FieldType.INT64, 1, 1.0),
        (FieldType.FLOAT64, 2.0, 2),
        (FieldType.FLOAT64, float("nan"), float("nan")),
        (FieldType.FLOAT32, 0.15, float(np.float32(0.15))),
        (FieldType.FLOAT32, 1e300, float("inf")),
        (FieldType.ARRAY, [0.1, 2], [float(np.float32(0.1)), 2.0]),
        (FieldType.DATETIME, NOON, "2024-05-01T14:00:00+02:00"),
        (FieldType.DATETIME, "2024-05-01T12:00:00Z", "2024-05-01T12:00:00"),
        (FieldType.UUID, ID, str(ID).upper()),
        (FieldType.UUID, ID.hex, ID.urn),
        (FieldType.GEO, GeoPoint(1.5, 2.5), GeoPoint(1.5, 2.5)),
        (None, NOON, NOON.astimezone(timezone(timedelta(hours=2)))),
        (None, ID, str(ID)),
        (None, float("nan"), float("nan")),
    ],
)
def test_one_value_in_two_notations_is_equal(type: FieldType | None, a: Any, b: Any) -> None:
    assert same_payload(a, b, type)
    assert same_payload(b, a, type)


@pytest.mark.parametrize(
    ("type", "value"), [(FieldType.INT64, "a text"), (FieldType.INT64, [1, 2]), (FieldType.BOOL, {"a": None})]
)
def test_a_field_that_only_an_index_declares_may_hold_anything(type: FieldType, value: Any) -> None:
    assert same_payload(value, value, type)
    assert not same_payload(value, [value], type)


@pytest.mark.parametrize(
    ("type", "a", "b"),
    [
        (FieldType.INT64, 1, True),
        (FieldType.INT64, 2**53 + 1, 2**53),
        (FieldType.FLOAT64, 0.15, float(np.float32(0.15))),
        (FieldType.FLOAT32, 1.0, float(np.nextafter(np.float32(1), np.float32(2)))),
        (FieldType.DATETIME, NOON, NOON + timedelta(microseconds=1)),
        (FieldType.DATETIME, "soon", "later"),
        (FieldType.UUID, ID, UUID(int=1)),
        (FieldType.ARRAY, [0.1], 0.1),
    ],
)
def test_different_values_of_a_declared_field_differ(type: FieldType, a: Any, b: Any) -> None:
    assert not same_payload(a, b, type)


def test_vectors_are_equal_within_the_tolerance_of_each_component() -> None:
    assert same_vector((1, 1e-6, 3), (1.000001, 1.000001e-6, 3), schema())
    assert not same_vector((1, 1e-6, 3), (1, 2e-6, 3), schema())


def test_a_vector_of_another_name_or_dimension_differs() -> None:
    named = Point(Key("books", None, 1), {"title": np.ones(3, np.float32)})
    assert difference(point(), named, schema(), TOLERANCE) is Reason.VECTOR
    assert not same_vector((1, 2, 3), (1, 2), schema())


def test_a_cosine_vector_may_lose_its_length_only_where_that_is_said() -> None:
    cosine, unit = schema(Metric.COSINE), np.array((1, 2, 3)) / np.linalg.norm((1, 2, 3))
    assert same_vector((1, 2, 3), unit, cosine, exact_length=False)
    assert not same_vector((1, 2, 3), unit, cosine)
    assert not same_vector((1, 2, 3), unit, schema(Metric.DOT), exact_length=False)
    assert not same_vector((1, 2, 3), -unit, cosine, exact_length=False)


def test_a_zero_vector_equals_only_itself() -> None:
    cosine = schema(Metric.COSINE)
    assert same_vector((0, 0, 0), (0, 0, 0), cosine, exact_length=False)
    assert not same_vector((0, 0, 0), (1, 0, 0), cosine, exact_length=False)


def test_half_precision_allows_what_rounding_a_normalised_vector_costs() -> None:
    raw = np.array((0.3, 4.7, 0.001), np.float16).astype(np.float64)
    stored = (raw / np.linalg.norm(raw)).astype(np.float16)
    assert same_vector(raw, stored, schema(Metric.COSINE, DType.FLOAT16), exact_length=False)
    assert not same_vector(raw, stored, schema(Metric.COSINE, DType.FLOAT32), exact_length=False)


SENT, READ = 3.6426079273223877, 3.642607927322388
"""What Qdrant's engine is given and what it reads: the doubles beside each other."""


@pytest.mark.parametrize(
    ("a", "b", "fields"),
    [
        (SENT, READ, {}),
        ([{"deep": SENT}], [{"deep": READ}], {}),
        (SENT, READ, {"f": FieldType.FLOAT64}),
        ({"deep": SENT}, {"deep": READ}, {"f": FieldType.JSON}),
    ],
)
def test_a_payload_double_may_be_off_by_a_unit_in_its_last_place_only_where_that_is_said(a: Any, b: Any, fields: Any) -> None:
    assert equal(point(f=a), point(f=b), schema(**fields), 0.0, Kept(doubles=False))
    assert not equal(point(f=a), point(f=b), schema(**fields), 0.0)
    assert not equal(point(f=a), point(f=b), schema(**fields), 0.5, Kept(lengths=False))


def test_a_payload_double_is_never_off_by_more() -> None:
    for a, b in ((SENT, SENT + 4e-15), (float("inf"), 1e308), (1.0, 1)):
        assert not equal(point(f=a), point(f=b), schema(), 0.0, Kept(doubles=False))


def test_what_one_of_the_sides_does_not_keep_is_not_kept() -> None:
    exact = dict.fromkeys(Feature, Support.NATIVE)
    emulated = exact | {Feature.EXACT_VECTOR_LENGTH: Support.EMULATED}
    for absent, kept in ((Feature.EXACT_VECTOR_LENGTH, Kept(lengths=False)), (Feature.EXACT_DOUBLES, Kept(doubles=False))):
        assert kept_by(exact, emulated) == EXACTLY
        assert kept_by(exact | {absent: Support.ABSENT}, emulated) == kept
        assert kept_by(emulated, exact | {absent: Support.ABSENT}) == kept


def test_only_a_qdrant_among_the_sides_loosens_payload_doubles() -> None:
    assert kept_by(MILVUS, MILVUS) == EXACTLY
    assert kept_by(MILVUS_BEFORE_2_4, MILVUS) == EXACTLY
    assert kept_by(MILVUS, QDRANT) == kept_by(QDRANT, MILVUS) == kept_by(QDRANT, QDRANT) == Kept(doubles=False)


@pytest.mark.parametrize("dim", [2, 8, 128, 1536])
def test_a_half_precision_vector_that_is_normalised_and_rounded_twice_is_the_same(dim: int) -> None:
    """As Qdrant stores what it is given from another Qdrant, of which neither keeps another length than 1."""
    half, chance = schema(Metric.COSINE, DType.FLOAT16), np.random.default_rng(dim)
    for _ in range(500):
        raw = chance.normal(size=dim)
        once = (raw / np.linalg.norm(raw)).astype(np.float16)
        twice = (once / np.linalg.norm(once.astype(np.float64))).astype(np.float16)
        assert same_vector(once, twice, half)
        assert same_vector(once, twice, half, exact_length=False)
    moved = once.copy()
    moved[0] *= np.float16(1 + 2**-8)
    assert not same_vector(once, moved, half)
    assert not same_vector(once, moved, half, exact_length=False)
    longer = once * np.float16(2)
    beside = longer.copy()
    beside[0] = np.nextafter(beside[0], np.float16(9))
    assert not same_vector(longer, beside, half)


def test_whole_numbers_and_bits_compare_exactly() -> None:
    a, b = np.array((100, 2, 3), np.uint8), np.array((101, 2, 3), np.uint8)
    for dtype in (DType.UINT8, DType.INT8, DType.BINARY):
        one, other = (Point(Key("books", None, 1), {"": v}) for v in (a, b))
        assert equal(one, one, schema(dtype=dtype), 0.5)
        assert not equal(one, other, schema(dtype=dtype), 0.5)


def test_non_finite_components_equal_only_themselves() -> None:
    nan, inf = float("nan"), float("inf")
    assert same_vector((nan, inf, 1), (nan, inf, 1), schema())
    for other in ((nan, -inf, 1), (inf, inf, 1), (0, inf, 1)):
        assert not same_vector((nan, inf, 1), other, schema())


def test_sparse_vectors_compare_by_indices_and_values() -> None:
    def sparse(*entries: tuple[int, float]) -> Sparse:
        return Sparse(np.array([i for i, _ in entries], np.uint32), np.array([v for _, v in entries], np.float32))

    what = schema(Metric.DOT, kind=VectorKind.SPARSE)
    assert same_vector(sparse((1, 0.5), (7, 2)), sparse((1, 0.500001), (7, 2)), what)
    assert not same_vector(sparse((1, 0.5)), sparse((2, 0.5)), what)
    assert not same_vector(sparse((1, 0.5)), (1, 2, 3), what)


def test_each_row_of_a_multivector_is_compared_by_its_own_direction() -> None:
    what = schema(Metric.COSINE, kind=VectorKind.MULTI)
    rows = np.array([(3.0, 4.0), (0.0, 2.0)])
    assert same_vector(rows, rows / np.array([[5.0], [2.0]]), what, exact_length=False)
    assert not same_vector(rows, rows[::-1], what, exact_length=False)
