"""The model's filters as an application on Milvus writes them, in the language of Milvus 2.5. Pure.

Raises Refused for what that language has no condition for: nothing is asked that means something else.
One difference is Milvus's own: under a dynamic or JSON key its comparisons by order and its `like` look at no element of an
array, and the frontend's do, as the model's. Only equality can be written so that it holds for both.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any, Final

from proxy.errors import Refused
from proxy.model.filter import (
    AllOf,
    AnyOf,
    ArrayLength,
    Bound,
    ContainsAll,
    ContainsAny,
    ContainsNull,
    Equals,
    Exists,
    Filter,
    HasId,
    IdLike,
    IdRange,
    Interval,
    IsEmpty,
    IsNull,
    Like,
    MinShould,
    NoneOf,
    Not,
    OneOf,
    Op,
    Path,
    Range,
    Scalar,
    bounds_of,
)
from proxy.model.point import PointId
from proxy.model.schema import FieldType, Schema

CAPACITY: Final = 8
"""Elements that the application's arrays hold at most: it may ask for each of them by its index."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTEGERS: Final = frozenset({FieldType.INT8, FieldType.INT16, FieldType.INT32, FieldType.INT64})


def filter_of(condition: Filter, schema: Schema) -> str:
    """ "" selects everything."""
    return "" if condition == AllOf(()) else _condition(condition, schema)


def ids_in(ids: Iterable[PointId], schema: Schema) -> str:
    return f"{schema.id_name} in {_list(ids)}"


def behind(last: PointId, own: str, schema: Schema) -> str:
    """Goes on where an earlier iterator ended, in the form that iterators write."""
    bound = f"{schema.id_name} > {_literal(last)}"
    return f"{bound} and ({own})" if own else bound


def _literal(value: object) -> str:
    if not isinstance(value, bool | int | float | str):
        raise Refused(f"Milvus's filters have no literal for a {type(value).__name__}")
    return json.dumps(value, ensure_ascii=False)


def _list(values: Iterable[object]) -> str:
    return f"[{', '.join(map(_literal, values))}]"


# ---- logic: each part in brackets, because `exists a or b` is `exists (a or b)` to Milvus ----


def _condition(condition: Filter, schema: Schema) -> str:
    match condition:
        case AllOf(parts):
            return _all(_condition(part, schema) for part in parts) or _not(_nothing(schema))
        case AnyOf(parts):
            return _any(_condition(part, schema) for part in parts) or _nothing(schema)
        case Not(part):
            return _not(_condition(part, schema))
        case MinShould(parts, count):
            return _condition(AnyOf(tuple(map(AllOf, combinations(parts, count)))), schema)
        case HasId(ids):
            return ids_in(sorted(ids, key=str), schema)
        case IdRange(op, value):
            return f"{schema.id_name} {op} {_literal(value)}"
        case IdLike(pattern):
            return f"{schema.id_name} like {_literal(pattern)}"
        case _:
            return _of_field(condition, schema)


def _all(parts: Iterable[str]) -> str:
    return " and ".join(f"({part})" for part in parts)


def _any(parts: Iterable[str]) -> str:
    return " or ".join(f"({part})" for part in parts)


def _not(part: str) -> str:
    return f"not ({part})"


def _nothing(schema: Schema) -> str:
    return ids_in((), schema)


# ---- places ----


def _place(path: Path, schema: Schema) -> str:
    first, *rest = path
    bare = first in schema.fields or _NAME.fullmatch(str(first))
    return (str(first) if bare else f"$meta[{_literal(first)}]") + "".join(f"[{_literal(step)}]" for step in rest)


def _type(path: Path, schema: Schema) -> FieldType | None:
    """None in JSON and in the dynamic field, where each row has its own."""
    field = schema.fields.get(str(path[0]))
    if field is None or field.type is FieldType.JSON:
        return None
    return field.type if len(path) == 1 else field.element


def _of_field(condition: Any, schema: Schema) -> str:
    place, kind = _place(condition.path, schema), _type(condition.path, schema)
    match condition:
        case ContainsAny() | ContainsAll() | ContainsNull() | ArrayLength():
            return _of_array(condition, place, schema)
        case Exists():
            return f"exists {place}"
        case IsNull():
            return f"(exists {place}) and ({place} is null)"
        case IsEmpty():
            return f"({place} is null) or (array_length({place}) == 0)"
        case Equals() | OneOf() | NoneOf() | Range() | Interval() | Like() if kind is FieldType.ARRAY:
            return _of_elements(condition, schema)
        case Equals(_, value):
            return _equal_to((value,), place, kind, schema)
        case OneOf(_, values):
            return _equal_to(values, place, kind, schema)
        case _:
            return _of_value(condition, place, kind)


