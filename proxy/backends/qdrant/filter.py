"""Filters -> Qdrant's, with exactly the meaning of the model. Pure.

What makes it more than a translation: Qdrant's conditions on null, missing and [] overlap, and an array and its only element
look the same to it. Payloads are stored to fit (payload.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias, assert_never
from uuid import UUID

from proxy.backends.qdrant import conditions
from proxy.backends.qdrant.conditions import all_of, any_of, is_empty, is_null, negation, nothing
from proxy.backends.qdrant.ids import is_own_kind, mapped_id, point_id
from proxy.backends.qdrant.names import EMPTY, ID, PARTITION, field_name, json_path, json_steps
from proxy.errors import Unsupported
from proxy.model.evaluate import GeoTest
from proxy.model.feature import Feature
from proxy.model.filter import (
    AllOf,
    AnyElement,
    AnyOf,
    ArrayLength,
    ContainsAll,
    ContainsAny,
    ContainsNull,
    Equals,
    Exists,
    Filter,
    GeoBox,
    GeoPolygon,
    GeoRadius,
    HasId,
    HasVector,
    IdLike,
    IdRange,
    Interval,
    IsEmpty,
    IsNull,
    Like,
    MinShould,
    Nested,
    NoneOf,
    Not,
    OneOf,
    Path,
    Range,
    Scalar,
    TextMatch,
    bounds_of,
)
from proxy.model.point import Key
from proxy.model.schema import FieldType, IdKind, Product, Schema
from proxy.qdrant.sdk import grpc

_INTEGERS: Final = frozenset({FieldType.INT8, FieldType.INT16, FieldType.INT32, FieldType.INT64})

LogicTest: TypeAlias = AllOf | AnyOf | Not | MinShould
ValueTest: TypeAlias = Equals | OneOf | NoneOf | Range | Interval | Like | TextMatch | GeoTest
ArrayTest: TypeAlias = ContainsAny | ContainsAll | ContainsNull | ArrayLength
PresenceTest: TypeAlias = Exists | IsNull | IsEmpty
IdTest: TypeAlias = HasId | IdRange | IdLike


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where paths start: at the payload, at an element of an array of objects, or (`elements`) at any element of one."""

    schema: Schema
    nested: bool = False
    elements: str = ""
    """Their key, which ends in []."""

    def key(self, path: Path) -> str:
        if self.elements:
            return self.elements + json_steps(path)
        first, *rest = path
        as_it_is = self.nested or is_own_kind(self.schema)
        return json_path((first if as_it_is else field_name(str(first)), *rest))

    def holds_integers(self, path: Path) -> bool:
        """Declared so: no double can be there."""
        field = None if self.nested or len(path) > 1 else self.schema.fields.get(str(path[0]))
        return field is not None and (field.element if field.type is FieldType.ARRAY else field.type) in _INTEGERS


def compile_filter(condition: Filter, schema: Schema, partitions: Sequence[str | None] | None = None) -> grpc.Filter | None:
    """None where everything matches. Raises Unsupported by feature."""
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    must = [_condition(part, _Scope(schema)) for part in parts]
    if partitions is not None:
        must.append(_in_partitions(partitions))
    return grpc.Filter(must=must) if must else None


def _condition(condition: Filter, scope: _Scope) -> grpc.Condition:
    if scope.elements:
        return _of_element(condition, scope)
    return _anywhere(condition, scope)


def _of_element(condition: Filter, scope: _Scope) -> grpc.Condition:
    """One condition at a time: Qdrant cannot ask for two that the same element satisfies, unless it is an object."""
    match condition:
        case AnyOf(parts):
            return any_of(_of_element(part, scope) for part in parts)
        case Not(IsEmpty(path)):
            return negation(is_empty(scope.key(path)))
        case (
            Equals() | OneOf() | NoneOf() | Range() | Interval() | Like() | TextMatch() | GeoRadius() | GeoBox() | GeoPolygon()
        ):
            return _value(condition, scope)
        case AnyElement() | Nested():
            return _anywhere(condition, scope)
        case _:
            raise Unsupported(Feature.FILTER_NESTED, Product.QDRANT, f"{type(condition).__name__} of any element of an array")


