"""Who takes part: the ways in (frontends), the backends, and which pairs a case runs on.

`direct` calls the backend itself over its own socket. A frontend joins with a driver (drivers/): an object with the calls of
`ports.Backend` that makes them in that product's protocol, against our listener over the backend.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from conformance.drivers.milvus import SPEAKS, through_milvus
from fakes.plain_parts import PlainCatalog

from proxy.backends.memory import MemoryBackend
from proxy.backends.milvus.backend import MilvusBackend
from proxy.backends.milvus.features import BEFORE_2_4, FEATURES
from proxy.backends.qdrant.backend import QdrantBackend
from proxy.config import SideConfig
from proxy.model.feature import Feature, Support
from proxy.model.schema import Product
from proxy.ports import Backend, Catalog

Build: TypeAlias = Callable[[Any, Catalog], Backend]
"""From the fixture's server (None where there is none) and the catalog that tells the client's schemas."""
Drive: TypeAlias = Callable[[Callable[[Catalog], Backend], PlainCatalog], AbstractAsyncContextManager[Backend]]
"""From what makes the backend and the catalog of the case: what the case calls."""


@dataclass(frozen=True, slots=True)
class BackendEntry:
    name: str
    supports: Mapping[Feature, Support]
    build: Build
    server: str | None = None
    """Name of the session fixture that starts it."""
    marks: tuple[str, ...] = ()
    leaves_out: tuple[str, ...] = ()
    """Test modules of which no case is made for it."""


@dataclass(frozen=True, slots=True)
class FrontendEntry:
    """`speaks`: what the driver can ask for."""

    name: str
    speaks: frozenset[Feature]
    drive: Drive


@dataclass(frozen=True, slots=True)
class Pair:
    frontend: FrontendEntry
    backend: BackendEntry

    @property
    def name(self) -> str:
        return f"{self.frontend.name}->{self.backend.name}"

    def absent(self, needs: frozenset[Feature]) -> frozenset[Feature]:
        return frozenset(feature for feature in needs if self.backend.supports[feature] is Support.ABSENT)

    def has(self, *features: Feature) -> bool:
        return self.frontend.speaks.issuperset(features) and not self.absent(frozenset(features))


@asynccontextmanager
async def _direct(build: Callable[[Catalog], Backend], catalog: PlainCatalog) -> AsyncIterator[Backend]:
    backend = build(catalog)
    yield backend
    await backend.close()


def _qdrant(server: Any, catalog: Catalog) -> Backend:
    return QdrantBackend(SideConfig(product=Product.QDRANT, url=server.url, grpc_url=server.grpc_url), catalog)


def _milvus(server: Any, catalog: Catalog) -> Backend:
    return MilvusBackend(SideConfig(product=Product.MILVUS, url=server.url), catalog)


DIRECT = FrontendEntry("direct", frozenset(Feature), _direct)
THROUGH_MILVUS = FrontendEntry("milvus", SPEAKS, through_milvus)
MEMORY = BackendEntry("memory", MemoryBackend.features, lambda _, catalog: MemoryBackend(catalog))
QDRANT = BackendEntry("qdrant", QdrantBackend.features, _qdrant, server="qdrant")
MILVUS = BackendEntry("milvus", BEFORE_2_4, _milvus, server="milvus", marks=("milvus",))
# for what only servers from 2.4 on have; it reads conditions on JSON in another language than every real one
MILVUS_LITE = BackendEntry("milvus-lite", FEATURES, _milvus, server="milvus_lite", leaves_out=("test_filter.py",))

BACKENDS = (MEMORY, QDRANT, MILVUS, MILVUS_LITE)
PAIRS = (
    *(Pair(DIRECT, backend) for backend in BACKENDS),
    # a client of Milvus is never answered by translation from a Milvus: that is relayed
    *(Pair(THROUGH_MILVUS, backend) for backend in (MEMORY, QDRANT)),
)
