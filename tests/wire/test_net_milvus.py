"""pymilvus and Milvus on both sides of the relay: what the application sees is what it saw without us."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import uvloop
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from proxy.config import RelayConfig, TlsConfig
from proxy.net.listener import Listener, listen
from proxy.net.upstream import Upstream
from proxy.ports import Exchange, RelayTo

pytestmark = pytest.mark.milvus
ROWS, DIMENSION = 1000, 128


class Everything:
    def __init__(self, upstream: Upstream) -> None:
        self._to = RelayTo(upstream)

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.relay(self._to)


class Sidecar(threading.Thread):
    """A relay with an event loop of its own: pymilvus blocks the thread that calls it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.ready = threading.Event()
        self.stop = asyncio.Event()
        self.listener: Listener

    def run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        settings = RelayConfig()
        upstream = Upstream("source", self.url, TlsConfig(), settings)
        self.listener = await listen("127.0.0.1:0", "grpc", Everything(upstream), settings, None, 2**26)
        self.ready.set()
        await self.stop.wait()
        await self.listener.close()
        await upstream.close()


@pytest.fixture(scope="module")
def address(milvus) -> Iterator[str]:
    sidecar = Sidecar(milvus.url)
    sidecar.start()
    assert sidecar.ready.wait(10)
    yield f"http://{sidecar.listener.address}"
    sidecar.loop.call_soon_threadsafe(sidecar.stop.set)
    sidecar.join(10)


@pytest.fixture(scope="module")
def client(address) -> Iterator[MilvusClient]:
    client = MilvusClient(uri=address)
    yield client
    client.close()


def test_an_application_works_as_it_does_directly(client, milvus):
    rows = np.random.default_rng(1).random((ROWS, DIMENSION), dtype=np.float32)
    client.create_collection("net_relay", DIMENSION, metric_type="L2", consistency_level="Strong")
    client.insert("net_relay", [{"id": at, "vector": row, "text": "é" * 300} for at, row in enumerate(rows)])
    client.upsert("net_relay", [{"id": 7, "vector": rows[7], "text": "changed"}])
    client.delete("net_relay", ids=[8])
    found = client.search("net_relay", rows[:5], limit=3, output_fields=["text"])
    assert [hits[0]["id"] for hits in found] == [0, 1, 2, 3, 4]
    direct = MilvusClient(uri=milvus.url)
    assert list(map(list, direct.search("net_relay", rows[:5], limit=3, output_fields=["text"]))) == list(map(list, found))
    assert client.query("net_relay", "id in [7, 8]", output_fields=["text"]) == direct.query(
        "net_relay", "id in [7, 8]", output_fields=["text"]
    )
    assert len(client.query("net_relay", "id >= 0", limit=ROWS, output_fields=["vector"])) == ROWS - 1
    client.drop_collection("net_relay")
    direct.close()


def test_an_error_of_milvus_arrives_as_milvus_said_it(client, milvus):
    direct = MilvusClient(uri=milvus.url)
    with pytest.raises(MilvusException) as relayed:
        client.query("net_missing", "id > 0", limit=1)
    with pytest.raises(MilvusException) as said:
        direct.query("net_missing", "id > 0", limit=1)
    assert (relayed.value.code, relayed.value.message) == (said.value.code, said.value.message)
    direct.close()


def test_rest_is_spoken_on_the_same_port(address, milvus):
    path = "/v1/vector/collections"
    relayed, direct = (httpx.get(url + path) for url in (address, milvus.url))
    assert (relayed.status_code, relayed.json()) == (direct.status_code, direct.json())
