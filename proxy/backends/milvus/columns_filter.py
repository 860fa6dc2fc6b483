"""Conditions on declared columns: scalars, arrays and single elements of arrays. They are typed, so most are exact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from proxy.backends.milvus.literals import LENGTHS, array, compare, equal, holds, literal, one_of, stored
from proxy.backends.milvus.logic import ALWAYS, NEVER, Aim, Expr, both, either, inexact, negated
from proxy.backends.milvus.places import ArrayColumn, Column, Element
from proxy.backends.milvus.texts import like
from proxy.model.evaluate import ElementTest, FieldTest
from proxy.model.filter import (
    AnyElement,
    ArrayLength,
    Bound,
    ContainsAll,
    ContainsAny,
    ContainsNull,
    Equals,
    Exists,
    GeoBox,
    GeoPolygon,
    GeoRadius,
    Interval,
    IsEmpty,
    IsNull,
    Like,
    Nested,
    NoneOf,
    OneOf,
    Range,
    TextMatch,
    bounds_of,
)
from proxy.model.schema import FieldType


def scalar_test(test: ElementTest, text: str, kind: FieldType, aim: Aim) -> Expr:
    match test:
        case Equals(_, value):
            return equal(text, kind, value)
        case OneOf(_, values):
            return one_of(text, kind, values)
        case NoneOf(_, values):
            return negated(one_of(text, kind, values))
        case Range() | Interval():
            return _within(text, kind, bounds_of(test), aim)
        case Like(_, pattern):
            return like(text, pattern, aim) if kind is FieldType.STRING else NEVER
        case TextMatch():
            return inexact(aim, ALWAYS) if kind is FieldType.STRING else NEVER
        case GeoRadius() | GeoBox() | GeoPolygon():
            return NEVER
        case _:
            assert_never(test)


def _within(text: str, kind: FieldType, bounds: Sequence[Bound], aim: Aim) -> Expr:
    if kind is FieldType.STRING and any(isinstance(bound.value, datetime) for bound in bounds):
        return inexact(aim, ALWAYS)
    return both(compare(text, kind, bound.op, bound.value) for bound in bounds)


def column_test(test: ElementTest | FieldTest, column: Column, aim: Aim) -> Expr:
    absent = Expr(f"{column.text} is null") if column.nullable else NEVER
    match test:
        case Exists():
            return ALWAYS
        case IsNull() | IsEmpty():
            return absent
        case ContainsAny() | ContainsAll() | ContainsNull() | ArrayLength() | Nested() | AnyElement():
            return NEVER
        case _:
            return _unless_null(column, scalar_test(test, column.text, column.kind, aim))


def array_test(test: ElementTest | FieldTest, column: ArrayColumn, aim: Aim) -> Expr:
    match test:
        case Exists():
            return ALWAYS
        case IsNull():
            return Expr(f"{column.text} is null") if column.nullable else NEVER
        case IsEmpty():
            null = [Expr(f"{column.text} is null")] if column.nullable else []
            return either((*null, _length(column, 0)))
        case Nested() | ContainsNull():
            return NEVER
        case _:
            return _unless_null(column, _array_test(test, column, aim))


def element_test(test: ElementTest | FieldTest, element: Element, aim: Aim) -> Expr:
    there = _at_least(element.array, element.index + 1)
    match test:
        case Exists():
            return there
        case IsEmpty():
            return negated(there)
        case IsNull() | ContainsAny() | ContainsAll() | ContainsNull() | ArrayLength() | Nested() | AnyElement():
            return NEVER
        case _:
            return _unless_null(element.array, scalar_test(test, element.text, element.kind, aim))


def _array_test(
    test: ElementTest | ContainsAny | ContainsAll | ArrayLength | AnyElement, column: ArrayColumn, aim: Aim
) -> Expr:
    match test:
        case Equals(_, value):
            return _contains_any(column, (value,))
        case OneOf(_, values) | ContainsAny(_, values):
            return _contains_any(column, values)
        case ContainsAll(_, values):
            return both(_contains_any(column, (value,)) for value in values)
        case ArrayLength(_, low, high):
            return _lengths(column, max(low or 0, 0), high, aim)
        case NoneOf() | Range() | Interval() | Like() | TextMatch() | AnyElement():
            return inexact(aim, negated(_length(column, 0)))
        case GeoRadius() | GeoBox() | GeoPolygon():
            return NEVER
        case _:
            assert_never(test)


def _contains_any(column: ArrayColumn, values: Sequence[object]) -> Expr:
    kind = FieldType.FLOAT64 if column.element is FieldType.FLOAT32 else column.element
    held = [stored(kind, value) for value in values if holds(kind, value)]
    if len(held) == 1:
        return Expr(f"array_contains({column.text}, {literal(held[0])})")
    return Expr(f"array_contains_any({column.text}, {array(held)})") if held else NEVER


def _lengths(column: ArrayColumn, low: int, high: int | None, aim: Aim) -> Expr:
    if high is None and low <= LENGTHS:
        return _at_least(column, low)
    if high is None or high - low >= LENGTHS:
        return inexact(aim, ALWAYS)
    return either(_length(column, n) for n in range(low, high + 1))


def _at_least(column: ArrayColumn, length: int) -> Expr:
    return negated(either(_length(column, n) for n in range(length)))


def _length(column: ArrayColumn, length: int) -> Expr:
    return Expr(f"array_length({column.text}) == {length}")


def _unless_null(column: Column | ArrayColumn, expr: Expr) -> Expr:
    """Comparing null is neither true nor false in Milvus; here it is false, so that its negation is true."""
    return both((Expr(f"{column.text} is not null"), expr)) if column.nullable else expr
