"""The writing methods of qdrant.Points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qdrant_client import grpc as pb
from qdrant_client.conversions.conversion import GrpcToRest

from proxy.local.qdrant import named_vectors, updates
from proxy.local.qdrant.collection import FieldSchema, create_index, delete_index
from proxy.local.qdrant.errors import BAD_REQUEST, Fault
from proxy.local.qdrant.filters import compile_filter
from proxy.local.qdrant.grpc_wire import parse_points, refuse_shards
from proxy.local.qdrant.registry import Registry
from proxy.local.qdrant.shapes import shapes_of
from proxy.qdrant.messages import BODIES
from proxy.qdrant.settings import optional

_Op = pb.PointsUpdateOperation


def _done(number: int, *, wait: bool) -> pb.UpdateResult:
    status = pb.UpdateStatus.Completed if wait else pb.UpdateStatus.Acknowledged
    return pb.UpdateResult(operation_id=number, status=status)


def _written(request: Any, number: int) -> pb.PointsOperationResponse:
    return pb.PointsOperationResponse(result=_done(number, wait=request.wait))


def _upsert(registry: Registry, request: Any) -> pb.PointsOperationResponse:
    refuse_shards(request)
    collection = registry.get(request.collection_name)
    only = compile_filter(optional(request, "update_filter", GrpcToRest.convert_filter))
    mode = optional(request, "update_mode", GrpcToRest.convert_update_mode)
    points = parse_points(request.points, shapes_of(collection.settings))
    return _written(request, updates.upsert(collection, points, only, mode))


def _write(variant: Callable[[Any], Any]) -> Callable[[Registry, Any], pb.PointsOperationResponse]:
    """A single write is the batch's form of it, with one operation."""

    def run(registry: Registry, request: Any) -> pb.PointsOperationResponse:
        refuse_shards(request)
        operation = GrpcToRest.convert_points_update_operation(variant(request))
        return _written(request, updates.write(registry.get(request.collection_name), operation))

    return run


def _set_payload(request: Any) -> dict[str, Any]:
    key = request.key if request.HasField("key") else None
    return {"payload": request.payload, "points_selector": request.points_selector, "key": key}


def _update_vectors(request: Any) -> Any:
    only = request.update_filter if request.HasField("update_filter") else None
    return _Op(update_vectors=_Op.UpdateVectors(points=request.points, update_filter=only))


def _update_batch(registry: Registry, request: Any) -> pb.UpdateBatchResponse:
    collection = registry.get(request.collection_name)
    done = []
    for operation in request.operations:
        refuse_shards(getattr(operation, operation.WhichOneof("operation") or "upsert"))
        number = updates.write(collection, GrpcToRest.convert_points_update_operation(operation))
        done.append(_done(number, wait=request.wait))
    return pb.UpdateBatchResponse(result=done)


def _create_index(registry: Registry, request: Any) -> pb.PointsOperationResponse:
    collection = registry.get(request.collection_name)
    schema: FieldSchema | None = BODIES["/qdrant.Points/CreateFieldIndex"](request).field_schema
    if schema is None:
        raise Fault(BAD_REQUEST, "field_type or field_index_params is required")
    number = create_index(collection, request.field_name, schema)
    registry.save()
    return _written(request, number)


def _delete_index(registry: Registry, request: Any) -> pb.PointsOperationResponse:
    number = delete_index(registry.get(request.collection_name), request.field_name)
    registry.save()
    return _written(request, number)


def _create_vector(registry: Registry, request: Any) -> pb.PointsOperationResponse:
    config = BODIES["/qdrant.Points/CreateVectorName"](request)
    number = named_vectors.create_vector(registry.get(request.collection_name), request.vector_name, config)
    registry.save()
    return _written(request, number)


def _delete_vector(registry: Registry, request: Any) -> pb.PointsOperationResponse:
    number = named_vectors.delete_vector(registry.get(request.collection_name), request.vector_name)
    registry.save()
    return _written(request, number)


WRITES: Final[Mapping[str, Callable[[Registry, Any], Any]]] = {
    "Upsert": _upsert,
    "Delete": _write(lambda r: _Op(delete_points=_Op.DeletePoints(points=r.points))),
    "UpdateVectors": _write(_update_vectors),
    "DeleteVectors": _write(
        lambda r: _Op(delete_vectors=_Op.DeleteVectors(points_selector=r.points_selector, vectors=r.vectors))
    ),
    "SetPayload": _write(lambda r: _Op(set_payload=_Op.SetPayload(**_set_payload(r)))),
    "OverwritePayload": _write(lambda r: _Op(overwrite_payload=_Op.OverwritePayload(**_set_payload(r)))),
    "DeletePayload": _write(lambda r: _Op(delete_payload=_Op.DeletePayload(keys=r.keys, points_selector=r.points_selector))),
    "ClearPayload": _write(lambda r: _Op(clear_payload=_Op.ClearPayload(points=r.points))),
    "UpdateBatch": _update_batch,
    "CreateFieldIndex": _create_index,
    "DeleteFieldIndex": _delete_index,
    "CreateVectorName": _create_vector,
    "DeleteVectorName": _delete_vector,
}