def _anywhere(condition: Filter, scope: _Scope) -> grpc.Condition:
    match condition:
        case AllOf() | AnyOf() | Not() | MinShould():
            return _logic(condition, scope)
        case ContainsAny() | ContainsAll() | ContainsNull() | ArrayLength():
            return _array(condition, scope)
        case Exists() | IsNull() | IsEmpty():
            return _presence(condition, scope)
        case HasId() | IdRange() | IdLike():
            return _id(condition, scope)
        case Nested(path, part):
            inner = grpc.Filter(must=[_condition(part, replace(scope, nested=True, elements=""))])
            return grpc.Condition(nested=grpc.NestedCondition(key=scope.key(path) + "[]", filter=inner))
        case AnyElement(path, part):
            return _condition(part, replace(scope, nested=True, elements=scope.key(path) + "[]"))
        case HasVector(name):
            return _has_vector(name, scope)
        case _:
            return _value(condition, scope)


def _logic(condition: LogicTest, scope: _Scope) -> grpc.Condition:
    match condition:
        case AllOf(parts):
            return all_of(_condition(part, scope) for part in parts)
        case AnyOf(parts):
            return any_of(_condition(part, scope) for part in parts)
        case Not(part):
            return negation(_condition(part, scope))
        case MinShould(parts, count):
            return conditions.at_least(count, [_condition(part, scope) for part in parts])
        case _:
            assert_never(condition)


def _value(condition: ValueTest, scope: _Scope) -> grpc.Condition:
    match condition:
        case Equals(path, value):
            return _equals(path, value, scope)
        case OneOf(path, values):
            return _one_of(path, values, scope)
        case NoneOf(path, values):
            return _none_of(path, values, scope)
        case Range() | Interval():
            return conditions.interval(scope.key(condition.path), bounds_of(condition))
        case Like(path, pattern):
            return conditions.like(scope.key(path), pattern)
        case TextMatch():
            raise Unsupported(Feature.FILTER_TEXT, Product.QDRANT)
        case GeoRadius() | GeoBox() | GeoPolygon():
            return conditions.geo(scope.key(condition.path), condition)
        case _:
            assert_never(condition)


def _equals(path: Path, value: Scalar, scope: _Scope) -> grpc.Condition:
    key = scope.key(path)
    match value:
        case bool():
            return conditions.match(key, boolean=value)
        case int() if scope.holds_integers(path):
            return conditions.integers(key, [value])
        case int() | float():
            return conditions.equal_number(key, value)
        case str() | UUID():
            return conditions.match(key, keyword=str(value))
        case datetime():
            return conditions.equal_time(key, value)
        case _:
            assert_never(value)


def _one_of(path: Path, values: Sequence[Scalar], scope: _Scope) -> grpc.Condition:
    """One condition for all texts, and one for all integers where no double can be."""
    key, whole = scope.key(path), scope.holds_integers(path)
    texts = [str(value) for value in values if isinstance(value, str | UUID)]
    numbers = [value for value in values if type(value) is int and whole]
    rest = [value for value in values if not isinstance(value, str | UUID) and not (type(value) is int and whole)]
    parts = [_equals(path, value, scope) for value in rest]
    parts += [conditions.texts(key, texts)] if texts else []
    parts += [conditions.integers(key, numbers)] if numbers else []
    return any_of(parts)


def _none_of(path: Path, values: Sequence[Scalar], scope: _Scope) -> grpc.Condition:
    """Qdrant's `except` knows texts or integers, which none of its doubles equals: a list of one kind, without numbers. Those
    of its own clients mean it so."""
    key = scope.key(path)
    if all(isinstance(value, str | UUID) for value in values):
        return conditions.match(key, except_keywords=grpc.RepeatedStrings(strings=map(str, values)))
    if all(type(value) is int for value in values) and (is_own_kind(scope.schema) or scope.holds_integers(path)):
        return conditions.match(key, except_integers=grpc.RepeatedIntegers(integers=[v for v in values if type(v) is int]))
    raise Unsupported(Feature.FILTER_ARRAY, Product.QDRANT, "a value that is none of several numbers of any type")


def _has_vector(name: str, scope: _Scope) -> grpc.Condition:
    if scope.nested:
        raise Unsupported(Feature.FILTER_NESTED, Product.QDRANT, "a vector inside a condition on array elements")
    return grpc.Condition(has_vector=grpc.HasVectorCondition(has_vector=name))


