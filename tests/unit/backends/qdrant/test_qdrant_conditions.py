from __future__ import annotations

from operator import ge, gt, le, lt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import grpc
from qdrant_schemas import RANK, schema

from proxy.backends.qdrant.conditions import equal_number, like, number_range
from proxy.backends.qdrant.filter import compile_filter
from proxy.errors import Unsupported
from proxy.model.feature import Feature
from proxy.model.filter import (
    AllOf,
    AnyElement,
    AnyOf,
    Equals,
    Exists,
    Filter,
    HasId,
    IdLike,
    IdRange,
    IsNull,
    Like,
    Nested,
    OneOf,
    Op,
    Range,
    TextMatch,
)
from proxy.model.schema import IdKind

COMPARE = {Op.LT: lt, Op.LE: le, Op.GT: gt, Op.GE: ge}
EDGES = [2**53, 2**54, 2**60, 2**62]
WHOLE = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.builds(
        lambda edge, off, sign: sign * (edge + off), st.sampled_from(EDGES), st.integers(-3000, 3000), st.sampled_from([1, -1])
    ),
)


def holds(condition: grpc.Condition, number: int, *, indexed: bool) -> bool:
    """As Qdrant decides: with an integer index by integers, without one by doubles (measured on its engine)."""
    if condition.HasField("filter"):
        return any(holds(part, number, indexed=indexed) for part in condition.filter.should)
    if condition.field.HasField("match"):
        return number in condition.field.match.integers.integers
    value = number if indexed else float(number)
    tests = {"lt": lt, "lte": le, "gt": gt, "gte": ge}
    return all(tests[bound.name](value, limit) for bound, limit in condition.field.range.ListFields())


@given(st.sampled_from(Op), WHOLE, st.integers(-2000, 2000), st.booleans())
def test_order_is_exact_where_integers_share_a_double(op: Op, bound: int, distance: int, indexed: bool) -> None:
    number = max(-(2**63), min(2**63 - 1, bound + distance))

    assert holds(number_range("x", op, bound), number, indexed=indexed) is COMPARE[op](number, bound)


@given(WHOLE, st.integers(-2, 2), st.booleans())
def test_equality_is_exact_where_integers_share_a_double(wanted: int, distance: int, indexed: bool) -> None:
    number = max(-(2**63), min(2**63 - 1, wanted + distance))

    assert holds(equal_number("x", wanted), number, indexed=indexed) is (number == wanted)


@pytest.mark.parametrize("pattern", ["%a", "a%b", "a_", "_", "%a%", "a\\"])
def test_a_pattern_beyond_the_prefix_is_refused(pattern: str) -> None:
    with pytest.raises(Unsupported) as refusal:
        like("x", pattern)

    assert refusal.value.feature is Feature.FILTER_LIKE


@pytest.mark.parametrize(("pattern", "prefix"), [("a%", "a"), ("%", ""), ("a%%", "a"), (r"a\%b%", "a%b"), (r"\\%", "\\")])
def test_a_prefix_is_a_prefix(pattern: str, prefix: str) -> None:
    assert like("x", pattern).field.match.prefix == prefix


def test_everything_is_no_filter_at_all() -> None:
    assert compile_filter(AllOf(()), schema()) is None


def test_nothing_is_not_the_empty_filter_which_would_match_all() -> None:
    found = compile_filter(AnyOf(()), schema())

    assert found is not None
    assert len(found.must) == 1
    assert found.must[0].filter.must_not


def test_declared_integers_are_matched_through_their_index() -> None:
    found = compile_filter(OneOf(("rank",), (1, 2, 3)), schema(fields=(RANK,)))

    assert found is not None
    assert list(found.must[0].filter.should[0].field.match.integers.integers) == [1, 2, 3]


def test_partitions_are_part_of_the_filter() -> None:
    found = compile_filter(AllOf(()), schema(), (None, "p"))

    assert found is not None
    assert "__partition__" in str(found)


@pytest.mark.parametrize(
    ("condition", "feature"),
    [
        (Range(("x",), Op.LT, "text"), Feature.FILTER_TEXT_RANGE),
        (TextMatch(("x",), "word"), Feature.FILTER_TEXT),
        (Like(("x",), "%y"), Feature.FILTER_LIKE),
        (Equals(('a"b',), 1), Feature.DYNAMIC_FIELDS),
        (Nested(("x",), Exists(("y",))), Feature.FILTER_EXISTS),
        (Nested(("x",), HasId(frozenset({1}))), Feature.FILTER_NESTED),
        (AnyElement(("x",), IsNull(())), Feature.FILTER_NESTED),
        (AnyElement(("x",), AllOf((Equals((), 1), Equals((), 2)))), Feature.FILTER_NESTED),
    ],
    ids=str,
)
def test_what_cannot_be_said_is_refused_by_name(condition: Filter, feature: Feature) -> None:
    with pytest.raises(Unsupported) as refusal:
        compile_filter(condition, schema())

    assert refusal.value.feature is feature
    assert "qdrant" in str(refusal.value)


def test_order_of_ids_needs_numbers() -> None:
    with pytest.raises(Unsupported, match="order of texts"):
        compile_filter(IdRange(Op.GT, "a"), schema(id_kind=IdKind.STRING))
    with pytest.raises(Unsupported, match="order of ids"):
        compile_filter(IdRange(Op.GT, 1), schema(id_kind=IdKind.UINT64_OR_UUID))


def test_a_text_pattern_matches_no_number_id() -> None:
    assert compile_filter(IdLike("1%"), schema()) == compile_filter(AnyOf(()), schema())


def test_ids_of_the_products_own_kind_are_matched_as_ids() -> None:
    found = compile_filter(HasId(frozenset({7})), schema(id_kind=IdKind.UINT64_OR_UUID))

    assert found is not None
    assert found.must[0].has_id.has_id[0].num == 7
