"""The very JSON and messages of answers to reads: beside the engine's server, in the older calls, and read back."""

from __future__ import annotations

from typing import Any, Final

import grpc
import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client import grpc as pb
from qdrant_facade import Facade, FacadeServer
from readings import PLAIN, Q4, READINGS, UUIDS, C, Shelves, fill
from test_qdrant_reads import assert_same

from proxy.compare.points import difference
from proxy.errors import Refused
from proxy.frontends import grpc as envelope
from proxy.model.operation import Hit, Page, Result
from proxy.model.point import Point
from proxy.ports import Reply, Request
from proxy.reads import answer
from tests.servers.qdrant import QdrantServer

VECTOR: Final = {"name": "dot", "vector": Q4}
CALLS: Final[dict[str, tuple[str, str, Any]]] = {
    "point": ("GET", f"/collections/{C}/points/5", None),
    "point by uuid": ("GET", f"/collections/{C}/points/{UUIDS[0].upper()}", None),
    "points": ("POST", f"/collections/{PLAIN}/points", {"ids": [5, 1], "with_vector": True}),
    "bare points": ("POST", f"/collections/{C}/points", {"ids": [5, 13], "with_payload": False}),
    "scroll": ("POST", f"/collections/{C}/points/scroll", {"limit": 2, "with_vector": ["dot", "sparse", "multi"]}),
    "last scroll": ("POST", f"/collections/{PLAIN}/points/scroll", {}),
    "count": ("POST", f"/collections/{C}/points/count", {}),
    "query": ("POST", f"/collections/{C}/points/query?consistency=all&timeout=5", {"query": Q4, "using": "dot", "limit": 3}),
    "query batch": ("POST", f"/collections/{C}/points/query/batch", {"searches": [{"query": 5, "using": "dot"}, {"limit": 1}]}),
    "query groups": (
        "POST",
        f"/collections/{C}/points/query/groups",
        {"query": Q4, "using": "dot", "group_by": "color", "limit": 2, "with_lookup": PLAIN},
    ),
    "search": ("POST", f"/collections/{C}/points/search", {"vector": VECTOR, "limit": 3, "with_payload": True}),
    "search unnamed": ("POST", f"/collections/{PLAIN}/points/search", {"vector": [0.1, 0.2, 0.3], "limit": 3}),
    "search batch": ("POST", f"/collections/{C}/points/search/batch", {"searches": [{"vector": VECTOR, "limit": 3}] * 2}),
    "search groups": (
        "POST",
        f"/collections/{C}/points/search/groups",
        {"vector": VECTOR, "group_by": "color", "limit": 2, "group_size": 2},
    ),
    "recommend": ("POST", f"/collections/{C}/points/recommend", {"positive": [5, 6], "using": "dot", "limit": 3}),
    "recommend batch": (
        "POST",
        f"/collections/{C}/points/recommend/batch",
        {"searches": [{"positive": [5], "negative": [7], "using": "cosine", "limit": 3}]},
    ),
    "recommend groups": (
        "POST",
        f"/collections/{C}/points/recommend/groups",
        {"positive": [5], "using": "dot", "group_by": "color", "limit": 2, "group_size": 2},
    ),
    "no such point": ("GET", f"/collections/{C}/points/999", None),
    "no such collection": ("POST", "/collections/absent/points/count", {}),
}
PARTS: Final = ("payload include", "payload exclude", "payload list")
NOT_COMPARED: Final = ("groups", "rrf", "dbsf", "no query", "several kinds", *PARTS)


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_has_the_shape_of_the_servers(name: str, shelves: Shelves) -> None:
    method, path, body = CALLS[name]
    ours, engines = (httpx.request(method, url + path, json=body) for url in (_url(shelves.ours), shelves.engine.url))
    assert ours.status_code == engines.status_code, (ours.text, engines.text)
    found, wanted = ours.json(), engines.json()
    assert found.keys() == wanted.keys()
    if ours.status_code == 200:
        assert found["status"] == "ok"
        assert_same(_without_versions(found["result"]), _without_versions(wanted["result"]))
    else:
        assert found["status"] == wanted["status"]


