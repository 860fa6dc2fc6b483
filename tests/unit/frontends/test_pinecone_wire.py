"""The rewritten replies of the control plane on real connections, HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import orjson
import pytest
import trustme

from proxy.backends.pinecone.directory import Directory
from proxy.clock import SystemClock
from proxy.config import ListenTls, RelayConfig, SideConfig, TlsConfig
from proxy.frontends.passthrough import PassthroughFrontend
from proxy.frontends.pinecone.desk import Around, Desk
from proxy.model.schema import Product
from proxy.net.listener import listen
from proxy.net.on_demand import OnDemand
from proxy.net.upstream import Upstream
from proxy.pinecone.hosts import Names, host_of
from proxy.ports import Exchange, RelayTo, Reply, Request
from proxy.routing.spawn import Spawner
from proxy.store.slots import Slots

MAX_BODY = 2**20
RELAY = RelayConfig()


Project = dict[str, str]
"""Index to the URL of its host."""


class Serving:
    def __init__(self, answer: Callable[[Request], Any]) -> None:
        self._answer = answer

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.serve(self._reply)

    async def _reply(self, request: Request) -> Reply:
        found = orjson.dumps(self._answer(request))
        return Reply(200, ((b"content-type", b"application/json"), (b"x-kept", b"yes")), found)


class Relaying:
    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = upstreams

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.relay(RelayTo(self._upstreams[role]))


class World:
    """A control plane, a server for each index, and a desk before them."""

    def __init__(self, folder: Path, *, template: str = "", tls: ListenTls | None = None) -> None:
        self.ports = {"control": 0, "data": 0}
        self._folder = folder
        self._template = template
        self._tls = tls
        self._project: Project = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for name in ("one", "two"):
            self._project[name] = await self._serve(functools.partial(_index, name))
        control = await self._serve(self._control)
        known = Upstream("control", control, TlsConfig(), RELAY, rewrite_host=True, readable=True)
        indexes = OnDemand(
            {"control": known}, lambda role: Upstream(role, host_of(role), TlsConfig(), RELAY, rewrite_host=True)
        )
        directory, spawn = Directory(SideConfig(product=Product.PINECONE, url=control)), Spawner()
        for part in (known, indexes, directory, spawn):
            self._open.push_async_callback(part.close)
        # The desk tells the ports, which are known when the listeners are there.
        late = _Late()
        for role in self.ports:
            listener = await listen("127.0.0.1:0", role, late, RELAY, self._tls, MAX_BODY)
            self._open.push_async_callback(listener.close)
            self.ports[role] = int(listener.address.rpartition(":")[2])
        names = Names(self.ports, self._template, tls=self._tls is not None)
        frontend = PassthroughFrontend(Product.PINECONE)
        around = Around(frontend, names, directory, Slots(self._folder, names.common), spawn, SystemClock())
        late.inside = Desk(Relaying(indexes), around)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _serve(self, answer: Callable[[Request], Any]) -> str:
        listener = await listen("127.0.0.1:0", "any", Serving(answer), RELAY, None, MAX_BODY)
        self._open.push_async_callback(listener.close)
        return f"http://{listener.address}"

    def _control(self, request: Request) -> Any:
        """Tells what it was asked as the tags of every index."""
        asked = {name.decode(): value.decode() for name, value in request.headers}
        told = [
            {"name": name, "host": host, "private_host": "past us", "tags": asked, "padding": "x" * 100_000}
            for name, host in self._project.items()
        ]
        name = request.path.decode().removeprefix("/indexes/")
        return next((index for index in told if index["name"] == name), {"indexes": told})


class _Late:
    inside: Desk

    def begin(self, exchange: Exchange, role: str) -> None:
        self.inside.begin(exchange, role)


def _index(name: str, request: Request) -> Any:
    return {"index": name, "path": request.path.decode(), "host": dict(request.headers).get(b"host", b"").decode()}


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_a_reply_is_whole_and_tells_our_host(tmp_path: Path, http2: bool) -> None:
    async with World(tmp_path) as world, httpx.AsyncClient(http1=not http2, http2=http2) as client:
        control = f"http://127.0.0.1:{world.ports['control']}"
        for _ in range(2):
            reply = await client.get(f"{control}/indexes/one", headers={"api-key": "k", "accept-encoding": "gzip, br"})
            said = reply.json()
            assert reply.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert (said["host"], len(said["padding"])) == (f"http://127.0.0.1:{world.ports['data']}", 100_000)
            assert "private_host" not in said
            assert reply.headers["x-kept"] == "yes"
            assert (said["tags"]["api-key"], said["tags"]["accept-encoding"]) == ("k", "identity")
            found = await client.post(f"{said['host']}/query?x=1", headers={"api-key": "k"}, content=b"{}")
            assert (found.json()["index"], found.json()["path"]) == ("one", "/query?x=1")
            # What is no business of the desk goes on as it came.
            other = (await client.get(f"{control}/models", headers={"api-key": "k"})).json()["indexes"][0]
            assert other["private_host"] == "past us"


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_over_tls_hosts_are_bare_names_and_one_port_serves_them_all(tmp_path: Path, http2: bool) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("*.vectors.test", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    tls = ListenTls(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with (
        World(tmp_path, template="{index}.vectors.test", tls=tls) as world,
        httpx.AsyncClient(verify=trust, http1=not http2, http2=http2, headers={"api-key": "k"}) as client,
    ):
        control, data = (f"https://127.0.0.1:{port}" for port in world.ports.values())
        listed = (await client.get(f"{control}/indexes")).json()["indexes"]
        hosts = {index["name"]: index["host"] for index in listed}
        assert hosts == {name: f"{name}.vectors.test:{world.ports['data']}" for name in ("one", "two")}
        for name, host in hosts.items():
            found = (await client.post(f"{data}/query", headers={"host": host}, content=b"{}")).json()
            assert found["index"] == name
            # The index is asked under its own name, as clouds need it.
            assert "vectors.test" not in found["host"]
