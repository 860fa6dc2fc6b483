"""Milvus's protocol as a way in: our own Milvus backend is the client, pointed at our Milvus frontend.

A misreading that both share would cancel out: tests/wire/milvus (pymilvus itself) and the pair direct->milvus (a real server)
are the judges of that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from conformance.drivers.over_wire import NamedRefusals, served
from fakes.plain_parts import PlainCatalog

from proxy.backends.milvus.backend import MilvusBackend
from proxy.backends.milvus.features import FEATURES
from proxy.clock import SystemClock
from proxy.config import SideConfig
from proxy.frontends.milvus.frontend import MilvusFrontend
from proxy.model.feature import Feature, Support
from proxy.model.schema import Product
from proxy.ports import Backend, Catalog

_SAID = {feature for feature, support in FEATURES.items() if support is not Support.ABSENT}
# our client writes a prefix as a range of texts; what the frontend makes of `like` is tested in tests/wire/milvus
SPEAKS = MilvusFrontend.speaks & _SAID - {Feature.FILTER_PREFIX, Feature.SEARCH_GROUP, Feature.SEARCH_HYBRID}


class _Told(PlainCatalog):
    """What the frontend hears of the client's schemas, and the backend behind it knows."""

    def loaded(self, collection: str) -> bool:
        return self.resolve(collection) not in self.contents.released


@asynccontextmanager
async def through_milvus(build: Callable[[Catalog], Backend], catalog: PlainCatalog) -> AsyncIterator[Backend]:
    told = _Told()
    backend = build(told)
    async with served(MilvusFrontend(SystemClock()), "grpc", backend, told) as address:
        client = MilvusBackend(SideConfig(product=Product.MILVUS, url=f"http://{address}"), catalog)
        yield NamedRefusals(client)  # type: ignore[misc]
        await client.close()
    await backend.close()
