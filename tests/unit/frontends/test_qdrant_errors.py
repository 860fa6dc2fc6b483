from __future__ import annotations

from typing import Any

import orjson
import pytest
from qdrant_client import grpc as pb

from proxy.errors import AlreadyExists, Broken, NotFound, ProxyError, Reason, Refused, Throttled, Unavailable, Uncertain
from proxy.frontends import grpc
from proxy.frontends.qdrant.errors import is_error, outcome, refusal
from proxy.ports import Outcome, Reply, Request

POINTS = b"/collections/c/points"
A, R, U = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNKNOWN


def rest(method: bytes = b"PUT", path: bytes = POINTS) -> Request:
    return Request(method, path + b"?wait=true", (), b"{}")


def call(method: str) -> Request:
    return Request(b"POST", f"/qdrant.{method}".encode(), (), grpc.framed(b""))


def said(status: int, text: str) -> Reply:
    return Reply(status, (), orjson.dumps({"status": {"error": text}, "time": 0.1}))


def done(result: Any) -> Reply:
    return Reply(200, (), orjson.dumps({"result": result, "status": "ok", "time": 0.1}))


def updated(status: Any) -> Reply:
    return grpc.succeeded(pb.PointsOperationResponse(result=pb.UpdateResult(status=status)).SerializeToString())


# ---- refusals ----


@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (Refused("bad"), 400, grpc.Code.INVALID_ARGUMENT, "Wrong input: bad"),
        (NotFound("Collection `c` doesn't exist!"), 404, grpc.Code.NOT_FOUND, "Not found: Collection `c` doesn't exist!"),
        (AlreadyExists("there"), 409, grpc.Code.ALREADY_EXISTS, "Wrong input: there"),
        (Refused("no", Reason.UNSUPPORTED), 400, grpc.Code.INVALID_ARGUMENT, "Bad request: no"),
        (Refused("who", Reason.UNAUTHENTICATED), 401, grpc.Code.UNAUTHENTICATED, "who"),
        (Refused("not you", Reason.FORBIDDEN), 403, grpc.Code.PERMISSION_DENIED, "Forbidden: not you"),
        (Unavailable("away"), 503, grpc.Code.UNAVAILABLE, "Service unavailable: away"),
        (Uncertain("maybe"), 503, grpc.Code.UNAVAILABLE, "Service unavailable: maybe"),
        (Broken("ours"), 500, grpc.Code.INTERNAL, "Service internal error: ours"),
    ],
)
def test_an_error_is_said_in_qdrants_own_words_and_codes(error: ProxyError, status: int, code: grpc.Code, text: str) -> None:
    over_rest, over_grpc = refusal(rest(), error), refusal(call("Points/Upsert"), error)
    assert (over_rest.status, orjson.loads(over_rest.body)["status"]) == (status, {"error": text})
    assert grpc.status_of(over_grpc) == (code, text)


@pytest.mark.parametrize(("asked", "told"), [(7.4, b"7"), (0.1, b"1"), (None, b"1")])
def test_who_asks_for_patience_says_for_how_long(asked: float | None, told: bytes) -> None:
    for request in (rest(), call("Points/Upsert")):
        assert (b"retry-after", told) in refusal(request, Throttled("slow down", asked)).headers


# ---- outcomes ----


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (done({"operation_id": 1, "status": "completed"}), A),
        (done({"operation_id": 1, "status": "acknowledged"}), U),
        (done({"operation_id": None, "status": "wait_timeout"}), U),
        (said(400, "Wrong input: Vector dimension error: expected dim: 2, got 3"), R),
        (said(404, "Not found: Collection `c` doesn't exist!"), R),
        (said(422, "Validation error in JSON body: []"), R),
        (Reply(401, (), b"Must provide an API key"), R),
        (said(408, "Timeout error"), U),
        (said(429, "Rate limiting exceeded"), R),
        (said(500, "Service internal error"), U),
        (said(503, "Shards are unavailable"), U),
        (Reply(200, (), b"cut off"), U),
        (Reply(202, (), b"{}"), U),
    ],
)
def test_the_outcome_of_an_upsert_over_rest(reply: Reply, expected: Outcome) -> None:
    assert outcome(rest(), reply) is expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (updated(pb.UpdateStatus.Completed), A),
        (updated(pb.UpdateStatus.Acknowledged), U),
        (updated(pb.UpdateStatus.ClockRejected), U),
        (grpc.failed(grpc.Code.INVALID_ARGUMENT, "Wrong input: x"), R),
        (grpc.failed(grpc.Code.NOT_FOUND, "Not found: Collection `c` doesn't exist!"), R),
        (grpc.failed(grpc.Code.UNAVAILABLE, "x"), U),
        (grpc.failed(grpc.Code.DEADLINE_EXCEEDED, "x"), U),
        (grpc.failed(grpc.Code.INTERNAL, "x"), U),
        (grpc.failed(grpc.Code.RESOURCE_EXHAUSTED, "no space left"), U),
        (Reply(503, (), b""), U),
        (Reply(200, (), b"", ((b"grpc-status", b"0"),)), U),
    ],
)
def test_the_outcome_of_an_upsert_over_grpc(reply: Reply, expected: Outcome) -> None:
    assert outcome(call("Points/Upsert"), reply) is expected