def test_numbers_are_printed_as_the_shortest_float32(shelves: Shelves) -> None:
    query = {"query": [0.15, 0.1, 0.0], "with_vector": True, "limit": 1}
    text = httpx.post(_url(shelves.ours) + f"/collections/{PLAIN}/points/query", json=query).text
    assert '"vector":[0.15,0.1,1e-7]' in text
    assert '"score":1e-7' in text


def _url(server: FacadeServer) -> str:
    return f"http://127.0.0.1:{server.port('rest')}"


def _without_versions(found: Any) -> Any:
    """They are there, and 0: nobody behind our frontend counts."""
    match found:
        case dict():
            return {name: 0 if name == "version" else _without_versions(value) for name, value in found.items()}
        case list():
            return [_without_versions(each) for each in found]
        case _:
            return found


# ---- gRPC ----


def test_the_older_grpc_calls_are_answered(shelves: Shelves) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{shelves.ours.port('grpc')}") as channel:
        stub = pb.PointsStub(channel)
        wanted = [each.id.num for each in stub.Query(_query()).result]
        search = pb.SearchPoints(collection_name=C, vector=Q4, vector_name="dot", limit=3)
        assert [each.id.num for each in stub.Search(search).result] == wanted
        batch = pb.SearchBatchPoints(collection_name=C, search_points=[search, search])
        assert [[each.id.num for each in row.result] for row in stub.SearchBatch(batch).result] == [wanted, wanted]
        recommend = pb.RecommendPoints(collection_name=C, positive=[pb.PointId(num=5)], using="dot", limit=3)
        assert 5 not in [each.id.num for each in stub.Recommend(recommend).result]
        groups = pb.SearchPointGroups(collection_name=C, vector=Q4, vector_name="dot", group_by="color", group_size=1, limit=2)
        asked = {"query": _query().query, "using": "dot", "group_by": "color", "group_size": 1, "limit": 2}
        queried = stub.QueryGroups(pb.QueryPointGroups(collection_name=C, **asked))
        assert stub.SearchGroups(groups).result == queried.result


def test_an_integer_that_no_message_holds_is_told_as_a_double(shelves: Shelves) -> None:
    big = {"big": 2**63 + 2, "in": [{"big": 2**64 - 2}], "small": -(2**63)}
    rest, over_grpc = (shelves.clients[protocol][0] for protocol in ("rest", "grpc"))
    rest.upsert(PLAIN, [models.PointStruct(id=77, vector=[9, 9, 9], payload=big)])
    found = [client.retrieve(PLAIN, [77])[0].payload for client in (rest, over_grpc)]
    rest.delete(PLAIN, [77])
    assert found == [big, {"big": 2.0**63, "in": [{"big": 2.0**64}], "small": -(2**63)}]


def _query() -> pb.QueryPoints:
    nearest = pb.Query(nearest=pb.VectorInput(dense=pb.DenseVector(data=Q4)))
    return pb.QueryPoints(collection_name=C, query=nearest, using="dot", limit=3)


@pytest.mark.parametrize(("version", "flat"), [("1.19.0", False), ("1.15.2", True)])
def test_vectors_come_in_the_form_of_the_sources_version(version: str, flat: bool) -> None:
    with FacadeServer(Facade(version)) as server, grpc.insecure_channel(f"127.0.0.1:{server.port('grpc')}") as channel:
        client = server.client(prefer_grpc=True)
        fill(client)
        got = pb.PointsStub(channel).Get(
            pb.GetPoints(collection_name=C, ids=[pb.PointId(num=6)], with_vectors=pb.WithVectorsSelector(enable=True))
        )
        vectors = got.result[0].vectors.vectors.vectors
        assert {bool(vector.data) for vector in vectors.values()} == {flat}
        assert {vector.WhichOneof("vector") is None for vector in vectors.values()} == {flat}
        (record,) = client.retrieve(C, [6], with_vectors=True)
        assert isinstance(record.vector, dict)
        assert isinstance(record.vector["sparse"], models.SparseVector)
        assert len(record.vector["multi"]) == 1
        client.close()