# ---- arrays, presence ----


def _array(condition: ArrayTest, scope: _Scope) -> grpc.Condition:
    match condition:
        case ContainsAny(path, values):
            return all_of([_one_of(path, values, scope), _filled_array(path, scope)])
        case ContainsAll(path, ()):
            return any_of([_filled_array(path, scope), _empty_array(path, scope)])
        case ContainsAll(path, values):
            return all_of([*(_equals(path, value, scope) for value in values), _filled_array(path, scope)])
        case ContainsNull(path):
            return all_of([is_null(scope.key(path)), negation(is_empty(scope.key(path)))])
        case ArrayLength(path, low, high):
            return _array_length(path, max(low or 0, 0), high, scope)
        case _:
            assert_never(condition)


def _array_length(path: Path, low: int, high: int | None, scope: _Scope) -> grpc.Condition:
    if high is not None and high < low:
        return nothing()
    count = grpc.ValuesCount(gte=max(low, 1)) if high is None else grpc.ValuesCount(gte=max(low, 1), lte=high)
    counted = conditions.field(scope.key(path), values_count=count)
    # a value that is no array counts as one
    filled = counted if low > 1 else all_of([_filled_array(path, scope), counted])
    return any_of([filled, _empty_array(path, scope)]) if low == 0 else filled


def _filled_array(path: Path, scope: _Scope) -> grpc.Condition:
    """An array with an element: the path of its elements leads to something, be it null or []."""
    elements = scope.key(path) + "[]"
    return any_of([negation(is_empty(elements)), is_null(elements), *_listed_empty((*path, 0), scope)])


def _empty_array(path: Path, scope: _Scope) -> grpc.Condition:
    listed = _listed_empty(path, scope)
    if not listed:
        raise Unsupported(Feature.FILTER_EXISTS, Product.QDRANT, "no condition there can tell [] from a missing field")
    return any_of(listed)


def _listed_empty(path: Path, scope: _Scope) -> list[grpc.Condition]:
    """Each point of a foreign collection lists its empty arrays; conditions on elements cannot see the list."""
    if scope.nested or is_own_kind(scope.schema):
        return []
    return [conditions.match(EMPTY, keyword=scope.key(path))]


def _presence(condition: PresenceTest, scope: _Scope) -> grpc.Condition:
    key = scope.key(condition.path)
    match condition:
        case Exists(path):
            return any_of([negation(is_empty(key)), is_null(key), _empty_array(path, scope)])
        case IsNull():
            # an array with a null in it is null to Qdrant, but not empty
            return all_of([is_null(key), is_empty(key)])
        case IsEmpty():
            return is_empty(key)
        case _:
            assert_never(condition)


# ---- ids, partitions ----


def _id(condition: IdTest, scope: _Scope) -> grpc.Condition:
    if scope.nested:
        raise Unsupported(Feature.FILTER_NESTED, Product.QDRANT, "an id inside a condition on array elements")
    match condition:
        case HasId(ids) if is_own_kind(scope.schema):
            own = [point_id(mapped_id(Key(scope.schema.collection, None, each), scope.schema)) for each in ids]
            return grpc.Condition(has_id=grpc.HasIdCondition(has_id=own))
        case HasId(ids):
            return any_of(
                [
                    conditions.texts(ID, [str(each) for each in ids if isinstance(each, str | UUID)]),
                    conditions.integers(ID, [each for each in ids if isinstance(each, int)]),
                ]
            )
        case IdRange(op, int() as bound) if scope.schema.id_kind is IdKind.INT64:
            return conditions.number_range(ID, op, bound)
        case IdRange():
            feature = Feature.FILTER_ID_RANGE if is_own_kind(scope.schema) else Feature.FILTER_TEXT_RANGE
            raise Unsupported(feature, Product.QDRANT, "its ids and texts have no order in filters")
        case IdLike(pattern):
            return conditions.like(ID, pattern) if scope.schema.id_kind is IdKind.STRING else nothing()
        case _:
            assert_never(condition)


def _in_partitions(partitions: Sequence[str | None]) -> grpc.Condition:
    named = conditions.texts(PARTITION, [name for name in partitions if name is not None])
    return any_of([is_empty(PARTITION), named] if None in partitions else [named])