def test_a_rate_limit_over_grpc_is_a_refusal() -> None:
    limited = grpc.failed(grpc.Code.RESOURCE_EXHAUSTED, "Rate limiting exceeded")
    limited = Reply(200, (*limited.headers, (b"retry-after", b"3")), b"")
    assert outcome(call("Points/Upsert"), limited) is R
    assert outcome(call("Points/UpdateBatch"), limited) is U  # some of the operations may have come before it


MISSING = "Not found: No point with id 5000 found"


@pytest.mark.parametrize("path", [b"/payload", b"/payload/delete", b"/payload/clear", b"/vectors/delete"])
def test_a_missing_point_leaves_the_others_changed(path: bytes) -> None:
    assert outcome(rest(b"POST", POINTS + path), said(404, MISSING)) is U
    assert outcome(rest(b"POST", POINTS + path), said(404, "Not found: Collection `c` doesn't exist!")) is R
    assert outcome(rest(b"POST", POINTS + path), said(400, "Wrong input: x")) is R


@pytest.mark.parametrize("method", ["SetPayload", "OverwritePayload", "DeletePayload", "UpdateVectors", "DeleteVectors"])
def test_a_missing_point_leaves_the_others_changed_over_grpc(method: str) -> None:
    assert outcome(call(f"Points/{method}"), grpc.failed(grpc.Code.NOT_FOUND, MISSING)) is U


def test_a_batch_that_fails_may_have_begun() -> None:
    batch = rest(b"POST", POINTS + b"/batch")
    assert outcome(batch, said(400, "Wrong input: Vector dimension error")) is U
    assert outcome(batch, said(429, "Rate limiting exceeded")) is U
    assert outcome(batch, said(404, MISSING)) is U
    assert outcome(batch, said(400, "Format error in JSON body: x")) is R
    assert outcome(batch, said(404, "Not found: Collection `c` doesn't exist!")) is R
    assert outcome(batch, done([{"status": "completed"}, {"status": "acknowledged"}])) is U
    assert outcome(batch, done([{"status": "completed"}] * 2)) is A
    assert outcome(call("Points/UpdateBatch"), grpc.failed(grpc.Code.INVALID_ARGUMENT, "Wrong input: x")) is U


def test_changes_of_collections() -> None:
    create, delete = rest(b"PUT", b"/collections/c"), rest(b"DELETE", b"/collections/c")
    assert outcome(create, done(True)) is A
    assert outcome(create, said(409, "Wrong input: Collection `c` already exists!")) is R
    assert outcome(delete, done(False)) is R  # there was none
    answer = pb.CollectionOperationResponse
    assert outcome(call("Collections/Create"), grpc.succeeded(answer(result=True).SerializeToString())) is A
    assert outcome(call("Collections/Delete"), grpc.succeeded(answer(result=False).SerializeToString())) is R


def test_an_index_is_there_when_it_is_acknowledged() -> None:
    assert outcome(rest(b"PUT", b"/collections/c/index"), done({"status": "acknowledged"})) is A
    assert outcome(call("Points/CreateFieldIndex"), updated(pb.UpdateStatus.Acknowledged)) is A


BATCHED = grpc.succeeded(pb.QueryBatchResponse(result=[pb.BatchResult()]).SerializeToString())


@pytest.mark.parametrize(
    ("request_", "reply", "expected"),
    [
        (rest(), done({"points": []}), False),
        (rest(), said(404, "Not found: Collection `c` doesn't exist!"), True),
        (rest(), said(503, "Shards are unavailable"), True),
        (call("Points/Query"), grpc.succeeded(pb.QueryResponse().SerializeToString()), False),
        (
            call("Points/QueryBatch"),
            grpc.succeeded(pb.QueryBatchResponse(result=[pb.BatchResult()]).SerializeToString()),
            False,
        ),
        (call("Points/Query"), grpc.failed(grpc.Code.UNAVAILABLE, "x"), True),
    ],
)
def test_which_reply_to_a_read_is_an_error(request_: Request, reply: Reply, expected: bool) -> None:
    assert is_error(request_, reply) is expected
