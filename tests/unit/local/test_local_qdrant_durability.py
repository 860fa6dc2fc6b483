"""What a stop, a kill, and a restart leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from qdrant_client import QdrantClient, models
from servers.qdrant import QdrantServer

PLANE = models.VectorParams(size=2, distance=models.Distance.COSINE)


def fill(client: QdrantClient, name: str, count: int) -> None:
    points = [models.PointStruct(id=n, vector=[n + 1, 1], payload={"n": n}) for n in range(count)]
    client.upload_points(name, points, batch_size=100, wait=True)


def everything(client: QdrantClient, name: str) -> list[tuple[object, object, object]]:
    return [(p.id, p.payload, p.vector) for p in client.scroll(name, limit=10_000, with_vectors=True)[0]]


@pytest.mark.parametrize("ending", [QdrantServer.stop, QdrantServer.kill])
def test_acknowledged_writes_settings_and_aliases_survive(data: Path, ending: Callable[[QdrantServer], object]) -> None:
    server = QdrantServer(data).start()
    with server:
        client = server.client(prefer_grpc=True)
        client.create_collection("c", vectors_config=PLANE, metadata={"a": 1})
        client.create_payload_index("c", "n", models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, range=True))
        create = models.CreateAlias(collection_name="c", alias_name="alias")
        client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
        fill(client, "c", 1000)
        client.delete("c", models.PointIdsList(points=[3, 4]))
        client.set_payload("c", {"changed": True}, points=[5])
        before, described = everything(client, "c"), client.get_collection("c")
        last = client.upsert("c", [models.PointStruct(id=0, vector=[1, 1], payload={"n": 0})])
        ports = server.port, server.grpc_port
        ending(server)
        server.start()
        assert (server.port, server.grpc_port) == ports
        client = server.client(prefer_grpc=True)
        assert everything(client, "alias") == before
        assert client.get_collection("c") == described
        following = client.set_payload("c", {"z": 1}, points=[9])
        assert last.operation_id is not None
        assert following.operation_id == last.operation_id + 1


def test_a_dropped_collection_stays_dropped_and_its_name_is_free(data: Path) -> None:
    server = QdrantServer(data).start()
    with server:
        client = server.client(prefer_grpc=True)
        client.create_collection("c", vectors_config=PLANE)
        fill(client, "c", 10)
        client.delete_collection("c")
        client.create_collection("c", vectors_config=PLANE)
        server.kill()
        server.start()
        client = server.client(prefer_grpc=True)
        assert client.count("c").count == 0
        assert len(list((data / "collections").iterdir())) == 1


def test_a_directory_left_from_an_unfinished_create_is_removed(data: Path) -> None:
    (data / "collections" / "left").mkdir(parents=True)
    with QdrantServer(data) as server:
        assert server.client(prefer_grpc=False).get_collections().collections == []
    assert list((data / "collections").iterdir()) == []


def test_a_stop_is_clean_and_quiet(data: Path) -> None:
    server = QdrantServer(data).start()
    server.client(prefer_grpc=True).create_collection("c", vectors_config=PLANE)
    assert server.stop() == ""


def test_a_directory_of_another_version_is_refused(data: Path) -> None:
    data.mkdir()
    (data / "collections.json").write_text('{"version": 99}')
    with pytest.raises(RuntimeError, match="has version 99, this program reads 1"):
        QdrantServer(data).start()


def test_a_collection_that_cannot_be_loaded_is_named(data: Path) -> None:
    with QdrantServer(data) as server:
        server.client(prefer_grpc=False).create_collection("broken", vectors_config=PLANE)
    (directory,) = (data / "collections").iterdir()
    (directory / "edge_config.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"the collection broken in .* cannot be loaded"):
        QdrantServer(data).start()


def test_indexes_are_built_at_the_start_when_asked(data: Path) -> None:
    params = models.VectorParams(size=128, distance=models.Distance.DOT)
    with QdrantServer(data, options=("--optimize",)) as server:
        client = server.client(prefer_grpc=True)
        client.create_collection(
            "c", vectors_config=params, optimizers_config=models.OptimizersConfigDiff(indexing_threshold=100)
        )
        client.upload_points("c", (models.PointStruct(id=n, vector=[float(n % 97)] * 128) for n in range(1000)), wait=True)
        assert client.get_collection("c").indexed_vectors_count == 0
        server.restart()
        client = server.client(prefer_grpc=True)
        assert client.get_collection("c").indexed_vectors_count == 1000
        assert client.count("c").count == 1000
