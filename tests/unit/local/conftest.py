"""One local server for all the tests of this folder; each test has collections of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient
from servers.qdrant import QdrantServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture(scope="session", params=["rest", "grpc"])
def client(server: QdrantServer, request: pytest.FixtureRequest) -> Iterator[QdrantClient]:
    """The official client over each of the protocols."""
    client = server.client(prefer_grpc=request.param == "grpc")
    yield client
    client.close()


@pytest.fixture
def name() -> str:
    return f"c-{uuid4().hex}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"
