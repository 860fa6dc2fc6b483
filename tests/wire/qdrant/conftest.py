from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
from qdrant_facade import Facade, FacadeServer

from tests.servers.qdrant import QdrantServer


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(Path(tmp_path_factory.mktemp("engine"))) as running:
        yield running


@pytest.fixture
def server() -> Iterator[FacadeServer]:
    with FacadeServer(Facade()) as running:
        yield running


@pytest.fixture(params=[False, True], ids=["rest", "grpc"])
def client(request: pytest.FixtureRequest, server: FacadeServer) -> Iterator[QdrantClient]:
    opened = server.client(prefer_grpc=request.param)
    yield opened
    opened.close()
