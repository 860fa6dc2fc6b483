"""Who takes part: the ways in (frontends), the backends, and which pairs a case runs on.

`direct` calls the backend itself over its own socket. A frontend joins with a driver (drivers/): an object with the calls of
`ports.Backend` that makes them in that product's protocol, against our listener over the backend.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from conformance.drivers import milvus, qdrant
from conformance.drivers.over_wire import Drive
from fakes.plain_parts import PlainCatalog

from proxy.backends.memory import MemoryBackend
from proxy.backends.milvus.backend import MilvusBackend
from proxy.backends.milvus.features import BEFORE_2_4, FEATURES
from proxy.backends.qdrant.backend import QdrantBackend
from proxy.config import SideConfig
from proxy.model.feature import Feature, Support
from proxy.model.schema import Product
from proxy.ports import Backend, Catalog

Build: TypeAlias = Callable[[Any, Catalog, Product], Backend]
"""From the fixture's server (None where there is none), the catalog that tells the client's schemas, and whose clients come."""


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
    """`speaks`: what the driver can ask for. `product`: whose clients come this way."""

    name: str
    speaks: frozenset[Feature]
    drive: Drive
    product: Product = Product.MILVUS


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


def _qdrant(server: Any, catalog: Catalog, _: Product) -> Backend:
    return QdrantBackend(SideConfig(product=Product.QDRANT, url=server.url, grpc_url=server.grpc_url), catalog)


def _milvus(server: Any, catalog: Catalog, clients: Product) -> Backend:
    return MilvusBackend(SideConfig(product=Product.MILVUS, url=server.url), catalog, clients)


DIRECT = FrontendEntry("direct", frozenset(Feature), _direct)
THROUGH_MILVUS = FrontendEntry("milvus", milvus.SPEAKS, milvus.through_milvus)
THROUGH_REST, THROUGH_GRPC = (
    FrontendEntry(f"qdrant-{role}", qdrant.SPEAKS, qdrant.through_qdrant(role), Product.QDRANT) for role in ("rest", "grpc")
)
MEMORY = BackendEntry("memory", MemoryBackend.features, lambda _, catalog, __: MemoryBackend(catalog))
QDRANT = BackendEntry("qdrant", QdrantBackend.features, _qdrant, server="qdrant")
MILVUS = BackendEntry("milvus", BEFORE_2_4, _milvus, server="milvus", marks=("milvus",))
# for what only servers from 2.4 on have; it reads conditions on JSON in another language than every real one
MILVUS_LITE = BackendEntry("milvus-lite", FEATURES, _milvus, server="milvus_lite", leaves_out=("test_filter.py",))

# its filters are read in milvus->memory and written in direct->milvus, and change nothing between
MILVUS_OVER_ITSELF = Pair(THROUGH_MILVUS, replace(MILVUS, leaves_out=("test_filter.py",)))
NIGHTLY = bool(os.environ.get("VECFERRY_NIGHTLY"))
"""A Milvus that makes a hundred collections takes half a minute of a core."""

BACKENDS = (MEMORY, QDRANT, MILVUS, MILVUS_LITE)
PAIRS = (
    *(Pair(DIRECT, backend) for backend in BACKENDS),
    *(Pair(THROUGH_MILVUS, backend) for backend in (MEMORY, QDRANT)),
    # both protocols of Qdrant decode into one model, so each backend of its own is asked by one of them
    *(Pair(THROUGH_REST, backend) for backend in (MEMORY, MILVUS_LITE)),
    *(Pair(THROUGH_GRPC, backend) for backend in (MEMORY, MILVUS)),
    # No client is answered so: between two servers of its product it is relayed. But what is carried between those (backfill,
    # settle, the keys that a filter selects) is written and read in the forms that its own clients gave it, and direct cases
    # have others.
    Pair(THROUGH_REST, QDRANT),
    *((MILVUS_OVER_ITSELF,) if NIGHTLY else ()),
)
