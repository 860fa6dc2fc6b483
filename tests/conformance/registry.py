"""Who takes part: the ways in (frontends), the backends, and which pairs a case runs on.

`direct` calls the backend itself over its own socket. A frontend joins with a driver (drivers/): an object with the calls of
`ports.Backend` that makes them through that product's official client, against our listener over the backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from proxy.backends.memory import MemoryBackend
from proxy.backends.milvus.features import FEATURES as MILVUS
from proxy.backends.qdrant.backend import QdrantBackend
from proxy.config import SideConfig
from proxy.model.feature import Feature, Support
from proxy.model.schema import Product
from proxy.ports import Backend, Catalog

Build: TypeAlias = Callable[[Any, Catalog], Backend]
"""From the fixture's server (None where there is none) and the catalog that tells the client's schemas."""


@dataclass(frozen=True, slots=True)
class BackendEntry:
    name: str
    supports: Mapping[Feature, Support]
    build: Build
    server: str | None = None
    """Name of the session fixture that starts it."""
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrontendEntry:
    """`drive` puts the driver in front of the backend; `speaks`: what this protocol can ask for."""

    name: str
    speaks: frozenset[Feature]
    drive: Callable[[Backend, Catalog], Backend]


@dataclass(frozen=True, slots=True)
class Pair:
    frontend: FrontendEntry
    backend: BackendEntry

    @property
    def name(self) -> str:
        return f"{self.frontend.name}->{self.backend.name}"

    def absent(self, needs: frozenset[Feature]) -> frozenset[Feature]:
        return frozenset(feature for feature in needs if self.backend.supports[feature] is Support.ABSENT)


def _qdrant(server: Any, catalog: Catalog) -> Backend:
    return QdrantBackend(SideConfig(product=Product.QDRANT, url=server.url, grpc_url=server.grpc_url), catalog)


def _milvus(server: Any, catalog: Catalog) -> Backend:
    from proxy.backends.milvus.backend import MilvusBackend

    return MilvusBackend(SideConfig(product=Product.MILVUS, url=server.url), catalog)


BACKENDS = (
    BackendEntry("memory", MemoryBackend.features, lambda _, catalog: MemoryBackend(catalog)),
    BackendEntry("qdrant", QdrantBackend.features, _qdrant, server="qdrant"),
    BackendEntry("milvus", MILVUS, _milvus, server="milvus", marks=("milvus",)),
)
FRONTENDS = (FrontendEntry("direct", frozenset(Feature), lambda backend, _: backend),)


def pairs() -> list[Pair]:
    return [Pair(frontend, backend) for frontend, backend in product(FRONTENDS, BACKENDS)]
