"""What is refused, with which code and words; and that a refusal never harms the collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import grpc
import httpx
import orjson
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as pb
from qdrant_client.http.exceptions import UnexpectedResponse
from servers.qdrant import QdrantServer

PLANE = models.VectorParams(size=2, distance=models.Distance.DOT)
INVALID = (400, grpc.StatusCode.INVALID_ARGUMENT)
UNPROCESSABLE = (422, grpc.StatusCode.INVALID_ARGUMENT)
NOT_FOUND = (404, grpc.StatusCode.NOT_FOUND)
ABSENT = (501, grpc.StatusCode.UNIMPLEMENTED)


@pytest.fixture(scope="module")
def plane(client: QdrantClient) -> str:
    """One for all: what is refused leaves no trace."""
    name = f"c-{uuid4().hex}"
    client.create_collection(name, vectors_config={"d": PLANE}, sparse_vectors_config={"s": models.SparseVectorParams()})
    client.upsert(name, [models.PointStruct(id=1, vector={"d": [1, 1]}, payload={"n": 1})])
    return name


def refusal(call: Callable[[], object]) -> tuple[int | grpc.StatusCode, str]:
    """Its code in the protocol at hand, and its text."""
    with pytest.raises((UnexpectedResponse, grpc.RpcError)) as caught:
        call()
    error = caught.value
    if isinstance(error, UnexpectedResponse):
        return error.status_code or 0, orjson.loads(error.content)["status"]["error"]
    return error.code(), error.details()


def upsert(name: str, point: object, vector: object) -> Callable[[QdrantClient], object]:
    return lambda client: client.upsert(name, [models.PointStruct.model_construct(id=point, vector=vector, payload={})])


def matching(key: str) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key=key, match=models.MatchValue(value=1))])


OPEN_RING = models.GeoLineString(points=[models.GeoPoint(lat=0, lon=n) for n in range(4)])
REFUSED: dict[str, tuple[Callable[[QdrantClient, str], object], tuple[int, grpc.StatusCode], str]] = {
    "wrong dimension": (lambda c, n: upsert(n, 2, {"d": [1.0, 2.0, 3.0]})(c), INVALID, "expected dim: 2, got 3"),
    "unknown vector": (lambda c, n: upsert(n, 2, {"zz": [1.0]})(c), INVALID, "Not existing vector name error: zz"),
    "sparse lengths": (
        lambda c, n: upsert(n, 2, {"s": models.SparseVector(indices=[1, 2], values=[1.0])})(c),
        UNPROCESSABLE,
        "must be the same length",
    ),
    "sparse repeated": (
        lambda c, n: upsert(n, 2, {"s": models.SparseVector(indices=[1, 1], values=[1.0, 2.0])})(c),
        UNPROCESSABLE,
        "must be unique",
    ),
    "ragged multivector": (lambda c, n: upsert(n, 2, {"d": [[1.0, 2.0], [1.0]]})(c), UNPROCESSABLE, "same, non-zero dimension"),
    "id that is no uuid": (lambda c, n: upsert(n, "xyz", {"d": [1.0, 2.0]})(c), INVALID, "xyz is not a valid point ID"),
    "text as number id": (lambda c, n: upsert(n, "1", {"d": [1.0, 2.0]})(c), INVALID, "1 is not a valid point ID"),
    "empty upsert": (lambda c, n: c.upsert(n, []), INVALID, "Empty update request"),
    "missing point": (
        lambda c, n: c.set_payload(n, {"a": 1}, points=[404]),
        NOT_FOUND,
        "Not found: No point with id 404 found",
    ),
    "query by missing point": (lambda c, n: c.query_points(n, query=404, using="d"), NOT_FOUND, "No point with id 404"),
    "query of wrong dimension": (lambda c, n: c.query_points(n, query=[1.0], using="d"), INVALID, "expected dim: 2, got 1"),
    "query of unknown vector": (lambda c, n: c.query_points(n, query=[1.0], using="q"), INVALID, "vector name error: q"),
    "fusion of nothing": (
        lambda c, n: c.query_points(n, query=models.FusionQuery(fusion=models.Fusion.RRF)),
        INVALID,
        "cannot apply Fusion without prefetches",
    ),
    "negative examples only": (
        lambda c, n: c.query_points(n, query=models.RecommendQuery(recommend=models.RecommendInput(negative=[1])), using="d"),
        INVALID,
        "At least one positive",
    ),
    "limit zero": (lambda c, n: c.query_points(n, limit=0), UNPROCESSABLE, "must be 1 or larger"),
    "bad path in a filter": (lambda c, n: c.count(n, count_filter=matching("a[[")), INVALID, "invalid JSON path"),
    "open polygon": (
        lambda c, n: c.count(
            n,
            count_filter=models.Filter(
                must=[models.FieldCondition(key="g", geo_polygon=models.GeoPolygon(exterior=OPEN_RING))]
            ),
        ),
        UNPROCESSABLE,
        "polygon invalid",
    ),
    "order without index": (lambda c, n: c.scroll(n, order_by="n"), INVALID, "range index"),
    "facet without index": (lambda c, n: c.facet(n, "n"), INVALID, "appropriate index"),
    "offset with order": (
        lambda c, n: c.scroll(n, order_by="n", offset=1),
        INVALID,
        "Cannot use an `offset` when using `order_by`",
    ),
    "vector name in the way of a path": (
        lambda c, n: c.create_vector_name(n, "../x", models.SparseVectorNameConfig(sparse=models.SparseVectorConfig())),
        INVALID,
        "invalid vector name",
    ),
    "vector size zero": (
        lambda c, n: c.create_vector_name(
            n, "z", models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=0, distance=models.Distance.DOT))
        ),
        UNPROCESSABLE,
        "must be from 1 to 65536",
    ),
    "existing vector": (
        lambda c, n: c.create_vector_name(n, "d", models.SparseVectorNameConfig(sparse=models.SparseVectorConfig())),
        INVALID,
        "already exists",
    ),
    "unknown vector dropped": (lambda c, n: c.delete_vector_name(n, "zz"), INVALID, "Not existing vector name error: zz"),
    "patch of unknown vector": (
        lambda c, n: c.update_collection(n, vectors_config={"zz": models.VectorParamsDiff(on_disk=True)}),
        INVALID,
        "Not existing vector name error: zz",
    ),
    "shard key": (
        lambda c, n: c.upsert(n, [models.PointStruct(id=1, vector={"d": [1, 1]})], shard_key_selector="k"),
        ABSENT,
        "shard keys are not available",
    ),
    "snapshots": (lambda c, n: c.list_snapshots(n), ABSENT, "not available in the local server"),
    "strict mode": (
        lambda c, n: c.update_collection(n, strict_mode_config=models.StrictModeConfig(enabled=True)),
        ABSENT,
        "strict mode is not available",
    ),
    "shard keys of a collection": (lambda c, n: c.create_shard_key(n, "k"), ABSENT, "not available in the local server"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_is_refused_and_the_collection_lives_on(client: QdrantClient, plane: str, case: str) -> None:
    call, codes, words = REFUSED[case]
    code, text = refusal(lambda: call(client, plane))
    assert code in codes
    assert words in text
    client.upsert(plane, [models.PointStruct(id=2, vector={"d": [2, 2]})])
    assert client.count(plane).count == 2


def test_a_refused_upsert_applies_nothing(client: QdrantClient, plane: str) -> None:
    points = [models.PointStruct(id=7, vector={"d": [1, 1]}), models.PointStruct(id=8, vector={"d": [1, 1, 1]})]
    refusal(lambda: client.upsert(plane, points))
    assert client.retrieve(plane, [7, 8]) == []


MISSING: dict[str, Callable[[QdrantClient, str], object]] = {
    "get": lambda c, n: c.get_collection(n),
    "upsert": lambda c, n: c.upsert(n, [models.PointStruct(id=1, vector=[1, 1])]),
    "query": lambda c, n: c.query_points(n, query=[1.0]),
    "scroll": lambda c, n: c.scroll(n),
    "count": lambda c, n: c.count(n),
    "delete": lambda c, n: c.delete(n, models.PointIdsList(points=[1])),
    "index": lambda c, n: c.create_payload_index(n, "f", models.PayloadSchemaType.KEYWORD),
    "alias": lambda c, n: c.update_collection_aliases(
        [models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=n, alias_name="a"))]
    ),
}


@pytest.mark.parametrize("call", MISSING)
def test_a_collection_that_does_not_exist_is_named(client: QdrantClient, name: str, call: str) -> None:
    code, text = refusal(lambda: MISSING[call](client, name))
    assert code in NOT_FOUND
    assert text == f"Not found: Collection `{name}` doesn't exist!"


def test_a_collection_is_made_only_once(client: QdrantClient, plane: str) -> None:
    code, text = refusal(lambda: client.create_collection(plane, vectors_config=PLANE))
    assert code in (409, grpc.StatusCode.ALREADY_EXISTS)
    assert text == f"Wrong input: Collection `{plane}` already exists!"


def test_no_alias_takes_the_name_of_a_collection(client: QdrantClient, plane: str) -> None:
    create = models.CreateAlias(collection_name=plane, alias_name=plane)
    code, _ = refusal(lambda: client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)]))
    assert code in INVALID


@pytest.mark.parametrize(
    "settings",
    [
        {"vectors_config": models.VectorParams(size=0, distance=models.Distance.DOT)},
        {"vectors_config": models.VectorParams(size=70_000, distance=models.Distance.DOT)},
        {"vectors_config": {"../up": PLANE}},
        {"vectors_config": {"x" * 300: PLANE}},
        {"vectors_config": {"a": PLANE}, "sparse_vectors_config": {"a": models.SparseVectorParams()}},
        {"vectors_config": {}},
    ],
)
def test_impossible_settings_make_no_collection(client: QdrantClient, name: str, settings: dict[str, object]) -> None:
    code, _ = refusal(lambda: client.create_collection(name, **settings))  # type: ignore[arg-type]
    assert code in (*INVALID, *UNPROCESSABLE)
    assert not client.collection_exists(name)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("points/query", b'{"query": [1, NaN]}', 400, "Format error in JSON body"),
        ("points/query", b"{", 400, "Format error in JSON body"),
        ("points/query", b'{"limitt": 1}', 400, "limitt: Extra inputs are not permitted"),
        ("points/scroll", b'{"filter": {"must": [{"key": "a", "matches": 1}]}}', 400, "Format error in JSON body: filter"),
        ("points/query", b'{"query": {"nearest": {"text": "x", "model": "m"}}}', 501, "server-side inference (Document) is"),
        ("points/count", b"[]", 400, "Format error in JSON body"),
        ("points/search", b"[]", 400, "Format error in JSON body"),
        ("points/recommend/batch", b"{}", 400, "Format error in JSON body"),
    ],
)
def test_a_body_that_is_wrong_is_told_where(
    server: QdrantServer, plane: str, path: str, body: bytes, status: int, words: str
) -> None:
    answer = httpx.post(f"{server.url}/collections/{plane}/{path}", content=body)
    assert answer.status_code == status
    assert words in answer.json()["status"]["error"]


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/collections/c/snapshots", "snapshots are"),
        ("POST", "/snapshots", "snapshots are"),
        ("PUT", "/collections/c/shards", "shard keys are"),
        ("GET", "/collections/c/cluster", "the cluster API is"),
        ("DELETE", "/cluster/peer/1", "the cluster API is"),
        ("GET", "/issues", "issue reports are"),
    ],
)
def test_what_the_local_server_lacks_is_refused_by_name(server: QdrantServer, method: str, path: str, words: str) -> None:
    answer = httpx.request(method, server.url + path)
    assert (answer.status_code, answer.json()["status"]["error"]) == (501, f"{words} not available in the local server")


def test_every_method_of_the_grpc_services_answers_or_is_refused_by_name(server: QdrantServer) -> None:
    with grpc.insecure_channel(f"{server.host}:{server.grpc_port}") as channel:
        points, snapshots = pb.PointsStub(channel), pb.SnapshotsStub(channel)
        code, text = refusal(lambda: points.Search(pb.SearchPoints(collection_name="c")))
        assert (code, text) == (ABSENT[1], "qdrant.Points/Search is not available in the local server")
        code, text = refusal(lambda: snapshots.Create(pb.CreateSnapshotRequest(collection_name="c")))
        assert (code, text) == (ABSENT[1], "qdrant.Snapshots/Create is not available in the local server")


def test_a_body_above_the_limit_is_refused(server: QdrantServer) -> None:
    answer = httpx.put(f"{server.url}/collections/c/points", content=b" " * (33 * 2**20))
    assert answer.status_code == 413


def test_an_unknown_path_is_not_found(server: QdrantServer) -> None:
    assert httpx.get(f"{server.url}/nothing/here").status_code == 404


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("locked"), api_key="sesame") as server:
        yield server


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"api-key": "wrong"}, 401), ({"api-key": "sesame"}, 200), ({"Authorization": "Bearer sesame"}, 200)],
)
def test_rest_asks_for_the_key(locked: QdrantServer, headers: dict[str, str], status: int) -> None:
    answer = httpx.get(f"{locked.url}/collections", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain" if status == 401 else "application/json")
    assert httpx.get(f"{locked.url}/readyz").status_code == 200


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_grpc_asks_for_the_key(locked: QdrantServer) -> None:
    right, wrong = (locked.client(prefer_grpc=True, api_key=key) for key in ("sesame", "wrong"))
    assert right.get_collections().collections == []
    code, text = refusal(wrong.get_collections)
    assert (code, text) == (grpc.StatusCode.UNAUTHENTICATED, "Invalid API key or JWT")
    right.close()
    wrong.close()


def test_a_port_in_use_is_told(server: QdrantServer, data: Path) -> None:
    with pytest.raises(RuntimeError, match=rf"cannot listen on 127.0.0.1:{server.port} \(REST\)"):
        QdrantServer(data, port=server.port).start()
    with pytest.raises(RuntimeError, match=rf"cannot listen on 127.0.0.1:{server.grpc_port} \(gRPC\)"):
        QdrantServer(data, grpc_port=server.grpc_port).start()


def test_a_data_directory_in_use_is_told(server: QdrantServer) -> None:
    with pytest.raises(RuntimeError, match="is in use by another process"):
        QdrantServer(server.data).start()
