"""What a Milvus expression means: syntax tree -> the model's filter.

Milvus's logic has three values: a condition on a null in a declared field is neither true nor false, so `not` does not
make it true. Each condition is therefore a pair: where it is true and where it is false. A missing key of JSON and of the
dynamic field is plainly false (measured on 2.3.5: `!=` and `not in` match it), except `arr[i] != x` beyond the array's end.
One difference stays: where a row holds an array under a dynamic key that is compared with a scalar, the model looks at its
elements and Milvus does not. Not here: names and constants (operand.py), the grammar (syntax.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from proxy.errors import Reason, Refused, Unsupported
from proxy.frontends.milvus import syntax
from proxy.frontends.milvus.operand import TARGET, Const, Id, Length, Operand, Place, Scope, typed
from proxy.frontends.milvus.syntax import Node
from proxy.model.feature import Feature
from proxy.model.filter import (
    EVERYTHING,
    AllOf,
    AnyOf,
    ArrayLength,
    ContainsAll,
    ContainsAny,
    Equals,
    Exists,
    Filter,
    HasId,
    IdLike,
    IdRange,
    IsNull,
    Like,
    Not,
    OneOf,
    Op,
    Path,
    Range,
)
from proxy.model.schema import FieldType

MAX_DEPTH: Final = 100
"""Conditions inside conditions: what any compiler behind us can follow."""
NOTHING: Final = AnyOf(())
_MIRRORED: Final = {Op.LT: Op.GT, Op.LE: Op.GE, Op.GT: Op.LT, Op.GE: Op.LE}
_UNSUPPORTED: Final[Mapping[str, Feature]] = {
    "text_match": Feature.FILTER_TEXT,
    "phrase_match": Feature.FILTER_TEXT,
    "element_filter": Feature.FILTER_NESTED,
    "match_all": Feature.FILTER_NESTED,
    "match_any": Feature.FILTER_NESTED,
    "match_least": Feature.FILTER_NESTED,
    "match_most": Feature.FILTER_NESTED,
    "match_exact": Feature.FILTER_NESTED,
}
T = TypeVar("T", AllOf, AnyOf)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a condition is true, and where it is false; a row may be in neither."""

    yes: Filter
    no: Filter

    @property
    def negated(self) -> Verdict:
        return Verdict(self.no, self.yes)


def filter_of(text: str, scope: Scope) -> Filter:
    """ "" is everything. Raises Refused (as Milvus would) and Unsupported by feature."""
    return meaning(syntax.parse(text), scope) if text.strip() else EVERYTHING


def meaning(node: Node, scope: Scope) -> Filter:
    try:
        return _verdict(node, scope, 0).yes
    except RecursionError:
        raise Refused("the constants of the expression are nested too deeply") from None


def _verdict(node: Node, scope: Scope, depth: int) -> Verdict:
    if depth > MAX_DEPTH:
        raise Refused(f"the expression is nested deeper than {MAX_DEPTH}")
    match node:
        case syntax.Parens(part):
            return _verdict(part, scope, depth + 1)
        case syntax.And(parts):
            return _both(_verdict(part, scope, depth + 1) for part in parts)
        case syntax.Or(parts):
            return _both(_verdict(part, scope, depth + 1).negated for part in parts).negated
        case syntax.Unary("not", part):
            return _verdict(part, scope, depth + 1).negated
        case _:
            return _condition(node, scope)


def _both(verdicts: Iterable[Verdict]) -> Verdict:
    there = tuple(verdicts)
    return Verdict(_merged(AllOf, (v.yes for v in there)), _merged(AnyOf, (v.no for v in there)))


def _merged(kind: type[T], parts: Iterable[Filter]) -> Filter:
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _condition(node: Node, scope: Scope) -> Verdict:
    match node:
        case syntax.Equality(left, negated, right):
            return _equality(scope.operand(left), scope.operand(right), negated)
        case syntax.Order(parts, ops):
            return _order([scope.operand(part) for part in parts], [Op(op) for op in ops])
        case syntax.Member(part, negated, items):
            return _turned(_member(scope.operand(part), scope.constant(items)), negated)
        case syntax.IsNull(part, negated):
            return _turned(_null(scope.operand(part)), negated)
        case syntax.Exists(part):
            return _exists(scope.operand(part))
        case _:
            return _text_or_call(node, scope)


