"""The packages with which people use Milvus see through the sidecar, in every phase, what they see of a Milvus without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pymilvus import MilvusClient

from tests.ecosystem.cast import python
from tests.ecosystem.stage import MAKES_ENVIRONMENTS, Programs, Stage
from tests.migration.world import EASY, clear
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

PROGRAMS: Programs = {
    "langchain": python("langchain", "langchain_on_milvus.py"),
    "llama_index": python("llama-index", "llama_index_on_milvus.py"),
}


@pytest.fixture
def empty(milvus: MilvusServer) -> Iterator[MilvusServer]:
    """A sidecar moves whatever it finds."""
    client = MilvusClient(uri=milvus.url)
    clear(client)
    yield milvus
    clear(client)
    client.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[MilvusServer]:
    """No sidecar stands before it."""
    from servers.milvus import MilvusServer

    with MilvusServer(tmp_path / "alone") as server:
        yield server


@pytest.mark.milvus
@pytest.mark.slow
@MAKES_ENVIRONMENTS
def test_applications_move_to_qdrant_and_back_unchanged(empty: MilvusServer, alone: MilvusServer, tmp_path: Path) -> None:
    with QdrantServer(tmp_path / "target") as target:
        sidecar = Sidecar(tmp_path / "sidecar", empty.url, target, gates=EASY)
        with Stage(PROGRAMS, sidecar, (alone.url,), (sidecar.url,), tmp_path, {}) as made:
            made.play()
