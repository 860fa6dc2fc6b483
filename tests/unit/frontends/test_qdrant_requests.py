"""Requests that the official client does not send, or no longer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pytest
from fakes.plain_parts import PlainCatalog
from qdrant_client import grpc as pb
from qdrant_client import models as m

from proxy.clock import SystemClock
from proxy.errors import NotFound, Reason, Refused
from proxy.frontends import grpc
from proxy.frontends.qdrant.calls import KindRefusal
from proxy.frontends.qdrant.decode_schema import created
from proxy.frontends.qdrant.frontend import QdrantFrontend
from proxy.frontends.qdrant.ids import point_id
from proxy.model.edit import ReplacePayload
from proxy.model.operation import Batch, Edit, Patch, Put, Remove, Write
from proxy.model.point import Point, Sparse
from proxy.ports import Request

VECTORS = {
    "d": m.VectorParams(size=2, distance=m.Distance.DOT),
    "many": m.VectorParams(
        size=2, distance=m.Distance.DOT, multivector_config=m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)
    ),
}
SCHEMA = created("c", m.CreateCollection(vectors=dict(VECTORS), sparse_vectors={"s": m.SparseVectorParams()}))
FRONTEND = QdrantFrontend(SystemClock())
CATALOG = PlainCatalog([SCHEMA])
ONE = UUID("6e2a1c3b-0000-4000-8000-00000000000a")


def rest(body: Any, path: str = "points", method: bytes = b"PUT") -> Write:
    return decoded(Request(method, f"/collections/c/{path}".encode(), (), orjson.dumps(body)))


def over_grpc(method: str, message: Any) -> Write:
    return decoded(Request(b"POST", f"/qdrant.Points/{method}".encode(), (), grpc.framed(message.SerializeToString())))


def decoded(request: Request) -> Write:
    operation = FRONTEND.decode(request, CATALOG)
    assert isinstance(operation, Write)
    return operation


def points(write: Write) -> list[Point]:
    assert isinstance(write, (Put, Patch))
    return list(write.points)


@pytest.mark.parametrize("raw", [str(ONE), str(ONE).upper(), ONE.hex, f"urn:uuid:{ONE}"])
def test_every_spelling_of_a_uuid_is_one_id(raw: str) -> None:
    assert point_id(raw) == ONE


@pytest.mark.parametrize("raw", [-1, 2**64, "1", "", "x" * 36, "{" + str(ONE) + "}", str(ONE)[:-1], "-" * 32])
def test_what_is_no_id_is_refused(raw: Any) -> None:
    with pytest.raises(KindRefusal, match="is not a valid point ID"):
        point_id(raw)


def test_the_largest_number_is_an_id() -> None:
    assert point_id(2**64 - 1) == 2**64 - 1


def test_vectors_in_the_form_of_older_clients() -> None:
    vectors = {
        "d": pb.Vector(data=[1, 2]),
        "many": pb.Vector(data=[1, 2, 3, 4], vectors_count=2),
        "s": pb.Vector(data=[0.5, 0.25], indices=pb.SparseIndices(data=[7, 3])),
    }
    struct = pb.PointStruct(id=pb.PointId(num=1), vectors=pb.Vectors(vectors=pb.NamedVectors(vectors=vectors)))
    (point,) = points(over_grpc("Upsert", pb.UpsertPoints(collection_name="c", points=[struct])))
    sparse = point.vectors["s"]
    assert isinstance(sparse, Sparse)
    assert (sparse.indices.tolist(), sparse.values.tolist()) == ([3, 7], [0.25, 0.5])
    assert np.asarray(point.vectors["d"]).tolist() == [1, 2]
    assert np.asarray(point.vectors["many"]).tolist() == [[1, 2], [3, 4]]


def test_a_vector_of_what_json_lacks_stays_so_over_grpc() -> None:
    vector = pb.Vector(dense=pb.DenseVector(data=[float("nan"), float("inf")]))
    struct = pb.PointStruct(id=pb.PointId(num=1), vectors=pb.Vectors(vectors=pb.NamedVectors(vectors={"d": vector})))
    (point,) = points(over_grpc("Upsert", pb.UpsertPoints(collection_name="c", points=[struct])))
    np.testing.assert_array_equal(np.asarray(point.vectors["d"]), [np.nan, np.inf])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_payload_that_no_json_can_hold_is_refused_over_grpc(number: float) -> None:
    value = pb.Value(list_value=pb.ListValue(values=[pb.Value(double_value=number)]))
    struct = pb.PointStruct(id=pb.PointId(num=1), payload={"x": value})
    with pytest.raises(Refused, match="json number"):
        over_grpc("Upsert", pb.UpsertPoints(collection_name="c", points=[struct]))
    ids = pb.PointsSelector(points=pb.PointsIdsList(ids=[pb.PointId(num=1)]))
    with pytest.raises(Refused, match="json number"):
        over_grpc("SetPayload", pb.SetPayloadPoints(collection_name="c", payload={"x": value}, points_selector=ids))


def test_nan_is_no_json() -> None:
    with pytest.raises(KindRefusal):
        decoded(Request(b"PUT", b"/collections/c/points", (), b'{"points":[{"id":1,"vector":{"d":[NaN,1]}}]}'))


@pytest.mark.parametrize(
    "vector", [pb.Vector(data=[1, 2], vectors_count=0), pb.Vector(data=[1, 2, 3], vectors_count=2), pb.Vector(data=[1])]
)
def test_a_vector_that_makes_no_sense_is_refused(vector: Any) -> None:
    struct = pb.PointStruct(id=pb.PointId(num=1), vectors=pb.Vectors(vectors=pb.NamedVectors(vectors={"many": vector})))
    with pytest.raises(Refused):
        over_grpc("Upsert", pb.UpsertPoints(collection_name="c", points=[struct]))


def test_messages_that_say_nothing_are_refused() -> None:
    for method, message in (
        ("Upsert", pb.UpsertPoints(collection_name="c", points=[pb.PointStruct()])),
        ("Delete", pb.DeletePoints(collection_name="c")),
        ("UpdateBatch", pb.UpdateBatchPoints(collection_name="c", operations=[pb.PointsUpdateOperation()])),
        ("CreateFieldIndex", pb.CreateFieldIndexCollection(collection_name="c", field_name="x")),
        ("CreateVectorName", pb.CreateVectorNameRequest(collection_name="c", vector_name="x")),
    ):
        with pytest.raises(Refused):
            over_grpc(method, message)


def test_bytes_that_are_no_message_are_refused() -> None:
    for body in (b"", b"\0", grpc.framed(b"\xff\xff\xff")):
        with pytest.raises(Refused):
            decoded(Request(b"POST", b"/qdrant.Points/Upsert", (), body))
        assert FRONTEND.collection(Request(b"POST", b"/qdrant.Points/Upsert", (), body), CATALOG) == ""


def test_the_deprecated_operations_of_a_batch() -> None:
    ids = pb.PointsSelector(points=pb.PointsIdsList(ids=[pb.PointId(num=1)]))
    operations = [pb.PointsUpdateOperation(delete_deprecated=ids), pb.PointsUpdateOperation(clear_payload_deprecated=ids)]
    write = over_grpc("UpdateBatch", pb.UpdateBatchPoints(collection_name="c", operations=operations))
    assert isinstance(write, Batch)
    removal, clearing = write.writes
    assert isinstance(removal, Remove)
    assert isinstance(clearing, Edit)
    assert isinstance(clearing.change, ReplacePayload)


def test_shard_keys_are_refused_by_name() -> None:
    selector = pb.ShardKeySelector(shard_keys=[pb.ShardKey(keyword="a")])
    struct = pb.PointStruct(id=pb.PointId(num=1))
    upsert = pb.UpsertPoints(collection_name="c", points=[struct], shard_key_selector=selector)
    ids = pb.PointsSelector(points=pb.PointsIdsList(ids=[pb.PointId(num=1)]))
    inner = pb.PointsUpdateOperation.DeletePoints(points=ids, shard_key_selector=selector)
    batch = pb.UpdateBatchPoints(collection_name="c", operations=[pb.PointsUpdateOperation(delete_points=inner)])
    for ask in (
        lambda: over_grpc("Upsert", upsert),
        lambda: over_grpc("UpdateBatch", batch),
        lambda: rest({"points": [{"id": 1, "vector": {}}], "shard_key": "a"}),
        lambda: rest({"points": [1], "shard_key": "a"}, "points/delete", b"POST"),
    ):
        with pytest.raises(Refused, match="shard keys") as refused:
            ask()
        assert refused.value.reason is Reason.UNSUPPORTED


def test_vectors_that_the_server_would_make_are_refused_by_name() -> None:
    with pytest.raises(Refused, match="Document") as refused:
        rest({"points": [{"id": 1, "vector": {"d": {"text": "hello", "model": "m"}}}]})
    assert refused.value.reason is Reason.UNSUPPORTED


def test_what_a_newer_client_may_send_is_refused_and_not_guessed() -> None:
    with pytest.raises(KindRefusal):
        rest({"points": [{"id": 1, "vector": {}}], "unheard_of": 1})


def test_ids_come_before_a_filter_where_a_request_has_both() -> None:
    write = rest({"payload": {"a": 1}, "points": [1], "filter": {}}, "points/payload", b"POST")
    assert isinstance(write, Edit)
    assert [key.id for key in write.keys] == [1]


def test_a_write_without_points_and_filter_is_refused_as_qdrant_does() -> None:
    with pytest.raises(KindRefusal, match="Either list of point ids or filter must be provided"):
        rest({"payload": {"a": 1}}, "points/payload", b"POST")


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(KindRefusal, match="number of ids"):
        rest({"batch": {"ids": [1, 2], "vectors": {"d": [[1, 2]]}}})
    with pytest.raises(KindRefusal, match="number of ids"):
        rest({"batch": {"ids": [1], "vectors": {"d": [[1, 2]]}, "payloads": [{}, {}]}})


def test_a_collection_that_is_not_there_is_said_so_as_qdrant_does() -> None:
    with pytest.raises(NotFound, match="Collection `x` doesn't exist!"):
        decoded(Request(b"PUT", b"/collections/x/points", (), b'{"points":[{"id":1,"vector":{}}]}'))
