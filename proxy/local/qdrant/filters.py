"""Compiles the REST filter to the engine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.engine import datetime_range, twin
from proxy.local.qdrant.errors import VALIDATION, Fault, engine_faults
from proxy.local.qdrant.vectors import EngineId, engine_id


def compile_filter(found: models.Filter | None, without: set[EngineId] | None = None) -> edge.Filter | None:
    """`without`: points to leave out whatever the filter says. Raises Fault for a condition that is none."""
    if not without:
        return _filter(found) if found is not None else None
    exclusion = edge.Filter(must_not=[edge.HasIdCondition(set(without))])
    return exclusion if found is None else edge.Filter(must=[_filter(found), exclusion])


def _filter(found: models.Filter) -> edge.Filter:
    with engine_faults():
        return edge.Filter(
            must=_conditions(found.must),
            should=_conditions(found.should),
            must_not=_conditions(found.must_not),
            min_should=_min_should(found.min_should),
        )


def compile_condition(found: models.Condition) -> Any:
    return CONDITIONS[type(found)](found)


def _conditions(found: list[models.Condition] | models.Condition | None) -> list[Any] | None:
    # An empty list and an absent one mean the same to the server; the engine must not see `should: []`.
    if not found:
        return None
    return [compile_condition(part) for part in (found if isinstance(found, list) else [found])]


def _min_should(found: models.MinShould | None) -> edge.MinShould | None:
    return None if found is None else edge.MinShould(_conditions(found.conditions) or [], found.min_count)


def _field(found: models.FieldCondition) -> edge.FieldCondition:
    return edge.FieldCondition(
        found.key,
        match=_match(found.match) if found.match is not None else None,
        range=datetime_range(found.range) if isinstance(found.range, models.DatetimeRange) else twin(found.range),
        geo_bounding_box=twin(found.geo_bounding_box),
        geo_radius=twin(found.geo_radius),
        geo_polygon=_polygon(found.geo_polygon) if found.geo_polygon is not None else None,
        values_count=twin(found.values_count),
        is_empty=found.is_empty,
        is_null=found.is_null,
    )


def _match(found: models.Match) -> Any:
    return MATCHES[type(found)](found)


def _match_value(found: models.MatchValue) -> edge.MatchValue:
    # The engine takes a Python bool for the integer 1, which no stored bool equals; numpy's bool it takes as bool.
    value: Any = np.bool_(found.value) if isinstance(found.value, bool) else found.value
    return edge.MatchValue(value)


def _polygon(found: models.GeoPolygon) -> edge.GeoPolygon:
    interiors = [ring.points for ring in found.interiors or []]
    for ring in (found.exterior.points, *interiors):
        if len(ring) < 4 or ring[0] != ring[-1]:
            raise Fault(
                VALIDATION,
                "[filter: polygon invalid, the first and the last points of a ring must be the same one of 4 or more]",
            )
    return edge.GeoPolygon(twin(found.exterior.points), twin(interiors) or None)


CONDITIONS: Final[Mapping[type, Callable[[Any], Any]]] = {
    models.FieldCondition: _field,
    models.IsEmptyCondition: lambda found: edge.IsEmptyCondition(found.is_empty.key),
    models.IsNullCondition: lambda found: edge.IsNullCondition(found.is_null.key),
    models.HasIdCondition: lambda found: edge.HasIdCondition({engine_id(raw) for raw in found.has_id}),
    models.HasVectorCondition: lambda found: edge.HasVectorCondition(found.has_vector),
    # missing in the engine's type stubs
    models.SliceCondition: lambda found: edge.SliceCondition(found.slice.total, found.slice.index),  # type: ignore[attr-defined]
    models.NestedCondition: lambda found: edge.NestedCondition(found.nested.key, _filter(found.nested.filter)),
    models.Filter: _filter,
}
MATCHES: Final[Mapping[type, Callable[[Any], Any]]] = {
    models.MatchValue: _match_value,
    models.MatchAny: lambda found: edge.MatchAny(found.any),
    models.MatchExcept: lambda found: edge.MatchExcept(found.except_),
    models.MatchText: lambda found: edge.MatchText(found.text),
    models.MatchTextAny: lambda found: edge.MatchTextAny(found.text_any),
    models.MatchPhrase: lambda found: edge.MatchPhrase(found.phrase),
    models.MatchPrefix: lambda found: edge.MatchPrefix(found.prefix),
    models.MatchSubstring: lambda found: edge.MatchSubstring(found.substring),
}
