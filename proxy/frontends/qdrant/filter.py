"""Filters -> the model's, with exactly the meaning that they have in Qdrant. Pure.

Owns: the clauses and what stands in them. Not: the conditions on one payload key (conditions.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from qdrant_client import models

from proxy.errors import Reason, Refused, Unsupported
from proxy.frontends.qdrant.conditions import field_test, is_empty, is_null
from proxy.frontends.qdrant.ids import point_id
from proxy.frontends.qdrant.paths import array_of, where
from proxy.frontends.qdrant.words import TARGET
from proxy.model.feature import Feature
from proxy.model.filter import EVERYTHING, AllOf, AnyOf, Filter, HasId, HasVector, MinShould, Nested, Not
from proxy.model.point import PointId

MAX_DEPTH: Final = 50
"""Of filters in filters; what is deeper is refused before it can exhaust a stack."""


def filter_of(found: models.Filter | None) -> Filter:
    """None: everything. Raises Refused for what Qdrant itself refuses, and Unsupported by feature."""
    return EVERYTHING if found is None else _filter(found, nested=False, depth=0)


def _filter(found: models.Filter, *, nested: bool, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        raise Refused(f"a filter of more than {MAX_DEPTH} levels", Reason.TOO_LARGE)

    def parts(clause: Any) -> tuple[Filter, ...]:
        return tuple(_condition(each, nested=nested, depth=depth + 1) for each in _listed(clause))

    clauses = [*parts(found.must), *map(Not, parts(found.must_not))]
    if should := parts(found.should):  # an empty one is none
        clauses.append(AnyOf(should))
    if found.min_should is not None:
        clauses.append(MinShould(parts(found.min_should.conditions), found.min_should.min_count))
    return clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))


def _listed(clause: Any) -> Sequence[Any]:
    if clause is None:
        return ()
    return clause if isinstance(clause, list) else [clause]


def _condition(found: models.Condition, *, nested: bool, depth: int) -> Filter:
    match found:
        case models.Filter():
            return _filter(found, nested=nested, depth=depth)
        case models.FieldCondition():
            return field_test(found)
        case models.IsEmptyCondition():
            return is_empty(where(found.is_empty.key))
        case models.IsNullCondition():
            return is_null(where(found.is_null.key))
        case models.NestedCondition():
            array = array_of(found.nested.key)
            inner = _filter(found.nested.filter, nested=True, depth=depth)
            return array.some(lambda path: Nested(path, inner))
        case _:
            return _of_point(found, nested)


def _of_point(found: Any, nested: bool) -> Filter:
    """Conditions on what is no payload."""
    if nested:
        raise Unsupported(Feature.FILTER_NESTED, TARGET, f"{type(found).__name__} in a nested filter")
    match found:
        case models.HasIdCondition():
            ids: frozenset[PointId] = frozenset(map(point_id, found.has_id))
            return HasId(ids)
        case models.HasVectorCondition():
            return HasVector(found.has_vector)
        case _:
            name = type(found).__name__.removesuffix("Condition").lower()
            raise Refused(f"the filter condition `{name}` is not supported by {TARGET}", Reason.UNSUPPORTED)
