from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
from qdrant_facade import Facade, FacadeServer
from readings import Shelves, empty, fill

from tests.servers.qdrant import QdrantServer


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(Path(tmp_path_factory.mktemp("engine"))) as running:
        yield running


@pytest.fixture(scope="module")
def shelves(engine: QdrantServer) -> Iterator[Shelves]:
    with FacadeServer(Facade()) as ours:
        clients = {
            protocol: tuple(each.client(prefer_grpc=protocol == "grpc") for each in (ours, engine))
            for protocol in ("rest", "grpc")
        }
        for client in clients["rest"]:
            fill(client)
        yield Shelves(ours, engine, clients)
        empty(clients["rest"][1])
        for pair in clients.values():
            for client in pair:
                client.close()


@pytest.fixture
def server() -> Iterator[FacadeServer]:
    with FacadeServer(Facade()) as running:
        yield running


@pytest.fixture(params=[False, True], ids=["rest", "grpc"])
def client(request: pytest.FixtureRequest, server: FacadeServer) -> Iterator[QdrantClient]:
    opened = server.client(prefer_grpc=request.param)
    yield opened
    opened.close()
