from __future__ import annotations

from typing import Any

import pytest
from milvus_requests import KEY, VECTOR, OneCatalog, collection, frontend, reply, request
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from proxy.errors import NotFound, ProxyError, Reason, Refused, Throttled, Unavailable
from proxy.frontends import grpc
from proxy.frontends.grpc import Code, failed, status_of
from proxy.frontends.milvus.messages import CALLS
from proxy.frontends.milvus.routes import METHODS
from proxy.model.operation import Opaque, Put, Remove
from proxy.model.point import Key
from proxy.ports import Kind, Outcome, Reply, Request

INSERT = request("Insert", milvus_pb2.InsertRequest(collection_name="c"))


def mutation(**status: Any) -> Reply:
    return reply(milvus_pb2.MutationResult(status=common_pb2.Status(**status)))


def refused_rows(**status: Any) -> Reply:
    """As Milvus 2.3.5 says it of inserts and upserts: every row is listed."""
    return reply(milvus_pb2.MutationResult(status=common_pb2.Status(**status), err_index=range(100)))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (mutation(), Outcome.ACCEPTED),
        (mutation(code=1100, reason="invalid parameter"), Outcome.REFUSED),
        (mutation(code=65535, reason="the num_rows of field is not equal"), Outcome.REFUSED),
        (mutation(error_code=common_pb2.CollectionNotExists), Outcome.REFUSED),
        (mutation(code=8, reason="rate limit exceeded"), Outcome.REFUSED),
        (mutation(code=65535, reason="rpc error: context deadline exceeded"), Outcome.UNKNOWN),
        (mutation(code=10001), Outcome.UNKNOWN),
        (refused_rows(code=200, reason="partition not found[partition=p]"), Outcome.REFUSED),
        (
            refused_rows(code=1100, reason="the num_rows (100) of field (id) is not equal to passed num_rows (99)"),
            Outcome.REFUSED,
        ),
        (refused_rows(code=65535, reason="unexpected"), Outcome.UNKNOWN),
        (refused_rows(code=10001), Outcome.UNKNOWN),
        (refused_rows(), Outcome.UNKNOWN),
        (failed(Code.UNAVAILABLE, ""), Outcome.UNKNOWN),
        (failed(Code.DEADLINE_EXCEEDED, ""), Outcome.UNKNOWN),
        (failed(Code.CANCELLED, ""), Outcome.UNKNOWN),
        (failed(Code.INTERNAL, ""), Outcome.UNKNOWN),
        (failed(Code.UNAUTHENTICATED, ""), Outcome.REFUSED),
        (failed(Code.UNIMPLEMENTED, ""), Outcome.REFUSED),
        (Reply(200, (), b""), Outcome.UNKNOWN),
        (Reply(502, (), b""), Outcome.UNKNOWN),
        (grpc.succeeded(b"\xff"), Outcome.UNKNOWN),
    ],
)
def test_a_write_ends_as_its_reply_says(answer: Reply, outcome: Outcome) -> None:
    assert frontend().outcome(INSERT, answer) is outcome


def test_a_refusal_is_a_message_of_the_call_s_own_kind() -> None:
    for name, call in CALLS.items():
        if METHODS[name].kind is Kind.OPAQUE:
            continue
        said = frontend().refuse(request(name, call.request()), Refused("no"))
        message = call.response.FromString(said.body[grpc.PREFIX :])
        status = message if call.response is common_pb2.Status else message.status
        assert (status_of(said)[0], status.code, status.reason) == (Code.OK, 1100, "no")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("down"), Code.UNAVAILABLE),
        (Refused("who", Reason.UNAUTHENTICATED), Code.UNAUTHENTICATED),
        (Refused("big", Reason.TOO_LARGE), Code.RESOURCE_EXHAUSTED),
    ],
)
def test_failures_that_grpc_knows_are_its_statuses(error: ProxyError, code: Code) -> None:
    assert status_of(frontend().refuse(INSERT, error)) == (code, str(error))


def test_patience_is_asked_for_as_milvus_does() -> None:
    said = milvus_pb2.MutationResult.FromString(frontend().refuse(INSERT, Throttled("slow down")).body[grpc.PREFIX :])
    assert (said.status.code, said.status.error_code) == (8, common_pb2.RateLimit)


