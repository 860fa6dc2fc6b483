"""The packages with which people use Qdrant see through the sidecar, in every phase, what they see of a Qdrant without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.servers import free_port
from tests.ecosystem.cast import node, ours, python
from tests.ecosystem.stage import MAKES_ENVIRONMENTS, Programs, Stage
from tests.migration.world import EASY
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar

if TYPE_CHECKING:
    from servers.milvus import MilvusServer
    from servers.milvus_lite import MilvusLiteServer

ONE_VECTOR: Programs = {
    "rest": ours("qdrant_client_sync.py"),
    "grpc": ours("qdrant_client_sync.py", "grpc"),
    "rest_async": ours("qdrant_client_async.py"),
    "grpc_async": ours("qdrant_client_async.py", "grpc"),
    "langchain": python("langchain", "langchain_on_qdrant.py"),
    "llama_index": python("llama-index", "llama_index_on_qdrant.py"),
    "js": node("qdrant-js", "@qdrant/js-client-rest@1.15.1", "qdrant_js.mjs"),
}
SEVERAL_VECTORS: Programs = {
    "langchain": python("langchain", "langchain_on_qdrant.py", "hybrid"),
    "llama_index": python("llama-index", "llama_index_on_qdrant.py", "hybrid"),
}
"""Dense and sparse ones, which Milvus takes from 2.4 on; over gRPC."""
REFUSED = {("langchain", "far apart"): "the query `mmr` is not supported"}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[QdrantServer]:
    """No sidecar stands before it."""
    with QdrantServer(tmp_path / "alone") as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path / "source") as server:
        yield server


def stage(programs: Programs, alone: QdrantServer, source: QdrantServer, milvus: str, folder: Path) -> Stage:
    rest = free_port()
    sidecar = Sidecar(folder / "sidecar", source.url, source, gates=EASY)
    sidecar.settings |= {"source": source.settings, "target": {"product": "milvus", "url": milvus}}
    sidecar.settings["listen"]["rest"] = f"127.0.0.1:{rest}"
    through = (f"http://127.0.0.1:{rest}", str(sidecar.port))
    return Stage(programs, sidecar, (alone.url, str(alone.grpc_port)), through, folder, REFUSED)


@pytest.mark.milvus
@pytest.mark.slow
@MAKES_ENVIRONMENTS
def test_applications_move_to_milvus_and_back_unchanged(
    alone: QdrantServer, source: QdrantServer, milvus: MilvusServer, tmp_path: Path
) -> None:
    with stage(ONE_VECTOR, alone, source, milvus.url, tmp_path) as made:
        made.play()


@pytest.mark.slow
@MAKES_ENVIRONMENTS
def test_applications_with_several_vectors_move_to_a_newer_milvus(
    alone: QdrantServer, source: QdrantServer, milvus_lite: MilvusLiteServer, tmp_path: Path
) -> None:
    with stage(SEVERAL_VECTORS, alone, source, milvus_lite.url, tmp_path) as made:
        made.play()
