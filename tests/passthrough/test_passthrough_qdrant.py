"""Qdrant's official clients, direct and through a sidecar that only relays: the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from grpc import RpcError
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.servers.passthrough import Passthrough
from tests.servers.qdrant import QdrantServer

pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
KEY = "qd-k3y"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant"), api_key=KEY) as found:
        yield found


@pytest.fixture(scope="module")
def sidecar(server: QdrantServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passthrough]:
    source = {"product": "qdrant", "url": server.url, "grpc_url": server.grpc_url, "api_key": KEY}
    with Passthrough(tmp_path_factory.mktemp("sidecar"), source, ("rest", "grpc")) as found:
        yield found


def options(rest: int, grpc: int, *, prefer_grpc: bool) -> dict[str, Any]:
    return {
        "url": f"http://127.0.0.1:{rest}",
        "grpc_port": grpc,
        "prefer_grpc": prefer_grpc,
        "api_key": KEY,
        "check_compatibility": False,
    }


POINTS = [models.PointStruct(id=n, vector=[1.0, n / 10, 0.0], payload={"g": n % 3, "t": f"text {n}"}) for n in range(1, 40)]
NEAR = models.Filter(must=[models.FieldCondition(key="g", match=models.MatchValue(value=1))])
SIZE = models.VectorParams(size=3, distance=models.Distance.COSINE)


def conversation(client: QdrantClient) -> list[Any]:
    client.create_collection("talk", SIZE)
    client.upsert("talk", POINTS, wait=True)
    client.set_payload("talk", {"new": True}, [1, 2], wait=True)
    client.delete("talk", [3], wait=True)
    with pytest.raises((UnexpectedResponse, RpcError)) as missing:
        client.count("nowhere")
    said = [
        client.query_points("talk", [1.0, 0.2, 0.0], query_filter=NEAR, limit=5, with_payload=True, with_vectors=True),
        client.scroll("talk", limit=100, with_vectors=True),
        client.count("talk").count,
        client.get_collections(),
        type(missing.value).__name__,
    ]
    client.delete_collection("talk")
    return said


async def asynchronous(client: AsyncQdrantClient) -> list[Any]:
    await client.create_collection("talk", SIZE)
    await client.upsert("talk", POINTS, wait=True)
    said = await asyncio.gather(*(client.query_points("talk", [1.0, n / 7, 0.0], limit=5) for n in range(20)))
    await client.delete_collection("talk")
    await client.close()
    return list(said)


@pytest.mark.parametrize("prefer_grpc", [False, True], ids=["rest", "grpc"])
def test_the_client_hears_the_same(server: QdrantServer, sidecar: Passthrough, prefer_grpc: bool) -> None:
    direct = QdrantClient(**options(server.port, server.grpc_port, prefer_grpc=prefer_grpc))
    through = QdrantClient(**options(*sidecar.ports.values(), prefer_grpc=prefer_grpc))
    expected, heard = conversation(direct), conversation(through)
    direct.close()
    through.close()
    assert heard == expected


@pytest.mark.parametrize("prefer_grpc", [False, True], ids=["rest", "grpc"])
async def test_the_asynchronous_client_hears_the_same(server: QdrantServer, sidecar: Passthrough, prefer_grpc: bool) -> None:
    direct = AsyncQdrantClient(**options(server.port, server.grpc_port, prefer_grpc=prefer_grpc))
    through = AsyncQdrantClient(**options(*sidecar.ports.values(), prefer_grpc=prefer_grpc))
    expected = await asynchronous(direct)
    assert await asynchronous(through) == expected


def test_a_body_larger_than_the_server_takes_is_the_servers_to_refuse(server: QdrantServer, sidecar: Passthrough) -> None:
    """The relay has no limit of its own: the server's is a setting of the server."""
    body = b'{"points": [' + b" " * (33 * 2**20) + b"]}"
    headers = {"api-key": KEY, "content-type": "application/json"}
    urls = (f"{url}/collections/none/points" for url in (server.url, sidecar.at("rest")))
    direct, through = (httpx.put(url, content=body, headers=headers, timeout=60) for url in urls)
    assert through.text == direct.text
    assert through.status_code == direct.status_code == 413
