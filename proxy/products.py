"""What makes each product's parts, imported when a side is configured to be that product: an SDK takes a second to load.

Owns: the tables of frontends and backends, and when their modules are loaded. Not: what is made of them (app).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, TypeVar

from proxy.config import Config, SideConfig
from proxy.model.schema import Product
from proxy.ports import Backend, Catalog, Clock, Frontend

if TYPE_CHECKING:
    from proxy.backends.pinecone.directory import Directory

P = ParamSpec("P")
T = TypeVar("T")


class Later(Generic[P, T]):
    """A maker whose modules are loaded by `load`, at the latest by its first call."""

    def __init__(self, load: Callable[[], Callable[P, T]]) -> None:
        self.load: Final = functools.cache(load)

    def __call__(self, *given: P.args, **named: P.kwargs) -> T:
        return self.load()(*given, **named)


def _milvus_frontend() -> Callable[[Clock], Frontend]:
    from proxy.frontends.milvus.frontend import MilvusFrontend

    return MilvusFrontend


def _qdrant_frontend() -> Callable[[Clock], Frontend]:
    from proxy.frontends.qdrant.frontend import QdrantFrontend

    return QdrantFrontend


def _milvus_backend() -> Callable[[SideConfig, Catalog, Product], Backend]:
    from proxy.backends.milvus.backend import MilvusBackend

    return MilvusBackend


def _qdrant_backend() -> Callable[[SideConfig, Catalog, Product], Backend]:
    from proxy.backends.qdrant.backend import QdrantBackend

    return lambda side, catalog, _clients: QdrantBackend(side, catalog)


def _probe() -> Callable[[SideConfig], Backend]:
    from proxy.backends.probe import Probe

    return Probe


def _directory() -> Callable[[SideConfig], Directory]:
    from proxy.backends.pinecone.directory import Directory

    return Directory


FRONTENDS: Final[Mapping[Product, Later[[Clock], Frontend]]] = {
    Product.MILVUS: Later(_milvus_frontend),
    Product.QDRANT: Later(_qdrant_frontend),
}
BACKENDS: Final[Mapping[Product, Later[[SideConfig, Catalog, Product], Backend]]] = {
    Product.MILVUS: Later(_milvus_backend),
    Product.QDRANT: Later(_qdrant_backend),
}
PROBE: Final = Later(_probe)
"""Makes the backend of a source that is only relayed, and what asks the REST port of one that is not."""
DIRECTORY: Final = Later(_directory)
"""Makes what knows a Pinecone source's indexes."""


def load(config: Config) -> None:
    """Everything that the configured sides need, so that no client waits for it."""
    source = config.source.product
    if source in FRONTENDS:
        FRONTENDS[source].load()
    for side in filter(None, (config.source, config.target)):
        BACKENDS.get(side.product, PROBE).load()
    if source is Product.PINECONE:
        DIRECTORY.load()
