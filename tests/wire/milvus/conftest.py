from __future__ import annotations

from collections.abc import Iterator

import pytest
from milvus_facade import Facade, FacadeServer
from pymilvus import MilvusClient


@pytest.fixture
def facade() -> Iterator[FacadeServer]:
    with FacadeServer(Facade()) as server:
        yield server


@pytest.fixture
def client(facade: FacadeServer) -> Iterator[MilvusClient]:
    opened = MilvusClient(facade.url)
    yield opened
    opened.close()
