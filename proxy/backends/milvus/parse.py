"""Milvus's replies -> points, hits, pages. Pure. Not: which request they answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from proxy.backends.milvus.reads import canonical
from proxy.milvus.columns import is_dynamic, points_of, values_of
from proxy.model.operation import Hit
from proxy.model.point import Point, PointId
from proxy.model.schema import Metric, Schema


def rows(schema: Schema, reply: Any, partition: str | None) -> list[Point]:
    """Of QueryResults, as they come."""
    keys = next((column for column in reply.fields_data if column.field_name == schema.id_name), None)
    found = len(values_of(keys)) if keys is not None else 0
    return list(points_of(schema, reply.fields_data, found, partition)) if found else []


def number(reply: Any) -> int:
    """Of a count."""
    return int(reply.fields_data[0].scalars.long_data.data[0])


def hits(schema: Schema, metric: Metric, reply: Any, partition: str | None) -> list[list[Hit]]:
    """Of SearchResults: for each query vector its hits, nearest first, with canonical values."""
    found = reply.results
    ids: Sequence[PointId] = found.ids.int_id.data or found.ids.str_id.data
    columns = [column for column in found.fields_data if column.field_name != schema.id_name or is_dynamic(column)]
    points = points_of(schema, columns, len(ids), partition, ids=list(ids))
    flat = [Hit(p.key, canonical(metric, score), p) for p, score in zip(points, found.scores, strict=True)]
    ends = [sum(found.topks[: i + 1]) for i in range(len(found.topks))]
    return [flat[end - size : end] for end, size in zip(ends, found.topks, strict=True)]


def trimmed(point: Point, fields: Iterable[str] | None) -> Point:
    """Only what was asked for: the dynamic column comes whole, and filters may need fields of their own."""
    if fields is None:
        return point
    asked = frozenset(fields)
    return Point(point.key, point.vectors, {name: value for name, value in point.payload.items() if name in asked})
