"""Pinecone's official client, direct and through a sidecar that only relays: the same answers, and never past the sidecar."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pinecone import AsyncPinecone, GrpcIndex, Index, Pinecone, ServerlessSpec
from pinecone.exceptions import PineconeException

from tests.servers.passthrough import Passthrough
from tests.servers.pinecone import KEY, PineconeServer

VECFERRY = str(Path(sys.executable).parent / "vecferry")
SPEC = ServerlessSpec(cloud="aws", region="us-east-1")
SPREAD = 12
"""Enough for every index of these tests, so that none is given the port of one that was deleted."""


@pytest.fixture(scope="module")
def server() -> Iterator[PineconeServer]:
    with PineconeServer() as found:
        yield found


@pytest.fixture(scope="module")
def sidecar(server: PineconeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passthrough]:
    source = {"product": "pinecone", "url": server.url, "api_key": KEY}
    folder = tmp_path_factory.mktemp("sidecar")
    with Passthrough(folder, source, ("control", "data", "data.fixed"), spread=SPREAD) as found:
        yield found


@pytest.fixture
def through(sidecar: Passthrough) -> Iterator[Pinecone]:
    with Pinecone(api_key=KEY, host=sidecar.at("control"), grpc_scheme="http") as client:
        yield client
        for index in client.list_indexes():
            client.delete_index(index.name)


def plain(reply: Any) -> Any:
    """Without what belongs to one reply: its headers."""
    return {**reply.to_dict(), "response_info": None} if hasattr(reply, "to_dict") else reply


def data_conversation(index: Index | GrpcIndex) -> list[Any]:
    vectors = [(f"v{n:03}", [1.0, n / 10, 0.5], {"g": n % 3, "t": f"text {n}"}) for n in range(1, 250)]
    said = [index.upsert(vectors=vectors, namespace="n")]
    said.append(index.update(id="v001", set_metadata={"new": True}, namespace="n"))
    said.append(index.delete(ids=["v002"], namespace="n"))
    said.append(
        index.query(
            vector=[1.0, 0.2, 0.5],
            top_k=5,
            namespace="n",
            filter={"g": {"$in": [1, 2]}},
            include_values=True,
            include_metadata=True,
        )
    )
    said.append(index.fetch(ids=["v001", "v002"], namespace="n"))
    said.append(index.fetch_by_metadata(filter={"new": True}, namespace="n"))
    said.append(index.describe_index_stats())
    said.append([item.id for page in index.list(namespace="n") for item in page.vectors])
    with pytest.raises(PineconeException, match="Vector dimension 2 does not match the dimension of the index 3") as wrong:
        index.query(vector=[1.0, 2.0], top_k=1)
    index.delete(delete_all=True, namespace="n")
    return [*map(plain, said), str(wrong.value)]


@pytest.mark.parametrize("grpc", [False, True], ids=["rest", "grpc"])
def test_the_data_plane_says_the_same(server: PineconeServer, through: Pinecone, grpc: bool) -> None:
    through.create_index(name="talk", dimension=3, metric="cosine", spec=SPEC)
    with Pinecone(api_key=KEY, host=server.url, grpc_scheme="http") as direct, direct.index("talk", grpc=grpc) as index:
        expected = data_conversation(index)
    assert len(expected[7]) == 248
    with through.index("talk", grpc=grpc) as index:
        assert data_conversation(index) == expected


def test_the_control_plane_says_the_same_but_for_the_hosts(
    server: PineconeServer, sidecar: Passthrough, through: Pinecone
) -> None:
    def told(client: Pinecone) -> tuple[list[dict[str, Any]], set[str]]:
        found = [client.describe_index("a"), client.describe_index("b"), *client.list_indexes()]
        return [{**index.to_dict(), "host": ""} for index in found], {index.host for index in found}

    through.create_index(name="a", dimension=3, metric="euclidean", spec=SPEC, tags={"of": "tests"})
    through.create_index(name="b", metric="dotproduct", vector_type="sparse", spec=SPEC)
    through.configure_index("a", deletion_protection="enabled")
    with Pinecone(api_key=KEY, host=server.url) as direct:
        expected, _ = told(direct)
    heard, hosts = told(through)
    assert heard == expected
    assert hosts <= {f"http://127.0.0.1:{sidecar.ports['data'] + n}" for n in range(SPREAD)}
    with pytest.raises(PineconeException, match="Deletion protection"):
        through.delete_index("a")
    through.configure_index("a", deletion_protection="disabled")


@pytest.mark.parametrize("version", ["2025-04", "2026-07"])
def test_both_shapes_of_an_index_keep_all_their_fields(
    server: PineconeServer, sidecar: Passthrough, through: Pinecone, version: str
) -> None:
    """Clients of older APIs read other fields of the same reply."""
    through.create_index(name="shape", dimension=3, metric="cosine", spec=SPEC)
    headers = {"api-key": KEY, "x-pinecone-api-version": version, "accept-encoding": "gzip"}
    direct, heard = (httpx.get(f"{url}/indexes/shape", headers=headers) for url in (server.url, sidecar.at("control")))
    assert heard.json() | {"host": ""} == direct.json() | {"host": ""}
    assert {"dimension", "spec", "schema", "deployment"} <= heard.json().keys()
    assert int(heard.headers["content-length"]) == len(heard.content)


def test_each_index_has_a_port_that_means_it_and_no_other(sidecar: Passthrough, through: Pinecone) -> None:
    for name in ("one", "two", "fixed"):
        through.create_index(name=name, dimension=2, metric="cosine", spec=SPEC)
    hosts = {index.name: index.host for index in through.list_indexes()}
    assert len(set(hosts.values())) == 3
    assert hosts["fixed"] == sidecar.at("data.fixed")
    for grpc in (False, True):
        for name in hosts:
            with through.index(name, grpc=grpc) as index:
                index.upsert(vectors=[(f"{name} {grpc}", [1.0, 1.0])])
    for name in hosts:
        with through.index(name) as index:
            held = index.fetch(ids=[f"{each} {grpc}" for each in hosts for grpc in (False, True)])
        assert set(held.vectors) == {f"{name} False", f"{name} True"}


async def test_the_asynchronous_client_hears_the_same(server: PineconeServer, sidecar: Passthrough, through: Pinecone) -> None:
    async def talk(url: str) -> list[Any]:
        async with AsyncPinecone(api_key=KEY, host=url) as client:
            index = await client.index("murmur")
            async with index:
                await index.upsert(vectors=[(str(n), [1.0, n / 10]) for n in range(100)], batch_size=10)
                found = await asyncio.gather(*(index.query(vector=[1.0, n / 7], top_k=3) for n in range(20)))
        return [plain(reply) for reply in found]

    through.create_index(name="murmur", dimension=2, metric="euclidean", spec=SPEC)
    expected = await talk(server.url)
    assert await talk(sidecar.at("control")) == expected


def test_a_wrong_key_is_refused_as_it_is_direct(server: PineconeServer, sidecar: Passthrough, through: Pinecone) -> None:
    through.create_index(name="locked", dimension=2, metric="cosine", spec=SPEC)
    for url in (server.url, sidecar.at("control")):
        with Pinecone(api_key="wrong", host=url) as client, pytest.raises(PineconeException, match="401"):
            client.list_indexes()
    host = through.describe_index("locked").host
    reply = httpx.post(f"{host}/query", json={"topK": 1, "vector": [1, 1]}, headers={"api-key": "wrong"})
    assert (reply.status_code, reply.text) == (401, "Unauthorized")


# ---- what a sidecar that can only relay says to everything beyond ----

SENTENCE = "a source pinecone can only be relayed yet (phase passthrough)"
ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"phase {name}": ("/v1/phase", {"phase": name}) for name in ("mirror", "shadow", "canary", "cutover", "complete")},
    "cutover": ("/v1/cutover", {}),
    "rollback": ("/v1/rollback", {}),
    **{name: (f"/v1/tasks/{name}", {}) for name in ("backfill", "verify", "repair")},
}


def test_every_step_beyond_is_refused_by_the_products_name(sidecar: Passthrough) -> None:
    replies = {name: sidecar.admin.post(path, json=body) for name, (path, body) in ACTS.items()}
    replies["plan"] = sidecar.admin.get("/v1/plan")
    assert {name: reply.status_code for name, reply in replies.items()} == dict.fromkeys(replies, 400)
    assert [name for name, reply in replies.items() if SENTENCE not in reply.json()["error"]] == []
    assert sidecar.admin.post("/v1/phase", json={"phase": "passthrough"}).json()["phase"] == "passthrough"
    refused = command(sidecar, "phase", "mirror")
    assert refused.returncode == 1
    assert SENTENCE in refused.stderr


def test_status_check_and_assess_speak_of_what_there_is(sidecar: Passthrough) -> None:
    status, check, assess = (sidecar.get(f"/v1/{name}") for name in ("status", "check", "assess"))
    assert status["source"]["product"] == "pinecone"
    assert (status["target"], status["gates"]) == (None, [])
    assert status["listen"] == sidecar.settings["listen"] | {"data": f"127.0.0.1:{sidecar.ports['data']}"} | {
        f"data+{n}": f"127.0.0.1:{sidecar.ports['data'] + n}" for n in range(1, SPREAD)
    }
    assert check["ok"]
    assert check["sides"] == [{"place": "source", "ok": True, "product": "pinecone", "version": "2026-07"}]
    assert assess["unanswerable"] == {}
    assert all(SENTENCE in document["note"] for document in (status, check, assess))
    shown = command(sidecar, "status")
    assert shown.returncode == 0
    assert SENTENCE in shown.stdout
    assert f"control 127.0.0.1:{sidecar.ports['control']}" in shown.stdout


def command(sidecar: Passthrough, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([VECFERRY, *words, "--admin", str(sidecar.admin.base_url)], capture_output=True, text=True)
