from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pymilvus import MilvusClient

from tests.migration.world import World, clear
from tests.servers.qdrant import QdrantServer

if TYPE_CHECKING:
    from servers.milvus import MilvusServer


@pytest.fixture
def source(milvus: MilvusServer) -> Iterator[MilvusClient]:
    """The real Milvus, empty: a sidecar moves whatever it finds."""
    client = MilvusClient(uri=milvus.url)
    clear(client)
    yield client
    clear(client)
    client.close()


@pytest.fixture(scope="session")
def local_qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture
def target(local_qdrant: QdrantServer) -> QdrantServer:
    """A local Qdrant, empty."""
    if not local_qdrant.runs:  # a test that killed it has failed before it started it again
        local_qdrant.start()
    local_qdrant.clear()
    return local_qdrant


@pytest.fixture
def world(milvus: MilvusServer, source: MilvusClient, target: QdrantServer, tmp_path: Path) -> Iterator[World]:
    with World(milvus.url, source, target, tmp_path / "sidecar") as made:
        yield made
