"""Reads -> Milvus's requests. Pure. Not: what comes back (parse.py), filters (expr.py)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from proxy.backends.milvus.expr import id_type, ids_in
from proxy.backends.milvus.literals import compare
from proxy.backends.milvus.logic import NEVER
from proxy.backends.milvus.naming import local_name, partition_name
from proxy.milvus.columns import dense_bytes, sparse_bytes
from proxy.milvus.schema import DENSE_TYPES, META, METRIC_NAMES, key_values
from proxy.milvus.sdk.grpc_gen import common_pb2, milvus_pb2
from proxy.model.filter import Op
from proxy.model.operation import Search
from proxy.model.point import PointId, Sparse, Vector
from proxy.model.schema import DType, Metric, Schema, VectorField, VectorKind

REPLY_BYTES: Final = 32 * 2**20
"""What a reply is planned to hold; Milvus sends 64 MiB, and only vectors are known beforehand."""
MAX_ROWS: Final = 16_384
"""Milvus's limit of `limit + offset` and of `topk`."""
_ROW_OVERHEAD: Final = 256
_WHOLE_SPACE: Final = 1e38
"""Beyond every float32 score that matters, and still one."""
_PLACEHOLDERS: Final = {
    DType.BINARY: common_pb2.BinaryVector,
    DType.FLOAT32: common_pb2.FloatVector,
    DType.FLOAT16: common_pb2.Float16Vector,
    DType.BFLOAT16: common_pb2.BFloat16Vector,
    DType.INT8: common_pb2.Int8Vector,
}
_CODES: Final = {dtype: code for code, dtype in DENSE_TYPES.items()}
_COMPONENT_BITS: Final = {DType.BINARY: 1, DType.INT8: 8, DType.UINT8: 8, DType.FLOAT16: 16, DType.BFLOAT16: 16}


@dataclass(frozen=True, slots=True)
class Plan:
    """What all requests of one read share. `expr` is Milvus's text of the filter, `output` the columns to send.

    `since`: a timestamp of Milvus's up to which writes must be seen, 0: all writes until now, None: as the collection says.
    """

    schema: Schema
    expr: str
    output: tuple[str, ...]
    since: int | None


def query(plan: Plan, partition: str | None, limit: int | None = None) -> Any:
    """QueryRequest; with a limit, in ascending order of the key."""
    params = {} if limit is None else {"limit": limit, "iterator": "True", "reduce_stop_for_best": "True"}
    request = milvus_pb2.QueryRequest(expr=plan.expr, output_fields=plan.output, query_params=key_values(params))
    return _placed(request, plan, partition)


def search(plan: Plan, search: Search, metric: Metric, partition: str | None, topk: int) -> Any:
    """SearchRequest for the `topk` nearest of each query vector."""
    params: dict[str, Any] = dict(search.hints) | _bounds(search, metric)
    if "ef" in params:
        params["ef"] = max(int(params["ef"]), topk)
    settings = {"anns_field": search.using, "topk": topk, "metric_type": METRIC_NAMES[metric], "round_decimal": -1}
    request = milvus_pb2.SearchRequest(
        dsl=plan.expr,
        dsl_type=common_pb2.BoolExprV1,
        placeholder_group=_placeholders(plan.schema.vectors[search.using], search.vectors),
        nq=len(search.vectors),
        output_fields=plan.output,
        search_params=key_values(settings | {"params": orjson.dumps(params).decode()}),
    )
    return _placed(request, plan, partition)


def output_fields(schema: Schema, fields: Iterable[str] | None, vector_names: Iterable[str] | None) -> tuple[str, ...]:
    """Columns to ask for; the key's comes first."""
    vectors = [name for name in schema.vectors if vector_names is None or name in vector_names]
    if fields is None:
        return (schema.id_name, *vectors, *schema.fields, *((META,) if schema.dynamic else ()))
    asked = frozenset(fields)
    dynamic = (META,) if schema.dynamic and asked - schema.fields.keys() else ()
    return (schema.id_name, *vectors, *(name for name in schema.fields if name in asked), *dynamic)


def rows_in_reply(plan: Plan) -> int:
    """Rows of which the vectors alone fit into a reply."""
    vectors = plan.schema.vectors
    size = sum(_bytes(vectors[name]) for name in plan.output if name in vectors)
    return max(1, min(MAX_ROWS, REPLY_BYTES // (size + _ROW_OVERHEAD)))


def behind(plan: Plan, last: PointId | None) -> Plan:
    """The same, with keys above `last` only, in the form that pymilvus's iterators write: servers may look for it."""
    if last is None:
        return plan
    bound = compare(plan.schema.id_name, id_type(plan.schema), Op.GT, last)
    if bound is NEVER:
        return replace(plan, expr=ids_in((), plan.schema))
    return replace(plan, expr=f"({plan.expr}) and {bound.text}" if plan.expr else bound.text)


def canonical(metric: Metric, score: float) -> float:
    """Milvus's score as the model's value: L2 is squared there."""
    return math.sqrt(max(score, 0.0)) if metric is Metric.EUCLIDEAN else score


def _bounds(search: Search, metric: Metric) -> dict[str, float]:
    """Milvus leaves out `radius` itself, and rounds: a little is added on both sides, and the backend draws the line."""
    if search.threshold is None and search.far is None:
        return {}
    outward = -1 if metric.larger_is_nearer else 1
    radius = outward * _WHOLE_SPACE if search.threshold is None else _widened(metric, search.threshold, outward)
    return (
        {"radius": radius} if search.far is None else {"radius": radius, "range_filter": _widened(metric, search.far, -outward)}
    )


def _widened(metric: Metric, value: float, direction: int) -> float:
    score = value * value if metric is Metric.EUCLIDEAN else value
    return score + direction * max(abs(score), 1.0) * 1e-5


def _placeholders(field: VectorField, vectors: Sequence[Vector]) -> bytes:
    sparse = field.kind is VectorKind.SPARSE
    kind = common_pb2.SparseFloatVector if sparse else _PLACEHOLDERS[field.dtype]
    raw = [_raw(field.dtype, vector) for vector in vectors]
    value = common_pb2.PlaceholderValue(tag="$0", type=kind, values=raw)
    serialized: bytes = common_pb2.PlaceholderGroup(placeholders=[value]).SerializeToString()
    return serialized


def _placed(request: Any, plan: Plan, partition: str | None) -> Any:
    request.collection_name = local_name(plan.schema)
    request.partition_names.extend(filter(None, [partition_name(plan.schema, partition)]))
    if plan.since is None:
        request.use_default_consistency = True
        request.guarantee_timestamp = 1  # no write of ours must be waited for
    else:
        request.consistency_level = common_pb2.Customized if plan.since else common_pb2.Strong
        request.guarantee_timestamp = plan.since
    return request


def _raw(dtype: DType, vector: Vector) -> bytes:
    if isinstance(vector, Sparse):
        return sparse_bytes(vector)
    return vector.astype("<f4").tobytes() if dtype is DType.FLOAT32 else dense_bytes(_CODES[dtype], vector)


def _bytes(field: VectorField) -> int:
    return field.dim * _COMPONENT_BITS.get(field.dtype, 32) // 8
