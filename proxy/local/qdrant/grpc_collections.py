"""The services qdrant.Collections and qdrant.Qdrant, but what only a cluster has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qdrant_client import grpc as pb
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from proxy.local.qdrant.config import TITLE, VERSION
from proxy.local.qdrant.registry import Registry
from proxy.qdrant.settings import create_request


def _create(registry: Registry, request: Any) -> pb.CollectionOperationResponse:
    registry.create(request.collection_name, create_request(request))
    return pb.CollectionOperationResponse(result=True)


def _update(registry: Registry, request: Any) -> pb.CollectionOperationResponse:
    registry.patch(request.collection_name, GrpcToRest.convert_update_collection(request))
    return pb.CollectionOperationResponse(result=True)


def _delete(registry: Registry, request: Any) -> pb.CollectionOperationResponse:
    return pb.CollectionOperationResponse(result=registry.drop(request.collection_name))


def _get(registry: Registry, request: Any) -> pb.GetCollectionInfoResponse:
    found = registry.get(request.collection_name).describe()
    return pb.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(found))


def _list(registry: Registry, _: Any) -> pb.ListCollectionsResponse:
    return pb.ListCollectionsResponse(collections=[pb.CollectionDescription(name=name) for name in registry.names()])


def _exists(registry: Registry, request: Any) -> pb.CollectionExistsResponse:
    return pb.CollectionExistsResponse(result=pb.CollectionExists(exists=registry.exists(request.collection_name)))


def _update_aliases(registry: Registry, request: Any) -> pb.CollectionOperationResponse:
    registry.change_aliases([GrpcToRest.convert_alias_operations(action) for action in request.actions])
    return pb.CollectionOperationResponse(result=True)


def _aliases(found: list[models.AliasDescription]) -> pb.ListAliasesResponse:
    return pb.ListAliasesResponse(aliases=[RestToGrpc.convert_alias_description(alias) for alias in found])


def _health(_: Registry, __: Any) -> pb.HealthCheckReply:
    return pb.HealthCheckReply(title=TITLE, version=VERSION)


COLLECTIONS: Final[Mapping[str, Callable[[Registry, Any], Any]]] = {
    "Create": _create,
    "Update": _update,
    "Delete": _delete,
    "Get": _get,
    "List": _list,
    "CollectionExists": _exists,
    "UpdateAliases": _update_aliases,
    "ListAliases": lambda registry, _: _aliases(registry.aliases()),
    "ListCollectionAliases": lambda registry, request: _aliases(registry.aliases(request.collection_name)),
}
QDRANT: Final[Mapping[str, Callable[[Registry, Any], Any]]] = {"HealthCheck": _health}
