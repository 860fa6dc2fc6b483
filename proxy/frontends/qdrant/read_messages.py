"""Points of an answer as the gRPC server's messages, their vectors in the form of the source's version: clients expect it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from qdrant_client.conversions.conversion import RestToGrpc

from proxy.frontends.qdrant import replies
from proxy.frontends.qdrant.calls import Call, response
from proxy.frontends.qdrant.routes import BATCHES
from proxy.frontends.qdrant.shown import Row, Shown
from proxy.frontends.qdrant.values import UNNAMED
from proxy.model.point import PointId, Sparse, Vector
from proxy.model.schema import Schema
from proxy.ports import Catalog, Reply
from proxy.qdrant.sdk import grpc as pb

_NESTED_SINCE: Final = (1, 17)
Told: TypeAlias = tuple[str | int, Row, Shown | None]


@dataclass(frozen=True, slots=True)
class Form:
    """`flat`: vectors as servers before 1.17 have them."""

    schema: Schema
    flat: bool


def form_of(schema: Schema, catalog: Catalog) -> Form:
    known = re.match(r"(\d+)\.(\d+)", catalog.fact("version"))
    return Form(schema, known is not None and tuple(map(int, known.groups())) < _NESTED_SINCE)


def records(points: Row, form: Form) -> Reply:
    return replies.message(pb.GetResponse(result=[_record(point, form) for point in points]))


def count(found: int) -> Reply:
    return replies.message(pb.CountResponse(result=pb.CountResult(count=found)))


def page(points: Row, following: PointId | None, form: Form) -> Reply:
    told = None if following is None else _id(following)
    return replies.message(pb.ScrollResponse(result=[_record(point, form) for point in points], next_page_offset=told))


def rows(call: Call, found: Sequence[Row], form: Form) -> Reply:
    scored = [[_scored(point, form) for point in row] for row in found]
    if call.action in BATCHES:
        return replies.message(response(call)(result=[pb.BatchResult(result=row) for row in scored]))
    return replies.message(response(call)(result=scored[0]))


def groups(call: Call, found: Sequence[Told], form: Form, elsewhere: Form) -> Reply:
    told = [
        pb.PointGroup(
            id=RestToGrpc.convert_group_id(value),
            hits=[_scored(point, form) for point in hits],
            lookup=None if lookup is None else _record(lookup, elsewhere),
        )
        for value, hits, lookup in found
    ]
    return replies.message(response(call)(result=pb.GroupsResult(groups=told)))


def _record(point: Shown, form: Form) -> pb.RetrievedPoint:
    return pb.RetrievedPoint(id=_id(point.id), payload=_payload(point), vectors=_vectors(point.vectors, form))


def _scored(point: Shown, form: Form) -> pb.ScoredPoint:
    return pb.ScoredPoint(
        id=_id(point.id), payload=_payload(point), score=point.score, version=0, vectors=_vectors(point.vectors, form)
    )


def _id(found: PointId) -> pb.PointId:
    return pb.PointId(num=found) if isinstance(found, int) else pb.PointId(uuid=str(found))


def _payload(point: Shown) -> Any:
    if not point.payload:
        return None
    try:
        return RestToGrpc.convert_payload(point.payload)
    except ValueError:  # an integer beyond a signed 64-bit one, which Qdrant tells as a double
        return RestToGrpc.convert_payload(_told(point.payload))


def _told(value: Any) -> Any:
    match value:
        case dict():
            return {name: _told(each) for name, each in value.items()}
        case list():
            return [_told(each) for each in value]
        case int() if not -(2**63) <= value < 2**63:
            return float(value)
        case _:
            return value


def _vectors(vectors: Mapping[str, Vector] | None, form: Form) -> pb.VectorsOutput | None:
    if vectors is None:
        return None
    told = {name: _flat(vector) if form.flat else _vector(vector) for name, vector in vectors.items()}
    if form.schema.vectors.keys() == {UNNAMED} and UNNAMED in told:
        return pb.VectorsOutput(vector=told[UNNAMED])
    return pb.VectorsOutput(vectors=pb.NamedVectorsOutput(vectors=told))


def _vector(vector: Vector) -> pb.VectorOutput:
    if isinstance(vector, Sparse):
        return pb.VectorOutput(sparse=pb.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist()))
    values = np.asarray(vector, np.float32)
    if values.ndim == 2:
        return pb.VectorOutput(multi_dense=pb.MultiDenseVector(vectors=[pb.DenseVector(data=row) for row in values.tolist()]))
    return pb.VectorOutput(dense=pb.DenseVector(data=values.tolist()))


def _flat(vector: Vector) -> pb.VectorOutput:
    if isinstance(vector, Sparse):
        return pb.VectorOutput(data=vector.values.tolist(), indices=pb.SparseIndices(data=vector.indices.tolist()))
    values = np.asarray(vector, np.float32)
    return pb.VectorOutput(data=values.ravel().tolist(), vectors_count=len(values) if values.ndim == 2 else None)
