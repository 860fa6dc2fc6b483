"""Calls of qdrant-client by name, in order: each finds what those before left. Most of them are at home in other tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qdrant_client import QdrantClient
from qdrant_client import models as m

from tests.wire.qdrant.qdrant_changes import CHANGES
from tests.wire.qdrant.qdrant_scenario import WRITES, create
from tests.wire.qdrant.readings import Q4, READINGS, REFUSED, WRONG, C, fill

Script = Callable[[QdrantClient], Any]
CHANGING: Final = frozenset(
    {
        "read: bytes", "read: recommend sparse", "read: batch of several kinds", "read: rrf", "read: rrf weighted",
        "read: rrf filtered", "read: rrf offset", "read: rrf threshold", "read: rrf of distances", "read: dbsf",
        "read: dbsf of few", "rare: sample", "rare: matrix pairs", "rare: matrix offsets", "rare: context",
    }
)  # fmt: skip
"""One Qdrant answers these otherwise each time: drawn by lot, equal scores in any order, sums in any order."""
_PARAMS: Final = m.VectorParams(size=4, distance=m.Distance.COSINE)


def _http(method: str, path: str, body: Any = None) -> Script:
    """Of the SDK's own HTTP client, for what its methods do not say (any more)."""

    def call(client: QdrantClient) -> None:
        http = client._client.openapi_client.client  # type: ignore[attr-defined]
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        http._client.request(method, f"{http.host}{path}", **content)

    return call


SERVER: Final[Mapping[str, Script]] = {
    "info": lambda c: c.info(),
    "collections": lambda c: c.get_collections(),
    "no collection": lambda c: c.get_collection("absent"),
    "the collection": lambda c: c.get_collection(C),
    "exists": lambda c: (c.collection_exists(C), c.collection_exists("absent")),
    "create again": lambda c: c.create_collection(C, _PARAMS),
    "create without a name": lambda c: c.create_collection(" ", _PARAMS),
    "create without a size": lambda c: c.create_collection("zero", m.VectorParams(size=0, distance=m.Distance.DOT)),
    "drop nothing": lambda c: c.delete_collection("absent"),
    "update nothing": lambda c: c.update_collection("absent", optimizers_config=m.OptimizersConfigDiff()),
    "aliases": lambda c: (c.get_aliases(), c.get_collection_aliases(C), c.get_collection_aliases("absent")),
    "alias of nothing": lambda c: c.update_collection_aliases(
        [m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name="absent", alias_name="x"))]
    ),
    "shard key": lambda c: c.create_shard_key(C, "x"),
    "snapshots": lambda c: c.list_snapshots(C),
    "snapshot": lambda c: c.create_snapshot(C),
    "full snapshots": lambda c: c.list_full_snapshots(),
    "point of another dimension": lambda c: c.upsert(C, [m.PointStruct(id=1, vector={"dot": [1.0]})]),
    "point without a collection": lambda c: c.upsert("absent", [m.PointStruct(id=1, vector=Q4)]),
    "facets": lambda c: c.facet(C, "tags"),
    "uploaded": lambda c: c.upload_points(C, [m.PointStruct(id=900, vector={"dot": Q4})], wait=True),
}
HTTP: Final[Mapping[str, Script]] = {
    "root": _http("GET", "/"),
    "healthz": _http("GET", "/healthz"),
    "readyz": _http("GET", "/readyz"),
    "no such path": _http("GET", "/no/such/path"),
    "no such method": _http("PATCH", "/collections"),
    "head": _http("HEAD", f"/collections/{C}"),
    "search": _http("POST", f"/collections/{C}/points/search", {"vector": {"name": "dot", "vector": Q4}, "limit": 3}),
    "recommend": _http("POST", f"/collections/{C}/points/recommend", {"positive": [5], "using": "dot", "limit": 3}),
    "discover": _http("POST", f"/collections/{C}/points/discover", {"target": 5, "using": "dot", "limit": 3}),
    "no JSON": _http("PUT", f"/collections/{C}/points?wait=true", b"{"),
    "other JSON": _http("PUT", f"/collections/{C}/points?wait=true", {"dots": []}),
    "empty body": _http("POST", f"/collections/{C}/points/count", b""),
    "escaped name": _http("GET", "/collections/a%20b%2F%C3%BC"),
    "unknown query": _http("POST", f"/collections/{C}/points/count?wait=perhaps&x=%00", {}),
    "point": _http("GET", f"/collections/{C}/points/5"),
    "cluster": _http("GET", "/cluster"),
    "quotas": _http("GET", "/quotas"),
    "issues": _http("GET", "/issues"),
}


def _group(name: str, scripts: Mapping[str, Script]) -> dict[str, Script]:
    return {f"{name}: {each}": script for each, script in scripts.items()}


def corpus(*, rest: bool) -> dict[str, Script]:
    return {
        "fill": fill,
        **_group("server", SERVER),
        **(_group("http", HTTP) if rest else {}),
        **_group("read", READINGS),
        **_group("rare", {name: script for name, (script, _) in REFUSED.items()}),
        **_group("wrong", WRONG),
        "create": create,
        **_group("write", WRITES),
        **_group("change", CHANGES),
    }
