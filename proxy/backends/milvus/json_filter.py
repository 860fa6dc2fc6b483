"""Conditions on values inside JSON: untyped, so a scalar and an array of scalars are asked for side by side.

Milvus cannot ask whether a value is null, an object or an array, only whether it compares with something and whether it has
a first element; what depends on more is a superset or a subset.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias, assert_never

from proxy.backends.milvus.literals import LENGTHS, array, is_number, literal, quoted
from proxy.backends.milvus.logic import ALWAYS, NEVER, Aim, Expr, both, either, inexact, negated
from proxy.backends.milvus.places import JsonValue
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
    Op,
    Range,
    TextMatch,
    bounds_of,
)

Values: TypeAlias = Sequence[bool | float | str]

EXACT_NUMBERS: Final = 2**53
"""Below it, integers and fractions compare as numbers; at it and above, Milvus rounds one to the other's type."""

_INCLUSIVE: Final[Mapping[Op, Op]] = {Op.LT: Op.LE, Op.LE: Op.LE, Op.GT: Op.GE, Op.GE: Op.GE}


def json_test(test: ElementTest | FieldTest, value: JsonValue, aim: Aim) -> Expr:
    if isinstance(test, GeoRadius | GeoBox | GeoPolygon):
        return NEVER
    expr = inexact(aim, _exists(value.text)) if _has_no_json(test) else _json_test(test, value.text, aim)
    return inexact(aim, expr) if value.ambiguous else expr


def _json_test(test: ElementTest | FieldTest, text: str, aim: Aim) -> Expr:
    match test:
        case Equals(_, wanted):
            return _equals(text, (wanted,), aim)
        case OneOf(_, wanted):
            return _equals(text, wanted, aim)
        case NoneOf():
            return inexact(aim, _exists(text))
        case Range() | Interval():
            return _interval(text, bounds_of(test), aim)
        case Like(_, pattern):
            scalar = like(text, pattern, aim, any_text=_text(text))
            return inexact(aim, either((scalar, _array(text))), scalar)
        case TextMatch():
            return inexact(aim, either((_text(text), _array(text))))
        case GeoRadius() | GeoBox() | GeoPolygon():
            return NEVER
        case _:
            return _field_test(test, text, aim)


def _field_test(test: FieldTest, text: str, aim: Aim) -> Expr:
    match test:
        case ContainsAny(_, wanted):
            return _contains_any(text, wanted, aim)
        case ContainsAll(_, wanted):
            each = [_contains_any(text, (value,), aim) for value in wanted]
            return both(each) if each else inexact(aim, _exists(text))
        case ArrayLength(_, low, high):
            return _length(text, max(low or 0, 0), high, aim)
        case Exists():
            return _exists(text)
        case IsNull():
            return inexact(aim, both((_exists(text), negated(_something(text)))))
        case IsEmpty():
            return inexact(aim, negated(_something(text)), negated(_exists(text)))
        case ContainsNull() | Nested() | AnyElement():
            return inexact(aim, _array(text))
        case _:
            assert_never(test)


def _has_no_json(test: ElementTest | FieldTest) -> bool:
    """It asks for a value that is no JSON: what is stored in its place does not decide."""
    match test:
        case Equals(_, wanted) | Range(_, _, wanted):
            return not _is_json(wanted)
        case OneOf(_, values) | ContainsAny(_, values) | ContainsAll(_, values):
            return not all(map(_is_json, values))
        case _:
            return False


def _is_json(value: object) -> bool:
    return value is None or (isinstance(value, bool | int | float | str) and not _is_infinite(value))


def _is_infinite(value: object) -> bool:
    return isinstance(value, float) and math.isinf(value)


def _exists(text: str) -> Expr:
    return Expr(f"exists {text}")


def _array(text: str) -> Expr:
    """An array that is not empty; an object with a key "0" too."""
    return Expr(f"exists {text}[0]")


def _number(text: str) -> Expr:
    return Expr(f"({text} <= 0) or ({text} > 0)")


def _text(text: str) -> Expr:
    return Expr(f'{text} >= ""')


def _something(text: str) -> Expr:
    """A number, a text, a truth value or an array that is not empty."""
    return either((_number(text), _text(text), Expr(f"{text} in [true, false]"), _array(text)))


def _equals(text: str, wanted: Sequence[object], aim: Aim) -> Expr:
    scalars = _each_class(wanted, aim, lambda values: Expr(f"{text} in {array(values)}"))
    return either((scalars, _contains_any(text, wanted, aim)))


def _contains_any(text: str, wanted: Sequence[object], aim: Aim) -> Expr:
    return _each_class(wanted, aim, lambda values: Expr(f"json_contains_any({text}, {array(values)})"))


def _each_class(wanted: Sequence[object], aim: Aim, ask: Callable[[Values], Expr]) -> Expr:
    """Milvus takes lists of one type; numbers go as fractions, which equal integers as well."""
    numbers = [value for value in wanted if isinstance(value, int | float) and is_number(value) and math.isfinite(value)]
    small = [float(value) for value in numbers if abs(value) < EXACT_NUMBERS]
    large = [_fraction(value) for value in numbers if abs(value) >= EXACT_NUMBERS]
    classes: list[Values] = [
        [value for value in wanted if isinstance(value, str)],
        [value for value in wanted if isinstance(value, bool)],
        small,
    ]
    exact = either(ask(values) for values in classes if values)
    return either((exact, inexact(aim, ask(large)))) if large else exact


def _interval(text: str, bounds: Sequence[Bound], aim: Aim) -> Expr:
    if any(isinstance(bound.value, datetime) for bound in bounds):
        return inexact(aim, _exists(text))
    scalar = both(_range(text, bound.op, bound.value, aim) for bound in bounds)
    return inexact(aim, either((scalar, _array(text))), scalar)


def _range(text: str, op: Op, bound: object, aim: Aim) -> Expr:
    if isinstance(bound, str):
        return Expr(f"{text} {op} {quoted(bound)}")
    if not isinstance(bound, int | float) or not is_number(bound) or math.isnan(bound):
        return NEVER
    if math.isinf(bound):
        return _number(text) if (bound > 0) == (op in (Op.LT, Op.LE)) else NEVER
    if abs(bound) < EXACT_NUMBERS:
        return Expr(f"{text} {op} {literal(bound)}")
    return inexact(aim, Expr(f"{text} {_INCLUSIVE[op]} {literal(_fraction(bound))}"))


def _length(text: str, low: int, high: int | None, aim: Aim) -> Expr:
    if low > 0 and high is not None and high - low < LENGTHS:
        return either(Expr(f"array_length({text}) == {n}") for n in range(low, high + 1))
    there = Expr(f"exists {text}[{low - 1}]") if low else _exists(text)
    not_longer = ALWAYS if high is None else negated(Expr(f"exists {text}[{high}]"))
    return inexact(aim, both((there, not_longer)))


def _fraction(value: int | float) -> float:
    """The nearest, and the largest there is for integers beyond all fractions."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(sys.float_info.max, value)
