"""The two sides of a condition: constants, folded, and what a name stands for in a collection.

Owns: names (declared, dynamic, JSON paths, the primary key), types of literals, templates. Not: conditions (filter.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from proxy.errors import Refused, Unsupported
from proxy.frontends.milvus.syntax import Binary, Call, Items, Literal, Node, Parens, Reference, Template, Unary
from proxy.model.feature import Feature
from proxy.model.filter import Path
from proxy.model.schema import FieldType, IdKind, Schema

TARGET: Final = "a target of another product"
"""Who cannot, in a refusal of what the model has no word for."""
_INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Const:
    """`value`: a scalar, or a tuple of constants."""

    value: Any


@dataclass(frozen=True, slots=True)
class Id:
    texts: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A field or a path into one. `type` is None in JSON and in the dynamic field, where each row has its own."""

    path: Path
    type: FieldType | None
    element: FieldType | None = None
    nullable: bool = False
    indexed: bool = False
    """One element of a declared array."""


@dataclass(frozen=True, slots=True)
class Length:
    of: Place


Operand: TypeAlias = Const | Id | Place | Length


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may name. `prefix_only`: the server's LIKE knows only a trailing %, and `_` is a letter (2.3)."""

    schema: Schema
    templates: Mapping[str, Any]
    prefix_only: bool = False

    def operand(self, node: Node) -> Operand:
        match node:
            case Parens(part):
                return self.operand(part)
            case Reference(steps, meta):
                return self.place(steps, meta)
            case Call("array_length" | "ARRAY_LENGTH", (part,)):
                return Length(_array(self.operand(part)))
            case Binary(op, left, right):
                return self._folded(op, self.operand(left), self.operand(right))
            case Unary(op, part) if op != "not":
                return self._signed(op, self.operand(part))
            case _:
                return Const(self.constant(node))

    def constant(self, node: Node) -> Any:
        match node:
            case Literal(tuple() as values):
                return tuple(map(_checked, values))
            case Literal(value):
                return _checked(value)
            case Parens(part):
                return self.constant(part)
            case Items(parts):
                return tuple(self.constant(part) for part in parts)
            case Template(name) if name in self.templates:
                return self.templates[name]
            case Template(name):
                raise Refused(f"the value of expression template variable name {{{name}}} is not found")
            case Binary() | Unary("+" | "-" | "~") if isinstance(folded := self.operand(node), Const):
                return folded.value
            case _:
                raise Refused("a constant is expected on one side of a comparison")

    def place(self, steps: Path, meta: bool) -> Id | Place:
        if meta:
            return self._dynamic(steps)
        name = steps[0]
        if name == self.schema.id_name and len(steps) == 1:
            return Id(self.schema.id_kind is not IdKind.INT64)
        field = self.schema.fields.get(str(name))
        if field is None:
            return self._undeclared(steps)
        whole = Place((field.name,), field.type, field.element, field.nullable)
        return _inside(whole, steps[1:]) if len(steps) > 1 else whole

    def _undeclared(self, steps: Path) -> Place:
        name = steps[0]
        if name in self.schema.vectors:
            raise Refused(f"the vector field {name} cannot be filtered on")
        if not self.schema.dynamic:
            raise Refused(f"field {name} not exist")
        return Place(steps, None)

    def _dynamic(self, steps: Path) -> Place:
        if not self.schema.dynamic:
            raise Refused(f"the collection {self.schema.collection} has no dynamic field")
        if not steps:
            raise Refused("can not comparisons jsonField directly")
        if steps[0] in self.schema.fields:
            raise Refused(f"$meta[{steps[0]!r}] is the name of a declared field as well")
        return Place(steps, None)

    def _folded(self, op: str, left: Operand, right: Operand) -> Const:
        if isinstance(left, Const) and isinstance(right, Const):
            return Const(_calculated(op, left.value, right.value))
        raise Unsupported(Feature.FILTER_ARITHMETIC, TARGET, f"{op} on a field")

    def _signed(self, op: str, part: Operand) -> Const:
        if not isinstance(part, Const):
            raise Unsupported(Feature.FILTER_ARITHMETIC, TARGET, f"{op} on a field")
        match op, part.value:
            case "-", int() | float() as number:
                return Const(_checked(-number))
            case "+", int() | float() as number:
                return Const(number)
            case "~", int() as number:
                return Const(~number)
            case _:
                raise Refused(f"{op} cannot be applied to {part.value!r}")


def _inside(field: Place, steps: Path) -> Place:
    if field.type is FieldType.JSON:
        return replace(field, path=(*field.path, *steps), type=None)
    if field.type is FieldType.ARRAY and len(steps) == 1 and isinstance(steps[0], int):
        return replace(field, path=(*field.path, *steps), type=field.element, element=None, indexed=True)
    raise Refused(f"{field.type} field {field.path[0]} cannot be accessed by {steps!r}")


def _array(operand: Operand) -> Place:
    if isinstance(operand, Place) and operand.type in (None, FieldType.ARRAY, FieldType.JSON):
        return operand
    raise Refused("array_length operation are only supported on json or array fields now")


# ---- constants ----


def _divided(a: Any, b: Any) -> Any:
    # Go drops the fraction of a quotient of integers.
    if not (isinstance(a, int) and isinstance(b, int)):
        return a / b
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: int, b: int) -> int:
    return a - b * int(_divided(a, b))


_NUMBERS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "**": lambda a, b: math.pow(a, b),
}
_INTEGERS: Final[Mapping[str, Callable[[int, int], int]]] = {
    "%": _remainder,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
}
_MAX_SHIFT: Final = 63


def _calculated(op: str, left: Any, right: Any) -> Any:
    both = (left, right)
    if not all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in both):
        raise Refused(f"{op} cannot be applied to {left!r} and {right!r}")
    if op in _INTEGERS and not all(isinstance(part, int) for part in both):
        raise Refused(f"{op} is only for integers")
    if op in ("<<", ">>") and not 0 <= right <= _MAX_SHIFT:
        raise Refused(f"{op} by {right}")
    try:
        return _checked((_NUMBERS.get(op) or _INTEGERS[op])(left, right))
    except (ZeroDivisionError, OverflowError, ValueError) as error:
        raise Refused(f"{left} {op} {right}: {error}") from error


def _checked(value: Any) -> Any:
    if isinstance(value, int) and value not in _INT64:
        raise Refused(f"the integer {value} is out of range")
    return value


def typed(value: Any, type: FieldType | None) -> Any:
    """The literal as the field's type holds it. Raises Refused where Milvus finds that they cannot be compared."""
    match type, value:
        case None | FieldType.JSON, bool() | int() | float() | str():
            return value
        case FieldType.BOOL, bool():
            return value
        case FieldType.STRING, str():
            return value
        case ((FieldType.INT8 | FieldType.INT16 | FieldType.INT32 | FieldType.INT64), int()) if not isinstance(value, bool):
            return value
        case ((FieldType.FLOAT32 | FieldType.FLOAT64), int() | float()) if not isinstance(value, bool):
            return single(value) if type is FieldType.FLOAT32 else float(value)
        case _, tuple():
            raise Unsupported(Feature.FILTER_ARRAY, TARGET, "comparison of whole arrays")
        case _:
            raise Refused(f"cannot cast value to {type}, value: {value!r}")


def single(value: float) -> float:
    """The nearest number that a float32 field can hold; beyond its range, infinity."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))
