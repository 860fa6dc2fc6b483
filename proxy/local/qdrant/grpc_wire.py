"""Points between protobuf and the engine, without the REST models in between (these are the hot paths); and absent fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc, grpc_to_payload

from proxy.local.qdrant.errors import WRONG_INPUT, Fault, absent
from proxy.local.qdrant.groups import Group, Hit
from proxy.local.qdrant.shapes import Shapes
from proxy.local.qdrant.vectors import EngineId, engine_id

_EMPTY_VECTORS: Final[Mapping[str, Any]] = {}


def refuse_shards(request: Any) -> None:
    if request.HasField("shard_key_selector"):
        raise absent("shard keys are")


def parse_points(points: Sequence[Any], shapes: Shapes) -> list[edge.Point]:
    """`pb.PointStruct`s for an upsert. Raises Fault for a wrong id or shape."""
    return [
        edge.Point(parse_id(point.id), shapes.vectors(_parse_vectors(point)), grpc_to_payload(point.payload))
        for point in points
    ]


def parse_id(found: Any) -> EngineId:
    match found.WhichOneof("point_id_options"):
        case "num":
            return int(found.num)
        case "uuid":
            return engine_id(found.uuid)
        case _:
            raise Fault(WRONG_INPUT, "empty point id")


def encode_id(found: Any) -> pb.PointId:
    """Of an EngineId."""
    return pb.PointId(uuid=str(found)) if isinstance(found, UUID) else pb.PointId(num=found)


def encode_record(found: edge.Record) -> pb.RetrievedPoint:
    return pb.RetrievedPoint(
        id=encode_id(found.id),
        payload=_encode_payload(found.payload),
        vectors=_encode_vectors(found.vector),
        order_value=_encode_order(found.order_value),
    )


def encode_scored(found: edge.ScoredPoint | Hit) -> pb.ScoredPoint:
    return pb.ScoredPoint(
        id=encode_id(found.id),
        payload=_encode_payload(found.payload),
        score=found.score,
        version=found.version,
        vectors=_encode_vectors(found.vector),
        order_value=_encode_order(found.order_value),
    )


def encode_group(found: Group) -> pb.PointGroup:
    return pb.PointGroup(
        id=RestToGrpc.convert_group_id(found.id),
        hits=map(encode_scored, found.hits),
        lookup=encode_record(found.lookup) if found.lookup is not None else None,
    )


def _parse_vectors(point: Any) -> Any:
    if not point.HasField("vectors"):
        return _EMPTY_VECTORS
    return GrpcToRest.convert_vectors(point.vectors)


def _encode_payload(payload: dict[str, Any] | None) -> Any:
    return RestToGrpc.convert_payload(payload) if payload else None


def _encode_vectors(found: Any) -> pb.VectorsOutput | None:
    match found:
        case None:
            return None
        case dict():
            named = {name: _encode_vector(vector) for name, vector in found.items()}
            return pb.VectorsOutput(vectors=pb.NamedVectorsOutput(vectors=named))
        case _:
            return pb.VectorsOutput(vector=_encode_vector(found))


def _encode_vector(found: Any) -> pb.VectorOutput:
    match found:
        case edge.SparseVector():
            return pb.VectorOutput(sparse=pb.SparseVector(indices=found.indices, values=found.values))
        case [[*_], *_]:
            return pb.VectorOutput(multi_dense=pb.MultiDenseVector(vectors=[pb.DenseVector(data=row) for row in found]))
        case _:
            return pb.VectorOutput(dense=pb.DenseVector(data=found))


def _encode_order(found: int | float | None) -> pb.OrderValue | None:
    match found:
        case None:
            return None
        case int():
            return pb.OrderValue(int=found)
        case _:
            return pb.OrderValue(float=found)