async def test_the_async_client_is_answered(shelves: Shelves) -> None:
    for prefer_grpc in (False, True):
        client = AsyncQdrantClient(
            url=_url(shelves.ours),
            grpc_port=shelves.ours.port("grpc"),
            prefer_grpc=prefer_grpc,
            check_compatibility=False,
        )
        found = await client.query_points(C, query=Q4, using="dot", limit=1)
        page, _ = await client.scroll(C, limit=1)
        assert (len(found.points), page[0].id) == (1, 0)
        await client.close()


# ---- the server's own answers, read for comparison ----


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
@pytest.mark.parametrize("name", [name for name in READINGS if not any(word in name for word in NOT_COMPARED)])
def test_a_servers_answer_is_read_as_what_the_model_gives(name: str, protocol: str, shelves: Shelves) -> None:
    facade = shelves.ours.facade
    for request in _asked(shelves, name, protocol):
        operation = facade.frontend.decode(request, facade.catalog)
        reply = _from_engine(shelves.engine, request, protocol)
        parsed = facade.frontend.parse_read(request, operation, reply, facade.catalog)
        given = shelves.ours.call(answer(facade.backend, operation, facade.catalog))  # type: ignore[arg-type]
        _assert_agree(parsed, given, facade)


@pytest.mark.parametrize("name", [name for name in READINGS if any(word in name for word in NOT_COMPARED)])
def test_what_says_nothing_of_points_is_not_compared(name: str, shelves: Shelves) -> None:
    facade = shelves.ours.facade
    (request,) = _asked(shelves, name, "rest")
    operation = facade.frontend.decode(request, facade.catalog)
    with pytest.raises(Refused, match="not compared"):
        facade.frontend.parse_read(request, operation, _from_engine(shelves.engine, request, "rest"), facade.catalog)  # type: ignore[arg-type]


def _asked(shelves: Shelves, name: str, protocol: str) -> list[Request]:
    asked = shelves.ours.facade.asked
    asked.clear()
    READINGS[name](shelves.clients[protocol][0])
    return [request for role, request in asked if role == protocol]


def _from_engine(engine: QdrantServer, request: Request, protocol: str) -> Reply:
    if protocol == "rest":
        got = httpx.request(request.method.decode(), engine.url + request.path.decode(), content=request.body)
        return Reply(got.status_code, (), got.content)
    with grpc.insecure_channel(engine.grpc_url.removeprefix("http://")) as channel:
        raw = channel.unary_unary(request.path.decode())(envelope.message(request.body, request.headers, 2**30))
    return envelope.succeeded(raw)


def _assert_agree(parsed: Result, given: Result, facade: Facade) -> None:
    match parsed, given:
        case Page(), Page():
            assert (parsed.end, parsed.next) == (given.end, given.next)
            _assert_points(parsed.points, given.points, facade)
        case tuple(), tuple():
            for row, wanted in zip(parsed, given, strict=True):
                assert [hit.value for hit in row] == pytest.approx([hit.value for hit in wanted], rel=1e-5, abs=1e-6)
                _assert_points(_by_id(row), _by_id(wanted), facade)
        case dict(), dict():
            _assert_points(tuple(parsed.values()), tuple(given[key] for key in parsed), facade)
        case _:
            assert parsed == given


def _by_id(hits: tuple[Hit, ...]) -> tuple[Point, ...]:
    return tuple(hit.point for hit in sorted(hits, key=lambda hit: str(hit.key.id)))


def _assert_points(found: tuple[Point, ...], wanted: tuple[Point, ...], facade: Facade) -> None:
    assert [point.key for point in found] == [point.key for point in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert difference(one, other, facade.catalog.schema(one.key.collection), 1e-5) is None