def test_not_found_has_milvus_s_number() -> None:
    said = milvus_pb2.MutationResult.FromString(frontend().refuse(INSERT, NotFound("gone")).body[grpc.PREFIX :])
    assert (said.status.code, said.status.error_code) == (100, common_pb2.CollectionNotExists)


def test_an_unknown_method_is_unimplemented() -> None:
    unknown = Request(b"POST", b"/milvus.proto.milvus.MilvusService/Nothing", (), b"")
    assert status_of(frontend().refuse(unknown, Refused("no")))[0] is Code.UNIMPLEMENTED


def test_bytes_that_are_no_message_are_refused() -> None:
    broken = Request(b"POST", INSERT.path, (), grpc.framed(b"\xff\xff"))
    with pytest.raises(Refused):
        frontend().decode(broken, OneCatalog(collection(KEY, VECTOR)))
    assert frontend().collection(broken, OneCatalog(collection(KEY, VECTOR))) == ""


def test_timestamps_only_grow() -> None:
    asked, catalog = request("AllocTimestamp", milvus_pb2.AllocTimestampRequest()), OneCatalog(collection(KEY, VECTOR))
    one = frontend()
    given = [milvus_pb2.AllocTimestampResponse.FromString(one.answer(asked, catalog).body[5:]).timestamp for _ in range(3)]
    assert given == sorted(set(given))
    assert given[0] >> 18 == 1_700_000_000_000


# ---- REST ----


def rest(path: str, body: bytes) -> Request:
    return Request(b"POST", f"/v1/vector/{path}".encode(), (), body)


def test_rest_writes_tell_their_keys_only() -> None:
    catalog = OneCatalog(collection(KEY, VECTOR))
    put = frontend().decode(rest("upsert", b'{"collectionName": "c", "data": [{"id": "5", "v": [1, 2]}]}'), catalog)
    assert isinstance(put, Put)
    assert ([point.key for point in put.points], put.complete) == ([Key("c", None, 5)], False)


def test_rest_ids_of_the_server_come_from_its_reply() -> None:
    catalog = OneCatalog(collection(KEY, VECTOR))
    sent = rest("insert", b'{"collectionName": "c", "data": {"v": [1, 2]}}')
    answer = Reply(200, (), b'{"code": 200, "data": {"insertCount": 1, "insertIds": ["77"]}}')
    put = frontend().decode(sent, catalog, answer)
    assert isinstance(put, Put)
    assert put.points[0].key.id == 77
    assert isinstance(frontend().decode(sent, catalog), Opaque)


def test_a_rest_delete_removes_its_ids() -> None:
    catalog = OneCatalog(collection(KEY, VECTOR))
    assert frontend().decode(rest("delete", b'{"collectionName": "c", "id": 5}'), catalog) == Remove(
        "c", frozenset({Key("c", None, 5)})
    )
    with pytest.raises(Refused, match="needs an id or a filter"):
        frontend().decode(rest("delete", b'{"collectionName": "c"}'), catalog)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"code": 200, "data": {}}', Outcome.ACCEPTED),
        (200, b'{"code": 1100, "message": "no"}', Outcome.REFUSED),
        (200, b"", Outcome.UNKNOWN),
        (503, b'{"code": 200}', Outcome.UNKNOWN),
    ],
)
def test_a_rest_write_ends_as_its_code_says(status: int, body: bytes, outcome: Outcome) -> None:
    assert frontend().outcome(rest("insert", b"{}"), Reply(status, (), body)) is outcome


def test_rest_is_refused_in_json() -> None:
    said = frontend().refuse(rest("search", b"{}"), Refused("REST is not supported", Reason.UNSUPPORTED))
    assert (said.status, said.body) == (200, b'{"code":65535,"message":"REST is not supported"}')


def test_ids_that_are_no_ids_are_refused() -> None:
    with pytest.raises(Refused):
        frontend().decode(rest("delete", b'{"collectionName": "c", "id": "x"}'), OneCatalog(collection(KEY, VECTOR)))


def test_schema_types_without_a_place_are_refused_by_name() -> None:
    geometry = schema_pb2.FieldSchema(name="g", data_type=schema_pb2.Geometry)
    with pytest.raises(Refused, match="Geometry"):
        collection(KEY, VECTOR, geometry)
