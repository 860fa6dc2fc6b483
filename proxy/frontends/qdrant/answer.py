"""What a client asks about its collections and its server, answered from the catalog alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from qdrant_client import grpc as pb
from qdrant_client import models as m
from qdrant_client.conversions.conversion import GrpcToRest

from proxy.errors import NotFound
from proxy.frontends import grpc
from proxy.frontends.qdrant import replies
from proxy.frontends.qdrant.calls import Call, found
from proxy.frontends.qdrant.routes import GRPC, Action
from proxy.model.schema import Schema
from proxy.ports import Catalog, Reply
from proxy.qdrant.schema import config_of, indexes_of

TITLE: Final = "qdrant - vector search engine"
_SERVING: Final = b"\x08\x01"
"""grpc.health.v1.HealthCheckResponse with the status SERVING."""


def answer(call: Call, catalog: Catalog) -> Reply:
    """Raises NotFound."""
    return _ANSWERS[call.action](call, catalog)


# ---- the server ----


def _version(call: Call, catalog: Catalog) -> Reply:
    version = catalog.fact("version")
    if call.role == GRPC:
        return replies.message(pb.HealthCheckReply(title=TITLE, version=version))
    return replies.bare({"title": TITLE, "version": version, "commit": None})


def _page(text: bytes) -> Callable[[Call, Catalog], Reply]:
    return lambda _, __: Reply(200, replies.TEXT, text)


def _health(_: Call, __: Catalog) -> Reply:
    return grpc.succeeded(_SERVING)


# ---- collections ----


def _list(call: Call, catalog: Catalog) -> Reply:
    names = catalog.collections()
    if call.role == GRPC:
        return replies.message(pb.ListCollectionsResponse(collections=[pb.CollectionDescription(name=n) for n in names]))
    return replies.rest({"collections": [{"name": name} for name in names]})


def _get(call: Call, catalog: Catalog) -> Reply:
    info = _info(catalog.schema(found(call, catalog)))
    if call.role == GRPC:
        return replies.message(pb.GetCollectionInfoResponse(result=info))
    told = GrpcToRest.convert_collection_info(info).model_dump(mode="json", exclude_none=True)
    return replies.rest(_shortest(told))


def _shortest(tree: Any) -> Any:
    """A float32 as the server prints it: 0.9, though as a double it is 0.8999999761581421."""
    match tree:
        case dict():
            return {name: _shortest(each) for name, each in tree.items()}
        case list():
            return [_shortest(each) for each in tree]
        case float() if float(np.float32(tree)) == tree:
            return np.float32(tree)
        case _:
            return tree


def _info(schema: Schema) -> pb.CollectionInfo:
    """The numbers of points are not in the catalog: the server's own are approximate, and these are left out."""
    return pb.CollectionInfo(
        status=pb.CollectionStatus.Green,
        optimizer_status=pb.OptimizerStatus(ok=True),
        segments_count=1,
        config=config_of(schema),
        payload_schema=indexes_of(schema),
    )


def _exists(call: Call, catalog: Catalog) -> Reply:
    try:
        catalog.resolve(call.collection)
        exists = True
    except NotFound:
        exists = False
    if call.role == GRPC:
        return replies.message(pb.CollectionExistsResponse(result=pb.CollectionExists(exists=exists)))
    return replies.rest({"exists": exists})


# ---- aliases ----


def _aliases(call: Call, catalog: Catalog) -> Reply:
    return _told(call, catalog.aliases())


def _collection_aliases(call: Call, catalog: Catalog) -> Reply:
    collection = found(call, catalog)
    return _told(call, {alias: name for alias, name in catalog.aliases().items() if name == collection})


def _told(call: Call, aliases: Mapping[str, str]) -> Reply:
    if call.role == GRPC:
        told: list[Any] = [pb.AliasDescription(alias_name=a, collection_name=name) for a, name in aliases.items()]
        return replies.message(pb.ListAliasesResponse(aliases=told))
    told = [m.AliasDescription(alias_name=a, collection_name=name) for a, name in aliases.items()]
    return replies.rest({"aliases": told})


_ANSWERS: Final[Mapping[Action, Callable[[Call, Catalog], Reply]]] = {
    Action.VERSION: _version,
    Action.HEALTHY: _page(b"healthz check passed"),
    Action.READY: _page(b"all shards are ready"),
    Action.HEALTH_CHECK: _health,
    Action.LIST_COLLECTIONS: _list,
    Action.GET_COLLECTION: _get,
    Action.COLLECTION_EXISTS: _exists,
    Action.LIST_ALIASES: _aliases,
    Action.COLLECTION_ALIASES: _collection_aliases,
}
