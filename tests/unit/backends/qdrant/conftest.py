from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.qdrant import QdrantServer


@pytest.fixture(scope="module")
def qdrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[QdrantServer]:
    """Wants an api key."""
    with QdrantServer(tmp_path, api_key="right") as server:
        yield server
