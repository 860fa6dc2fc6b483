"""What the official client asks and changes of collections, against our frontend and against Qdrant's own engine."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest
from qdrant_changes import ALIAS, CHANGES, A, B
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_facade import FacadeServer
from qdrant_failure import failure

from proxy.errors import Throttled, Uncertain
from proxy.model.schema import Metric
from tests.servers.qdrant import QdrantServer

TOLD = ("status", "optimizer_status", "points_count", "config", "payload_schema")


def _told(client: QdrantClient) -> dict[str, Any]:
    names = sorted(each.name for each in client.get_collections().collections)
    aliases = {each.alias_name: each.collection_name for each in client.get_aliases().aliases}
    return {
        "collections": {name: _info(client.get_collection(name)) for name in names},
        "aliases": aliases,
        "of b": sorted(each.alias_name for each in client.get_collection_aliases(B).aliases) if B in names else [],
        "through the alias": _info(client.get_collection(ALIAS)) if ALIAS in aliases else None,
        "exist": [client.collection_exists(name) for name in (*names, *aliases, "nowhere")],
    }


def _info(found: m.CollectionInfo) -> dict[str, Any]:
    told = found.model_dump(mode="json", exclude_none=True)
    for index in told["payload_schema"].values():
        index["points"] = 0
    return {name: value for name, value in told.items() if name in TOLD}


@pytest.mark.parametrize("prefer_grpc", [False, True], ids=["rest", "grpc"])
def test_every_change_of_a_collection_is_told_again_as_qdrant_tells_it(
    server: FacadeServer, engine: QdrantServer, prefer_grpc: bool
) -> None:
    ours, theirs = server.client(prefer_grpc=prefer_grpc), engine.client(prefer_grpc=prefer_grpc)
    for each in theirs.get_collections().collections:
        theirs.delete_collection(each.name)
    for name, change in CHANGES.items():
        assert failure(ours, change) == failure(theirs, change), name
        assert _told(ours) == _told(theirs), name
    ours.close()
    theirs.close()


def test_a_collection_whose_name_is_escaped_in_the_path_is_the_one_that_the_name_says(
    server: FacadeServer, client: QdrantClient
) -> None:
    assert client.create_collection(A, m.VectorParams(size=2, distance=m.Distance.COSINE))
    assert server.facade.catalog.schema(A).vectors[""].metric is Metric.COSINE
    assert client.collection_exists(A)
    client.upsert(A, [m.PointStruct(id=1, vector=[3, 4])])
    assert client.delete_collection(A)
    assert server.facade.catalog.collections() == ()


def test_custom_sharding_is_refused_by_name(client: QdrantClient) -> None:
    code, words = failure(
        client,
        lambda c: c.create_collection(
            B, m.VectorParams(size=2, distance=m.Distance.DOT), sharding_method=m.ShardingMethod.CUSTOM
        ),
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "custom sharding" in words


def test_the_version_is_the_sources(server: FacadeServer, client: QdrantClient) -> None:
    server.facade.catalog.version = "1.17.3"
    assert client.info().version == "1.17.3"


def test_the_health_pages_say_what_qdrants_say(server: FacadeServer, engine: QdrantServer) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        ours, theirs = httpx.get(f"http://127.0.0.1:{server.port('rest')}{path}"), httpx.get(f"{engine.url}{path}")
        assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)


def test_grpcs_own_health_service_says_serving(server: FacadeServer) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port('grpc')}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"") == b"\x08\x01"


def test_what_cannot_be_answered_is_refused_by_its_name(client: QdrantClient) -> None:
    code, words = failure(client, lambda c: c.list_snapshots(B))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "napshots" in words


def test_a_side_that_asks_for_patience_is_said_so_that_the_client_waits(server: FacadeServer, client: QdrantClient) -> None:
    server.facade.fault = Throttled("too many", retry_after=7.0)
    with pytest.raises(Exception, match=r"Too Many Requests|Resource Exhausted|too many") as caught:
        client.delete_collection(B)
    assert getattr(caught.value, "retry_after_s", None) == 7


def test_a_side_that_is_away_is_said_so(server: FacadeServer, client: QdrantClient) -> None:
    server.facade.fault = Uncertain("no answer")
    code, words = failure(client, lambda c: c.delete_collection(B))
    assert (code, words) == (grpc.StatusCode.UNAVAILABLE, "Service unavailable: no answer")
