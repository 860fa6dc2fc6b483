"""Comparisons of one typed column with a constant, in Milvus's filter language, exact at the edges of the type.

Milvus takes no fraction for an integer column, rounds the constant for a FLOAT column, and cannot parse -2**63.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from proxy.backends.milvus.logic import ALWAYS, NEVER, Expr, either
from proxy.model.filter import Op
from proxy.model.schema import FieldType

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
LENGTHS: Final = 64
"""Most lengths of an array in one expression: Milvus compares them for equality only."""
INTEGERS: Final = frozenset({FieldType.INT8, FieldType.INT16, FieldType.INT32, FieldType.INT64})
FLOATS: Final = frozenset({FieldType.FLOAT32, FieldType.FLOAT64})

# What a bound becomes when the nearest value that the column can hold lies above or below the constant.
_ROUNDED_UP: Final[Mapping[Op, Op]] = {Op.LT: Op.LT, Op.LE: Op.LT, Op.GT: Op.GE, Op.GE: Op.GE}
_ROUNDED_DOWN: Final[Mapping[Op, Op]] = {Op.LT: Op.LE, Op.LE: Op.LE, Op.GT: Op.GT, Op.GE: Op.GT}


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def literal(value: bool | int | float | str) -> str:
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def array(values: Sequence[bool | int | float | str]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def holds(kind: FieldType, value: object) -> bool:
    """Whether a column of this type can hold exactly this value."""
    if kind is FieldType.BOOL:
        return isinstance(value, bool)
    if kind is FieldType.STRING:
        return isinstance(value, str)
    return isinstance(value, int | float) and is_number(value) and _holds_number(kind, value)


def stored(kind: FieldType, value: Any) -> bool | int | float | str:
    """The constant in the column's own type; only of values that it holds."""
    if kind in INTEGERS:
        return int(value)
    return float(value) if kind in FLOATS else value


def compare(text: str, kind: FieldType, op: Op, value: object) -> Expr:
    """`text` is a column of type `kind`; a constant of another class of types matches nothing."""
    if kind is FieldType.STRING and isinstance(value, str):
        return Expr(f"{text} {op} {quoted(value)}")
    if isinstance(value, int | float) and is_number(value) and kind in INTEGERS | FLOATS:
        return _compare_number(text, kind, op, value)
    return NEVER


def equal(text: str, kind: FieldType, value: object) -> Expr:
    if not holds(kind, value):
        return NEVER
    if value == INT64_MIN and kind in INTEGERS:
        return Expr(f"{text} < {INT64_MIN + 1}")
    return Expr(f"{text} == {literal(stored(kind, value))}")


def one_of(text: str, kind: FieldType, values: Sequence[object]) -> Expr:
    held = [stored(kind, value) for value in values if holds(kind, value)]
    if INT64_MIN in held and kind in INTEGERS:
        return either(equal(text, kind, value) for value in held)
    return Expr(f"{text} in {array(held)}") if held else NEVER


def _compare_number(text: str, kind: FieldType, op: Op, value: int | float) -> Expr:
    if not math.isfinite(value):
        return ALWAYS if not math.isnan(value) and (value > 0) == (op in (Op.LT, Op.LE)) else NEVER
    if kind in INTEGERS:
        return _compare_integer(text, op, value)
    near = _NEAREST[kind](value)
    if not math.isfinite(near):
        return _compare_number(text, kind, op, near)
    rounded = op if near == value else (_ROUNDED_UP if near > value else _ROUNDED_DOWN)[op]
    return Expr(f"{text} {rounded} {literal(near)}")


def _compare_integer(text: str, op: Op, value: int | float) -> Expr:
    """Bounds become the nearest integer inside."""
    if op in (Op.LT, Op.LE):
        high = math.floor(value) if op is Op.LE else math.ceil(value) - 1
        if high >= INT64_MAX:
            return ALWAYS
        return Expr(f"{text} < {high + 1}") if high >= INT64_MIN else NEVER
    low = math.ceil(value) if op is Op.GE else math.floor(value) + 1
    if low <= INT64_MIN or low > INT64_MAX:
        return ALWAYS if low <= INT64_MIN else NEVER
    return Expr(f"{text} > {low - 1}" if op is Op.GT and low - 1 > INT64_MIN else f"{text} >= {low}")


def _holds_number(kind: FieldType, value: int | float) -> bool:
    if kind in INTEGERS:
        return math.isfinite(value) and value == int(value) and INT64_MIN <= value <= INT64_MAX
    return kind in FLOATS and _NEAREST[kind](value) == value


def _float32(value: int | float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(_float64(value)))


def _float64(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


_NEAREST: Final[Mapping[FieldType, Callable[[int | float], float]]] = {
    FieldType.FLOAT32: _float32,
    FieldType.FLOAT64: _float64,
}
