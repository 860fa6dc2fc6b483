from __future__ import annotations

from pathlib import Path

from pymilvus import MilvusClient

from tests.servers.facade import MilvusFacade
from tests.servers.passthrough import Passthrough


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
