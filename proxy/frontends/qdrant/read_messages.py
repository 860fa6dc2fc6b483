"""Points of an answer as the gRPC server's messages. Vectors are in the form of servers from 1.17 on, and in the flat one
before it that older clients read: the real server of those versions fills it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import RestToGrpc

from proxy.frontends.qdrant import replies
from proxy.frontends.qdrant.calls import Call, response
from proxy.frontends.qdrant.routes import Action
from proxy.frontends.qdrant.shown import Row, Shown
from proxy.frontends.qdrant.values import UNNAMED
from proxy.model.point import PointId, Sparse, Vector
from proxy.model.schema import Schema
from proxy.ports import Reply

_BATCHES: Final = frozenset({Action.QUERY_BATCH, Action.SEARCH_BATCH, Action.RECOMMEND_BATCH, Action.DISCOVER_BATCH})
Told = tuple[str | int, Row, Shown | None]


def records(points: Row, schema: Schema) -> Reply:
    return replies.message(pb.GetResponse(result=[_record(point, schema) for point in points]))


def count(found: int) -> Reply:
    return replies.message(pb.CountResponse(result=pb.CountResult(count=found)))


def page(points: Row, following: PointId | None, schema: Schema) -> Reply:
    told = None if following is None else _id(following)
    return replies.message(pb.ScrollResponse(result=[_record(point, schema) for point in points], next_page_offset=told))


def rows(call: Call, found: Sequence[Row], schema: Schema) -> Reply:
    scored = [[_scored(point, schema) for point in row] for row in found]
    if call.action in _BATCHES:
        return replies.message(response(call)(result=[pb.BatchResult(result=row) for row in scored]))
    return replies.message(response(call)(result=scored[0]))


def groups(call: Call, found: Sequence[Told], schema: Schema, elsewhere: Schema) -> Reply:
    told = [
        pb.PointGroup(
            id=RestToGrpc.convert_group_id(value),
            hits=[_scored(point, schema) for point in hits],
            lookup=None if lookup is None else _record(lookup, elsewhere),
        )
        for value, hits, lookup in found
    ]
    return replies.message(response(call)(result=pb.GroupsResult(groups=told)))


def _record(point: Shown, schema: Schema) -> pb.RetrievedPoint:
    return pb.RetrievedPoint(id=_id(point.id), payload=_payload(point), vectors=_vectors(point.vectors, schema))


def _scored(point: Shown, schema: Schema) -> pb.ScoredPoint:
    return pb.ScoredPoint(
        id=_id(point.id), payload=_payload(point), score=point.score, version=0, vectors=_vectors(point.vectors, schema)
    )


def _id(found: PointId) -> pb.PointId:
    return pb.PointId(num=found) if isinstance(found, int) else pb.PointId(uuid=str(found))


def _payload(point: Shown) -> Any:
    return RestToGrpc.convert_payload(point.payload) if point.payload else None


def _vectors(vectors: Mapping[str, Vector] | None, schema: Schema) -> pb.VectorsOutput | None:
    if vectors is None:
        return None
    if schema.vectors.keys() == {UNNAMED} and UNNAMED in vectors:
        return pb.VectorsOutput(vector=_vector(vectors[UNNAMED]))
    named = {name: _vector(vector) for name, vector in vectors.items()}
    return pb.VectorsOutput(vectors=pb.NamedVectorsOutput(vectors=named))


def _vector(vector: Vector) -> pb.VectorOutput:
    if isinstance(vector, Sparse):
        return pb.VectorOutput(sparse=pb.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist()))
    values = np.asarray(vector, np.float32)
    if values.ndim == 2:
        return pb.VectorOutput(multi_dense=pb.MultiDenseVector(vectors=[pb.DenseVector(data=row) for row in values.tolist()]))
    return pb.VectorOutput(dense=pb.DenseVector(data=values.tolist()))
