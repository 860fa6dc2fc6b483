from __future__ import annotations

import math
from datetime import UTC, datetime
from uuid import UUID

import pytest

from proxy.backends.milvus.expr import expression, fields_of
from proxy.backends.milvus.literals import compare, equal, one_of
from proxy.backends.milvus.logic import ALWAYS, NEVER, Aim, Expr, both, either, inexact, negated
from proxy.backends.milvus.texts import behind_prefix
from proxy.errors import Unsupported
from proxy.model.feature import Feature
from proxy.model.filter import (
    EVERYTHING,
    AllOf,
    AnyElement,
    AnyOf,
    ArrayLength,
    ContainsAll,
    ContainsAny,
    Equals,
    Exists,
    Filter,
    GeoRadius,
    HasId,
    IdLike,
    IsEmpty,
    IsNull,
    Like,
    MinShould,
    Nested,
    Not,
    OneOf,
    Op,
    Range,
    TextMatch,
)
from proxy.model.point import GeoPoint
from proxy.model.schema import Field, FieldType, IdKind, Schema

FIELDS = (
    Field("i", FieldType.INT64),
    Field("f", FieldType.FLOAT32),
    Field("s", FieldType.STRING),
    Field("b", FieldType.BOOL),
    Field("a", FieldType.ARRAY, element=FieldType.INT64),
    Field("j", FieldType.JSON),
    Field("null", FieldType.INT64, nullable=True),
)
SCHEMA = Schema("c", {}, {field.name: field for field in FIELDS}, id_kind=IdKind.STRING, id_name="pk")
D = '$meta["d"]'


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (EVERYTHING, ""),
        (AnyOf(()), "pk in []"),
        (Equals(("i",), 3), "i == 3"),
        (Equals(("i",), 3.0), "i == 3"),
        (Equals(("i",), "3"), "pk in []"),
        (Equals(("i",), True), "pk in []"),
        (Equals(("f",), 0.5), "f == 0.5"),
        (Equals(("f",), 0.1), "pk in []"),
        (Equals(("s",), 'a"\\\né'), 's == "a\\"\\\\\\né"'),
        (Equals(("b",), True), "b == true"),
        (Equals(("a",), 1), "array_contains(a, 1)"),
        (Equals(("a", 2), 1), "a[2] == 1"),
        (Equals(("d",), "x"), f'({D} in ["x"]) or (json_contains_any({D}, ["x"]))'),
        (Equals(("null",), 1), "(null is not null) and (null == 1)"),
        (OneOf(("i",), (1, "x", 2.0)), "i in [1, 2]"),
        (OneOf(("s",), ()), "pk in []"),
        (Range(("i",), Op.GT, 2.5), "i > 2"),
        (Range(("i",), Op.LT, 2.5), "i < 3"),
        (Range(("i",), Op.LE, 1e300), ""),
        (Range(("i",), Op.GE, 1e300), "pk in []"),
        (Range(("s",), Op.GE, "m"), 's >= "m"'),
        (Like(("s",), "ab%"), '(s >= "ab") and (s < "ac")'),
        (Like(("s",), "a\\%b"), 's == "a%b"'),
        (ContainsAll(("a",), (1, 2)), "(array_contains(a, 1)) and (array_contains(a, 2))"),
        (ArrayLength(("a",), 1, 2), "(array_length(a) == 1) or (array_length(a) == 2)"),
        (ArrayLength(("a",), 2, None), "not ((array_length(a) == 0) or (array_length(a) == 1))"),
        (Exists(("i",)), ""),
        (Exists(("d",)), f"exists {D}"),
        (Exists(("j",)), ""),
        (IsNull(("i",)), "pk in []"),
        (IsNull(("null",)), "null is null"),
        (IsEmpty(("a",)), "array_length(a) == 0"),
        (HasId(frozenset({"x", 5})), 'pk in ["x"]'),
        (IdLike("x%"), '(pk >= "x") and (pk < "y")'),
        (Not(Equals(("i",), 1)), "not (i == 1)"),
        (AllOf((Equals(("i",), 1), EVERYTHING)), "i == 1"),
        (MinShould((Equals(("i",), 1), Equals(("b",), True)), 2), "(i == 1) and (b == true)"),
    ],
    ids=repr,
)
def test_what_milvus_can_say_is_exact(condition: Filter, text: str) -> None:
    assert expression(condition, SCHEMA) == Expr(text)