def _text_or_call(node: Node, scope: Scope) -> Verdict:
    match node:
        case syntax.Like(part, pattern):
            return _like(scope.operand(part), scope.constant(pattern), scope.prefix_only)
        case syntax.Regex():
            raise Unsupported(Feature.FILTER_LIKE, TARGET, "regular expressions")
        case syntax.Call(name, parts, named):
            return _called(name, parts, named, scope)
        case _:
            raise Refused("predicate is not a boolean expression")


def _turned(verdict: Verdict, negated: bool) -> Verdict:
    return verdict.negated if negated else verdict


def _leaf(condition: Filter, place: Place) -> Verdict:
    if not place.nullable:
        return Verdict(condition, Not(condition))
    return Verdict(condition, AllOf((Not(condition), Not(IsNull(place.path[:1])))))


# ---- comparisons ----


def _equality(left: Operand, right: Operand, negated: bool) -> Verdict:
    match left, right:
        case Const(), Const():
            raise Refused("a comparison of two constants")
        case Const(value), operand:
            return _equals(operand, value, negated)
        case operand, Const(value):
            return _equals(operand, value, negated)
        case _:
            raise Unsupported(Feature.FILTER_FIELD_COMPARE, TARGET)


def _equals(operand: Operand, value: Any, negated: bool) -> Verdict:
    match operand:
        case Id(texts):
            return _turned(_ids((value,), texts), negated)
        case Length(place):
            length = _whole(value)
            return _turned(_leaf(ArrayLength(place.path, length, length), place), negated)
        case Place() if operand.type is not FieldType.JSON:
            equal = _leaf(Equals(operand.path, typed(value, operand.type)), operand)
            return _unequal_element(equal, operand.path) if negated and operand.indexed else _turned(equal, negated)
        case _:
            raise Refused("can not comparisons jsonField directly")


def _unequal_element(equal: Verdict, path: Path) -> Verdict:
    return Verdict(AllOf((Exists(path), equal.no)), AnyOf((Not(Exists(path)), equal.yes)))


def _order(operands: list[Operand], ops: list[Op]) -> Verdict:
    match operands, ops:
        case [Const(low), (Id() | Place()) as middle, Const(high)], [first, second] if first.value[0] == second.value[0]:
            return _both((_ordered(middle, _MIRRORED[first], low), _ordered(middle, second, high)))
        case [Const(), Const()], _:
            raise Refused("a comparison of two constants")
        case [Const(value), operand], [op]:
            return _ordered(operand, _MIRRORED[op], value)
        case [operand, Const(value)], [op]:
            return _ordered(operand, op, value)
        case [_, _], _:
            raise Unsupported(Feature.FILTER_FIELD_COMPARE, TARGET)
        case _:
            raise Refused("a comparison of a comparison")


def _ordered(operand: Operand, op: Op, value: Any) -> Verdict:
    match operand:
        case Id(texts):
            bound = IdRange(op, _id(value, texts))
            return Verdict(bound, Not(bound))
        case Length(place):
            return _leaf(_length(place, op, _whole(value)), place)
        case Place(path) if operand.type not in (FieldType.JSON, FieldType.BOOL) and not isinstance(value, bool):
            return _leaf(Range(path, op, typed(value, operand.type)), operand)
        case _:
            raise Refused(f"{op} is not supported between this field and {value!r}")


def _length(place: Place, op: Op, value: int) -> Filter:
    match op:
        case Op.LT | Op.LE:
            return ArrayLength(place.path, None, value if op is Op.LE else value - 1)
        case Op.GT | Op.GE:
            return ArrayLength(place.path, value if op is Op.GE else value + 1, None)


