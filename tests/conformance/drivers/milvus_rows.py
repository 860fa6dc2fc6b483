"""Points and hits between the model and the rows that the official client of Milvus takes and gives. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from proxy.model.operation import Fetch, Hit, Scan, Search
from proxy.model.point import Key, Point, Sparse, Vector
from proxy.model.schema import DType, Metric, Schema, VectorField, VectorKind

METRICS: Final = {
    Metric.COSINE: "COSINE",
    Metric.DOT: "IP",
    Metric.EUCLIDEAN: "L2",
    Metric.HAMMING: "HAMMING",
    Metric.JACCARD: "JACCARD",
}
_DTYPES: Final = {DType.FLOAT16: np.float16, DType.BINARY: np.uint8}


# ---- points ----


def row_of(point: Point, schema: Schema) -> dict[str, Any]:
    vectors = {name: vector_of(vector) for name, vector in point.vectors.items()}
    return {schema.id_name: point.key.id, **vectors, **point.payload}


def vector_of(vector: Vector) -> Any:
    match vector:
        case Sparse(indices, values):
            return dict(zip(indices.tolist(), values.tolist(), strict=True))
        case _ if vector.dtype == np.uint8:
            return vector.tobytes()
        case _:
            return vector


def parse_row(row: Mapping[str, Any], read: Fetch | Scan | Search, partition: str | None, schema: Schema) -> Point:
    vectors = {name: _vector(row[name], field) for name, field in schema.vectors.items() if row.get(name) is not None}
    payload = {name: value for name, value in row.items() if name != schema.id_name and name not in schema.vectors}
    assert read.fields is None or payload.keys() <= set(read.fields), "what was not asked for came along"
    return Point(Key(read.collection, partition, row[schema.id_name]), vectors, payload)


def _vector(found: Any, field: VectorField) -> Vector:
    if field.kind is VectorKind.SPARSE:
        return Sparse(np.array(list(found), np.uint32), np.array(list(found.values()), np.float32))
    if field.dtype not in _DTYPES:
        return np.array(found, np.float32)
    (raw,) = [found] if isinstance(found, bytes) else found
    return np.frombuffer(raw, _DTYPES[field.dtype])


# ---- what is to be shown ----


def output_fields(read: Fetch | Scan | Search, schema: Schema) -> list[str]:
    """The key among them, because Milvus shows every field where none is named."""
    if read.fields is None and read.vector_names is None:
        return ["*"]
    fields = (*schema.fields, "$meta") if read.fields is None else read.fields
    vectors = schema.vectors if read.vector_names is None else read.vector_names
    return [schema.id_name, *vectors, *fields]


# ---- searches ----


def search_params(search: Search, metric: Metric | None) -> dict[str, Any]:
    """Milvus leaves out what lies at `radius` itself."""
    if metric is None:
        return {}
    bounds: dict[str, float] = {}
    if search.threshold is not None:
        farther = -math.inf if metric.larger_is_nearer else math.inf
        bounds["radius"] = float(np.nextafter(np.float32(_score(search.threshold, metric)), np.float32(farther)))
    if search.far is not None:
        bounds["range_filter"] = _score(search.far, metric)
    return {"metric_type": METRICS[metric], "params": bounds}


def _score(value: float, metric: Metric) -> float:
    return value * value if metric is Metric.EUCLIDEAN else value


def parse_hit(hit: Mapping[str, Any], search: Search, partition: str | None, schema: Schema) -> Hit:
    row = {**hit["entity"], schema.id_name: hit[schema.id_name]}
    point = parse_row(row, search, partition, schema)
    euclidean = schema.vectors[search.using].metric is Metric.EUCLIDEAN
    return Hit(point.key, math.sqrt(hit["distance"]) if euclidean else hit["distance"], point)
