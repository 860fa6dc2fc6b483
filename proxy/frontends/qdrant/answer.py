"""What a client asks about its collections and its server, answered from the catalog alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qdrant_client import models as m

from proxy.errors import NotFound
from proxy.frontends import grpc
from proxy.frontends.qdrant import replies
from proxy.frontends.qdrant.calls import Call, found
from proxy.frontends.qdrant.routes import GRPC, Action
from proxy.ports import Catalog, Reply
from proxy.qdrant.sdk import grpc as pb

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
    Action.COLLECTION_EXISTS: _exists,
    Action.LIST_ALIASES: _aliases,
    Action.COLLECTION_ALIASES: _collection_aliases,
}
