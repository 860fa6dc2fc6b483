from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from servers.milvus import MilvusServer
from servers.qdrant import QdrantServer

from proxy.backends.milvus.backend import MilvusBackend
from proxy.config import SideConfig
from proxy.errors import NotFound
from proxy.model.schema import Product, Schema


@dataclass
class Schemas:
    """A catalog of what a test describes."""

    there: dict[str, Schema] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        if name not in self.there:
            raise NotFound(name)
        return name

    def schema(self, collection: str) -> Schema:
        return self.there[self.resolve(collection)]

    def collections(self) -> tuple[str, ...]:
        return tuple(self.there)

    def aliases(self) -> Mapping[str, str]:
        return {}

    def loaded(self, collection: str) -> bool:
        return True

    def fact(self, name: str) -> str:
        return ""


@pytest.fixture
def catalog() -> Schemas:
    return Schemas()


@pytest.fixture
async def backend(milvus: MilvusServer, catalog: Schemas) -> AsyncIterator[MilvusBackend]:
    side = MilvusBackend(SideConfig(product=Product.MILVUS, url=milvus.url), catalog)
    yield side
    await side.close()


@pytest.fixture(scope="session")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server
