"""The model's filter as a Milvus expression (`dsl`, `expr`).

Where Milvus has no condition with the exact meaning, the expression matches a superset (`Expr.exact` is False) and the backend
asks the model's own evaluator about each row that comes back. Under a negation a superset needs a subset, so every condition
is compiled towards one side. Not here: running anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from proxy.backends.milvus.columns_filter import array_test, column_test, element_test
from proxy.backends.milvus.json_filter import json_test
from proxy.backends.milvus.literals import compare, one_of
from proxy.backends.milvus.logic import ALWAYS, NEVER, Aim, Expr, both, either, inexact, negated
from proxy.backends.milvus.places import ArrayColumn, Column, Element, JsonRoot, JsonValue, Nowhere, place_of
from proxy.backends.milvus.texts import like
from proxy.errors import Unsupported
from proxy.model.evaluate import ElementTest, FieldTest, IdTest
from proxy.model.feature import Feature
from proxy.model.filter import (
    AllOf,
    AnyOf,
    Exists,
    Filter,
    GeoBox,
    GeoPolygon,
    GeoRadius,
    HasId,
    HasVector,
    IdLike,
    IdRange,
    IsEmpty,
    MinShould,
    Not,
)
from proxy.model.point import PointId
from proxy.model.schema import FieldType, IdKind, Product, Schema


def expression(condition: Filter, schema: Schema) -> Expr:
    """Matches all that `condition` matches, and no more where it is `exact`. An empty text matches everything.

    Raises Unsupported.
    """
    found = _compile(condition, schema, Aim.SUPERSET)
    match found.text:
        case ALWAYS.text:
            return Expr("", found.exact)
        case NEVER.text:
            return Expr(ids_in((), schema), found.exact)
        case _:
            return found


def ids_in(ids: Iterable[PointId], schema: Schema) -> str:
    """Ids that the collection's key cannot hold are left out: no point has them."""
    found = one_of(schema.id_name, id_type(schema), tuple(ids))
    return f"{schema.id_name} in []" if found is NEVER else found.text


def fields_of(condition: Filter) -> frozenset[str]:
    """The payload fields that the condition looks at."""
    match condition:
        case AllOf(parts) | AnyOf(parts) | MinShould(parts, _):
            return frozenset[str]().union(*map(fields_of, parts))
        case Not(part):
            return fields_of(part)
        case HasId() | IdRange() | IdLike() | HasVector():
            return frozenset()
        case _:
            return frozenset({str(condition.path[0])})


def _compile(condition: Filter, schema: Schema, aim: Aim) -> Expr:
    match condition:
        case AllOf(parts):
            return both(_compile(part, schema, aim) for part in parts)
        case AnyOf(parts):
            return either(_compile(part, schema, aim) for part in parts)
        case Not(part):
            return negated(_compile(part, schema, aim.opposite))
        case MinShould(parts, count):
            return _min_should([_compile(part, schema, aim) for part in parts], count, aim)
        case HasId() | IdRange() | IdLike():
            return _id_test(condition, schema, aim)
        case GeoRadius() | GeoBox() | GeoPolygon():
            raise Unsupported(Feature.FILTER_GEO, Product.MILVUS)
        case HasVector():
            raise Unsupported(Feature.FILTER_HAS_VECTOR, Product.MILVUS)
        case _:
            return _field_test(condition, schema, aim)


def _min_should(parts: list[Expr], count: int, aim: Aim) -> Expr:
    if count <= 1:
        return either(parts) if count == 1 else ALWAYS
    if count >= len(parts):
        return both(parts) if count == len(parts) else NEVER
    return inexact(aim, either(parts), both(parts))


def _id_test(test: IdTest, schema: Schema, aim: Aim) -> Expr:
    kind = id_type(schema)
    match test:
        case HasId(ids):
            return Expr(ids_in(ids, schema))
        case IdRange(op, value):
            return compare(schema.id_name, kind, op, value)
        case IdLike(pattern):
            return like(schema.id_name, pattern, aim) if kind is FieldType.STRING else NEVER
        case _:
            assert_never(test)


def id_type(schema: Schema) -> FieldType:
    return FieldType.INT64 if schema.id_kind is IdKind.INT64 else FieldType.STRING


def _field_test(test: ElementTest | FieldTest, schema: Schema, aim: Aim) -> Expr:
    match place_of(test.path, schema):
        case Column() as column:
            return column_test(test, column, aim)
        case ArrayColumn() as column:
            return array_test(test, column, aim)
        case Element() as element:
            return element_test(test, element, aim)
        case JsonValue() as value:
            return json_test(test, value, aim)
        case JsonRoot():
            return ALWAYS if isinstance(test, Exists) else inexact(aim, ALWAYS)
        case Nowhere():
            return ALWAYS if isinstance(test, IsEmpty) else NEVER
        case other:
            assert_never(other)
