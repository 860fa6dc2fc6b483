"""Points of an answer as the REST server prints them: absent is what was not asked for, numbers are shortest float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from proxy.frontends.qdrant import replies
from proxy.frontends.qdrant.shown import Row, Shown
from proxy.frontends.qdrant.values import id_json, vectors_json
from proxy.model.point import PointId
from proxy.model.schema import Schema
from proxy.ports import Reply


def record(point: Shown, schema: Schema) -> dict[str, Any]:
    return {"id": id_json(point.id), **_contents(point, schema)}


def scored(point: Shown, schema: Schema) -> dict[str, Any]:
    """`version` 0: nobody behind us counts the writes of a point."""
    return {"id": id_json(point.id), "version": 0, "score": np.float32(point.score), **_contents(point, schema)}


def page(points: Row, following: PointId | None, schema: Schema) -> Reply:
    told = None if following is None else id_json(following)
    return replies.rest({"points": [record(point, schema) for point in points], "next_page_offset": told})


def group(value: str | int, hits: Row, lookup: Shown | None, schema: Schema, elsewhere: Schema) -> dict[str, Any]:
    found = {"id": value, "hits": [scored(point, schema) for point in hits]}
    return found if lookup is None else {**found, "lookup": record(lookup, elsewhere)}


def _contents(point: Shown, schema: Schema) -> dict[str, Any]:
    vectors = None if point.vectors is None else vectors_json(point.vectors, schema)
    return {name: value for name, value in (("payload", point.payload), ("vector", vectors)) if value is not None}
