"""What a sidecar that can only relay says to everything beyond: one sentence, by the product's name, with the right code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from tests.servers.facade import MilvusFacade
from tests.servers.passthrough import Passthrough
from tests.servers.pinecone import KEY, PineconeServer

VECFERRY = str(Path(sys.executable).parent / "vecferry")
SENTENCE = "a source pinecone can only be relayed yet (phase passthrough)"
ACTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"phase {name}": ("/v1/phase", {"phase": name}) for name in ("mirror", "shadow", "canary", "cutover", "complete")},
    "cutover": ("/v1/cutover", {}),
    "rollback": ("/v1/rollback", {}),
    **{name: (f"/v1/tasks/{name}", {}) for name in ("backfill", "verify", "repair")},
}


@pytest.fixture(scope="module")
def relaying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passthrough]:
    with PineconeServer() as server:
        source = {"product": "pinecone", "url": server.url, "api_key": KEY}
        with Passthrough(tmp_path_factory.mktemp("sidecar"), source, ("control", "data")) as sidecar:
            yield sidecar


def test_every_step_beyond_is_refused_by_the_products_name(relaying: Passthrough) -> None:
    replies = {name: relaying.admin.post(path, json=body) for name, (path, body) in ACTS.items()}
    replies["plan"] = relaying.admin.get("/v1/plan")
    assert {name: reply.status_code for name, reply in replies.items()} == dict.fromkeys(replies, 400)
    assert [name for name, reply in replies.items() if SENTENCE not in reply.json()["error"]] == []
    assert relaying.admin.post("/v1/phase", json={"phase": "passthrough"}).json()["phase"] == "passthrough"
    refused = command(relaying, "phase", "mirror")
    assert refused.returncode == 1
    assert SENTENCE in refused.stderr


def test_status_check_and_assess_speak_of_what_there_is(relaying: Passthrough) -> None:
    status, check, assess = (relaying.get(f"/v1/{name}") for name in ("status", "check", "assess"))
    assert status["source"]["product"] == "pinecone"
    assert (status["target"], status["gates"]) == (None, [])
    assert status["listen"] == {role: f"127.0.0.1:{port}" for role, port in relaying.ports.items()}
    assert check["ok"]
    assert check["sides"] == [{"place": "source", "ok": True, "product": "pinecone", "version": "2026-07"}]
    assert assess["unanswerable"] == {}
    assert all(SENTENCE in document["note"] for document in (status, check, assess))
    shown = command(relaying, "status")
    assert shown.returncode == 0
    assert SENTENCE in shown.stdout
    assert f"control 127.0.0.1:{relaying.ports['control']}" in shown.stdout


def command(sidecar: Passthrough, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([VECFERRY, *words, "--admin", str(sidecar.admin.base_url)], capture_output=True, text=True)


def test_milvus_is_relayed_without_a_target(tmp_path: Path) -> None:
    """It could do more: what it needs for that is said, which is a target."""
    with MilvusFacade() as server, Passthrough(tmp_path, {"product": "milvus", "url": server.url}, ("grpc",)) as sidecar:
        found = []
        for url in (server.url, sidecar.at("grpc")):
            client = MilvusClient(url)
            client.create_collection("talk", dimension=2)
            client.insert("talk", [{"id": n, "vector": [1.0, n / 10]} for n in range(20)])
            found.append([hit["id"] for hit in client.search("talk", [[1.0, 0.5]], limit=3)[0]])
            client.drop_collection("talk")
            client.close()
        assert found[0] == found[1]
        assert sidecar.get("/v1/check")["ok"]
        assert "no target is configured" in sidecar.get("/v1/assess")["note"]
        assert "no target is configured" in sidecar.admin.post("/v1/phase", json={"phase": "mirror"}).json()["error"]
        assert sidecar.status()["note"] == ""
