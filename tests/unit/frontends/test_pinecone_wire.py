"""The rewritten replies of the control plane on real connections, HTTP/1.1 and HTTP/2."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import orjson
import pytest

from proxy.backends.pinecone.directory import Directory
from proxy.clock import SystemClock
from proxy.config import RelayConfig, SideConfig, TlsConfig
from proxy.frontends.passthrough import PassthroughFrontend
from proxy.frontends.pinecone.desk import Around, Desk
from proxy.model.schema import Product
from proxy.net.listener import listen
from proxy.net.upstream import Upstream
from proxy.pinecone.hosts import Names
from proxy.ports import Exchange, RelayTo, Reply, Request
from proxy.routing.spawn import Spawner
from proxy.store.slots import Slots

MAX_BODY = 2**20


class ControlPlane:
    """Has one index, and tells what it was asked."""

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.serve(self._answer)

    async def _answer(self, request: Request) -> Reply:
        asked = {name.decode(): value.decode() for name, value in request.headers}
        told = {"name": "images", "host": "images.test", "tags": asked, "padding": "x" * 100_000}
        return Reply(200, ((b"content-type", b"application/json"), (b"x-kept", b"yes")), orjson.dumps(told))


class Relaying:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.relay(RelayTo(self._upstream))


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    relay = RelayConfig()
    async with AsyncExitStack() as stack:
        behind = await listen("127.0.0.1:0", "any", ControlPlane(), relay, None, MAX_BODY)
        stack.push_async_callback(behind.close)
        upstream = Upstream("control", f"http://{behind.address}", TlsConfig(), relay, rewrite_host=True, readable=True)
        stack.push_async_callback(upstream.close)
        directory = Directory(SideConfig(product=Product.PINECONE, url=f"http://{behind.address}"))
        stack.push_async_callback(directory.close)
        spawn = Spawner()
        stack.push_async_callback(spawn.close)
        names = Names({"control": 80, "data": 81}, "", tls=False)
        frontend = PassthroughFrontend(Product.PINECONE)
        around = Around(frontend, names, directory, Slots(tmp_path, names.common), spawn, SystemClock())
        before = await listen("127.0.0.1:0", "control", Desk(Relaying(upstream), around), relay, None, MAX_BODY)
        stack.push_async_callback(before.close)
        yield f"http://{before.address}"


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_a_reply_is_whole_and_tells_our_host(url: str, http2: bool) -> None:
    async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
        for _ in range(2):
            reply = await client.get(f"{url}/indexes/images", headers={"api-key": "k", "accept-encoding": "gzip, br"})
            said = reply.json()
            assert reply.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert (said["name"], said["host"], len(said["padding"])) == ("images", "http://127.0.0.1:81", 100_000)
            assert reply.headers["x-kept"] == "yes"
            assert said["tags"]["api-key"] == "k"
            assert said["tags"]["accept-encoding"] == "identity"
            # What is no business of the desk goes on as it came.
            assert (await client.get(f"{url}/models", headers={"api-key": "k"})).json()["host"] == "images.test"
