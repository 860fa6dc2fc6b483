"""Qdrant's replies -> the model. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from proxy.backends.qdrant.ids import parse_key
from proxy.backends.qdrant.payload import parse_payload, read
from proxy.backends.qdrant.vectors import declared, parse_vectors
from proxy.model.distance import within
from proxy.model.operation import Hit, Search
from proxy.model.point import Point
from proxy.model.schema import Metric, Schema
from proxy.qdrant.sdk import grpc


def parse_points(
    found: Iterable[grpc.RetrievedPoint], fields: tuple[str, ...] | None, vector_names: tuple[str, ...] | None, schema: Schema
) -> tuple[Point, ...]:
    return tuple(_point(each, fields, vector_names, schema) for each in found)


def parse_hits(found: Iterable[grpc.ScoredPoint], search: Search, schema: Schema) -> tuple[Hit, ...]:
    """In Qdrant's order, which is nearest first; `search.far` is not looked at."""
    points = ((each, _point(each, search.fields, search.vector_names, schema)) for each in found)
    return tuple(Hit(point.key, float(each.score), point) for each, point in points)


def beyond(search: Search, schema: Schema, hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Those not nearer than `search.far`, at the precision of Qdrant's scores."""
    metric = declared(schema, search.using).metric or Metric.DOT  # of a sparse vector, which has no other
    far = None if search.far is None else float(np.float32(search.far))
    asked = within(metric, None, far)
    return tuple(hit for hit in hits if asked(hit.value))


def _point(found: Any, fields: tuple[str, ...] | None, vector_names: tuple[str, ...] | None, schema: Schema) -> Point:
    stored = {name: read(value) for name, value in found.payload.items()}
    payload, lengths = parse_payload(stored, schema)
    vectors = parse_vectors(found.vectors, lengths, schema) if found.HasField("vectors") else {}
    return Point(parse_key(found.id, stored, schema), _chosen(vectors, vector_names), _chosen(payload, fields))


def _chosen(entries: Mapping[str, Any], names: tuple[str, ...] | None) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if names is None or name in names}