@pytest.mark.parametrize(
    ("condition", "superset"),
    [
        (Range(("d",), Op.GT, 1), f"({D} > 1) or (exists {D}[0])"),
        (Not(Range(("d",), Op.GT, 1)), f"not ({D} > 1)"),
        (TextMatch(("s",), "word"), ""),
        (Not(TextMatch(("s",), "word")), ""),
        (Like(("s",), "a%b"), '(s >= "a") and (s < "b")'),
        (Nested(("d",), EVERYTHING), f"exists {D}[0]"),
        (AnyElement(("d",), Equals((), 1)), f"exists {D}[0]"),
        (Equals(("j",), 1), ""),
        (Not(Equals(("j",), 1)), ""),
        (Equals(("d",), datetime(2024, 1, 1, tzinfo=UTC)), f"exists {D}"),
        (Range(("d",), Op.GE, math.inf), f"exists {D}"),
        (OneOf(("d",), ("x", UUID(int=1))), f"exists {D}"),  # type: ignore[arg-type]
        (Not(ContainsAny(("d",), (-math.inf,))), ""),
        (MinShould((Equals(("i",), 1), Equals(("i",), 2), Equals(("i",), 3)), 2), "(i == 1) or (i == 2) or (i == 3)"),
    ],
    ids=repr,
)
def test_what_milvus_cannot_say_is_a_superset(condition: Filter, superset: str) -> None:
    assert expression(condition, SCHEMA) == Expr(superset, exact=False)


def test_a_place_that_a_json_pointer_cannot_tell_apart_is_not_exact() -> None:
    assert not expression(Equals(("d", 0), 1), SCHEMA).exact
    assert not expression(Equals(("d", "0"), 1), SCHEMA).exact
    assert expression(Equals(("d", "k"), 1), SCHEMA).exact


def test_geography_is_refused_by_name() -> None:
    with pytest.raises(Unsupported) as refusal:
        expression(Not(GeoRadius(("d",), GeoPoint(1, 2), 3)), SCHEMA)
    assert refusal.value.feature is Feature.FILTER_GEO


def test_the_fields_that_decide_are_known() -> None:
    condition = AllOf((Not(Equals(("a", 0), 1)), AnyOf((Exists(("d", "k")), HasId(frozenset())))))
    assert fields_of(condition) == {"a", "d"}


@pytest.mark.parametrize(
    ("op", "value", "text"),
    [
        (Op.GT, -(2**63), "i >= -9223372036854775807"),
        (Op.GE, -(2**63), "true"),
        (Op.LT, -(2**63), "false"),
        (Op.LE, -(2**63), "i < -9223372036854775807"),
        (Op.GT, 2**63 - 1, "false"),
        (Op.GE, 2**63 - 1, "i >= 9223372036854775807"),
        (Op.LE, 2**63 - 1, "true"),
        (Op.LT, 2**63 - 1, "i < 9223372036854775807"),
        (Op.LT, float("inf"), "true"),
        (Op.GT, float("inf"), "false"),
        (Op.GT, float("nan"), "false"),
    ],
)
def test_bounds_at_the_edges_of_integers_hold(op: Op, value: float, text: str) -> None:
    assert compare("i", FieldType.INT64, op, value).text == text


@pytest.mark.parametrize(
    ("op", "text"),
    # the nearest float32 to 0.1 lies above it, so "at most 0.1" leaves it out
    [(Op.LE, "f < 0.10000000149011612"), (Op.LT, "f < 0.10000000149011612"), (Op.GE, "f >= 0.10000000149011612")],
)
def test_a_bound_between_two_floats_goes_to_the_right_side(op: Op, text: str) -> None:
    assert compare("f", FieldType.FLOAT32, op, 0.1).text == text


def test_the_lowest_integer_has_no_literal_of_its_own() -> None:
    assert equal("i", FieldType.INT64, -(2**63)).text == "i < -9223372036854775807"
    assert one_of("i", FieldType.INT64, (-(2**63), 1)).text == "(i < -9223372036854775807) or (i == 1)"


@pytest.mark.parametrize(
    ("prefix", "end"),
    [("a", "b"), ("a\U0010ffff", "b"), ("\U0010ffff", None), ("\ud7ff", "\ue000"), ("z\x7f", "z\x80")],
)
def test_the_end_of_a_prefix_is_the_next_text(prefix: str, end: str | None) -> None:
    assert behind_prefix(prefix) == end


def test_constants_are_folded_away() -> None:
    part = Expr("x")
    assert both((ALWAYS, part, ALWAYS)) == part
    assert both((NEVER, inexact(Aim.SUPERSET, part))) == NEVER
    assert either((NEVER, part)) == part
    assert either((ALWAYS, part)) == ALWAYS
    assert negated(negated(NEVER)) == NEVER
    assert both(()) == ALWAYS
    assert either(()) == NEVER


def test_what_is_inexact_stays_so() -> None:
    assert not both((Expr("x"), inexact(Aim.SUPERSET, Expr("y")))).exact
    assert not negated(inexact(Aim.SUBSET, Expr("y"))).exact