# ---- one value ----


def _of_value(condition: Any, place: str, kind: FieldType | None) -> str:
    match condition:
        case NoneOf(_, values):
            return f"{place} not in {_list(values)}" if kind is not None else _json_none_of(place, values)
        case Range() | Interval():
            return _all(_bound(place, bound, kind) for bound in bounds_of(condition))
        case Like(_, pattern):
            return f"{place} like {_literal(pattern)}"
        case _:
            raise Refused(f"Milvus has no condition for {type(condition).__name__} there")


def _equal_to(values: Sequence[Scalar], place: str, kind: FieldType | None, schema: Schema) -> str:
    if kind is None:
        alike = _each_type(values, lambda some: _any((_member(place, some), f"json_contains_any({place}, {_list(some)})")))
        return alike or _nothing(schema)
    if kind in _INTEGERS:
        values = [int(value) for value in values if isinstance(value, int | float) and value == int(value)]
    return _member(place, values) if values else _nothing(schema)


def _member(place: str, values: Sequence[Scalar]) -> str:
    return f"{place} == {_literal(values[0])}" if len(values) == 1 else f"{place} in {_list(values)}"


def _each_type(values: Iterable[Scalar], ask: Callable[[Sequence[Scalar]], str]) -> str:
    """Milvus takes lists of one type. "" where there is no value."""
    types: dict[type, list[Scalar]] = {}
    for value in values:
        types.setdefault(type(value), []).append(value)
    return _any(map(ask, types.values()))


def _bound(place: str, bound: Bound, kind: FieldType | None) -> str:
    """Milvus compares no integer column with a fraction."""
    op, value = bound.op, bound.value
    if kind in _INTEGERS and isinstance(value, float):
        below = op in (Op.LT, Op.LE)
        op = op if value == int(value) else Op.LE if below else Op.GE
        value = math.floor(value) if below else math.ceil(value)
    return f"{place} {op} {_literal(value)}"


def _json_none_of(place: str, values: Sequence[Scalar]) -> str:
    """Of an array, some element; `!=` and `not in` alone hold for what is missing, too."""
    single = f"({_there(place)}) and ({_not(f'array_length({place}) >= 0')}) and ({place} not in {_list(values)})"
    elements = [f"{place}[{n}]" for n in range(CAPACITY)]
    return _any((single, *(f"({_there(element)}) and ({element} not in {_list(values)})" for element in elements)))


def _there(place: str) -> str:
    return f"(exists {place}) and ({place} is not null)"


# ---- arrays ----


def _of_array(condition: ContainsAny | ContainsAll | ContainsNull | ArrayLength, place: str, schema: Schema) -> str:
    kind = "array" if _type(condition.path, schema) is FieldType.ARRAY else "json"
    match condition:
        case ContainsAny(_, values):
            return _each_type(values, lambda some: f"{kind}_contains_any({place}, {_list(some)})") or _nothing(schema)
        case ContainsAll(_, values):
            return f"{kind}_contains_all({place}, {_list(values)})"
        case ContainsNull():
            return _any(f"(exists {place}[{n}]) and ({place}[{n}] is null)" for n in range(CAPACITY))
        case ArrayLength(_, low, high):
            return _length(f"array_length({place})", low or 0, high)


def _length(length: str, low: int, high: int | None) -> str:
    if low == high:
        return f"{length} == {low}"
    return f"{length} >= {low}" if high is None else f"({length} > {low - 1}) and ({length} < {high + 1})"


def _of_elements(condition: Any, schema: Schema) -> str:
    """A comparison with what lies behind an array's end is false."""
    place = _place(condition.path, schema)
    match condition:
        case Equals(_, value):
            return f"array_contains({place}, {_literal(value)})"
        case OneOf(_, values):
            return f"array_contains_any({place}, {_list(values)})"
        case NoneOf(_, values):
            return _any(_all(f"{place}[{n}] != {_literal(value)}" for value in values) for n in range(CAPACITY))
        case _:
            each = ((*condition.path, n) for n in range(CAPACITY))
            return _any(_of_value(condition, _place(path, schema), _type(path, schema)) for path in each)