def _member(operand: Operand, values: Any) -> Verdict:
    if not isinstance(values, tuple):
        raise Refused("the right side of `in` must be an array of constants")
    match operand:
        case Id(texts):
            return _ids(values, texts)
        case Place(path) if operand.type not in (FieldType.JSON, FieldType.ARRAY):
            wanted = tuple(typed(value, operand.type) for value in values)
            return _leaf(OneOf(path, wanted) if wanted else NOTHING, operand)
        case _:
            raise Refused("'term' can only be used on single field")


def _ids(values: Iterable[Any], texts: bool) -> Verdict:
    condition = HasId(frozenset(_id(value, texts) for value in values))
    return Verdict(condition, Not(condition))


def _id(value: Any, texts: bool) -> int | str:
    # By exact type, because a list of ids is long, and `True` is no id.
    if type(value) is not (str if texts else int):
        raise Refused(f"cannot cast value to the type of the primary key, value: {value!r}")
    return value


def _whole(value: Any) -> int:
    return int(typed(value, FieldType.INT64))


# ---- texts, null, arrays ----


def _like(operand: Operand, pattern: Any, prefix_only: bool) -> Verdict:
    if not isinstance(pattern, str):
        raise Refused(f"like needs a text, not {pattern!r}")
    wanted = _prefix(pattern) if prefix_only else pattern
    match operand:
        case Id(texts=True):
            condition = IdLike(wanted)
            return Verdict(condition, Not(condition))
        case Place(path) if operand.type in (FieldType.STRING, None):
            return _leaf(Like(path, wanted), operand)
        case _:
            raise Refused("like operation on non-string or no-json field is unsupported")


def _prefix(pattern: str) -> str:
    # 2.3 reads `ab%` and the empty text as a prefix, anything else without % as the text itself; `_` and `\` mean themselves.
    text, wild = (pattern[:-1], "%") if pattern.endswith("%") or not pattern else (pattern, "")
    if "%" in text:
        raise Refused(
            f"unsupported pattern: {pattern}, only prefix pattern match like ab% and equal match like ab are supported"
        )
    return "".join("\\" + letter if letter in "\\_" else letter for letter in text) + wild


def _null(operand: Operand) -> Verdict:
    match operand:
        case Place(path) if len(path) == 1 and operand.type is not None:
            return Verdict(IsNull(path), Not(IsNull(path)))
        case Place(path):
            return Verdict(AnyOf((IsNull(path), Not(Exists(path)))), AllOf((Not(IsNull(path)), Exists(path))))
        case _:
            raise Refused("is null can only be used on a field")


def _exists(operand: Operand) -> Verdict:
    if isinstance(operand, Place) and operand.type is None:
        return Verdict(Exists(operand.path), Not(Exists(operand.path)))
    raise Refused("exists oerations are only supportted on json field")


def _called(name: str, parts: tuple[Node, ...], named: tuple[str, ...], scope: Scope) -> Verdict:
    known = name.lower() if name in (name.lower(), name.upper()) else name
    if known in _UNSUPPORTED:
        raise Unsupported(_UNSUPPORTED[known], TARGET, known)
    if known.startswith("st_"):
        raise Unsupported(Feature.FILTER_GEO, TARGET, known)
    if known == "random_sample":
        raise Refused("random_sample is not supported by " + TARGET, Reason.UNSUPPORTED)
    wanted = known.removeprefix("json_").removeprefix("array_")
    if wanted == known or wanted not in ("contains", "contains_any", "contains_all") or len(parts) != 2 or named:
        raise Refused(f"function {name} not found")
    return _contains(wanted, scope.operand(parts[0]), scope.constant(parts[1]))


def _contains(kind: str, operand: Operand, value: Any) -> Verdict:
    if not isinstance(operand, Place) or operand.type not in (None, FieldType.ARRAY, FieldType.JSON):
        raise Refused(f"{kind} operation are only supported on json or array fields now")
    if kind != "contains" and not isinstance(value, tuple):
        raise Refused(f"{kind} operation element must be an array")
    values = (value,) if kind == "contains" else value
    wanted = tuple(typed(each, operand.element) for each in values)
    return _leaf((ContainsAll if kind == "contains_all" else ContainsAny)(operand.path, wanted), operand)
