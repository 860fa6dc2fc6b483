"""Point calls of the official client, over REST and gRPC, against the server in a process of its own."""

from __future__ import annotations

from uuid import UUID

import pytest
from qdrant_client import QdrantClient, models
from servers.qdrant import QdrantServer

ONE = UUID("00000000-0000-0000-0000-0000000000ab")
PLANE = models.VectorParams(size=2, distance=models.Distance.DOT)


@pytest.fixture
def plane(client: QdrantClient, name: str) -> str:
    """Points 1, 2, 3 on a line, and a UUID."""
    client.create_collection(name, vectors_config=PLANE)
    points = [models.PointStruct(id=n, vector=[float(n), 1.0], payload={"n": n, "even": n % 2 == 0}) for n in (1, 2, 3)]
    client.upsert(name, [*points, models.PointStruct(id=str(ONE), vector=[0.0, 0.5], payload={"tags": ["a", "b"]})])
    return name


def ids(found: list[models.Record] | list[models.ScoredPoint]) -> list[object]:
    return [point.id for point in found]


def payload(client: QdrantClient, name: str, point: int) -> object:
    return client.retrieve(name, [point])[0].payload


def test_a_point_comes_back_as_it_was_written(client: QdrantClient, plane: str) -> None:
    content = {"t": "é", "i": -(2**63), "f": 0.1, "b": True, "n": None, "l": [1, "x", [2]], "o": {"k": {"d": 1.5}}, "e": {}}
    client.upsert(plane, [models.PointStruct(id=2**64 - 1, vector=[0.15, -2.5], payload=content)])
    (found,) = client.retrieve(plane, [2**64 - 1], with_vectors=True)
    assert found.payload == content
    assert found.vector == pytest.approx([0.15, -2.5])


def test_rest_prints_floats_as_the_shortest_float32(server: QdrantServer, plane: str) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    client.upsert(plane, [models.PointStruct(id=9, vector=[0.15, 0.1])])
    assert client.retrieve(plane, [9], with_vectors=True)[0].vector == [0.15, 0.1]
    client.close()


def test_writes_are_numbered_and_say_whether_they_waited(client: QdrantClient, plane: str) -> None:
    first = client.upsert(plane, [models.PointStruct(id=7, vector=[1, 1])], wait=True)
    second = client.upsert(plane, [models.PointStruct(id=7, vector=[1, 1])], wait=False)
    assert (first.operation_id, first.status) == (1, models.UpdateStatus.COMPLETED)
    assert (second.operation_id, second.status) == (2, models.UpdateStatus.ACKNOWLEDGED)


def test_an_upsert_replaces_the_whole_point_and_the_last_duplicate_wins(client: QdrantClient, plane: str) -> None:
    client.upsert(
        plane,
        [
            models.PointStruct(id=1, vector=[5, 5], payload={"first": True}),
            models.PointStruct(id=1, vector=[6, 6], payload={"last": True}),
        ],
    )
    (found,) = client.retrieve(plane, [1], with_vectors=True)
    assert (found.payload, found.vector) == ({"last": True}, [6.0, 6.0])


def test_a_batch_form_upsert_writes_rows_of_columns(client: QdrantClient, plane: str) -> None:
    client.upsert(plane, models.Batch(ids=[11, 12], vectors=[[1, 2], [3, 4]], payloads=[{"a": 1}, {"a": 2}]))
    found = client.retrieve(plane, [11, 12], with_vectors=True)
    assert [(p.id, p.payload, p.vector) for p in found] == [(11, {"a": 1}, [1.0, 2.0]), (12, {"a": 2}, [3.0, 4.0])]


def test_a_conditional_upsert_leaves_points_that_do_not_match(client: QdrantClient, plane: str) -> None:
    even = models.Filter(must=[models.FieldCondition(key="even", match=models.MatchValue(value=True))])
    points = [models.PointStruct(id=n, vector=[0, 0], payload={"changed": True}) for n in (1, 2, 50)]
    client.upsert(plane, points, update_filter=even)
    assert [point.payload for point in client.retrieve(plane, [1, 2, 50])] == [
        {"n": 1, "even": False},
        {"changed": True},
        {"changed": True},
    ]


@pytest.mark.parametrize(
    ("mode", "kept"), [(models.UpdateMode.INSERT_ONLY, [1, 2, 3, 50]), (models.UpdateMode.UPDATE_ONLY, [1, 2, 3])]
)
def test_an_update_mode_only_inserts_or_only_updates(
    client: QdrantClient, plane: str, mode: models.UpdateMode, kept: list[int]
) -> None:
    client.upsert(plane, [models.PointStruct(id=n, vector=[9, 9]) for n in (1, 50)], update_mode=mode)
    assert ids(client.retrieve(plane, [1, 2, 3, 50])) == kept
    assert payload(client, plane, 1) == ({"n": 1, "even": False} if mode is models.UpdateMode.INSERT_ONLY else {})


def test_points_are_deleted_by_id_and_by_filter(client: QdrantClient, plane: str) -> None:
    client.delete(plane, models.PointIdsList(points=[1, 999]))
    client.delete(plane, models.FilterSelector(filter=models.Filter(must=[models.HasIdCondition(has_id=[str(ONE)])])))
    assert ids(client.scroll(plane)[0]) == [2, 3]


def test_payload_is_merged_replaced_stripped_and_cleared(client: QdrantClient, plane: str) -> None:
    client.set_payload(plane, {"x": 1}, points=[1])
    assert payload(client, plane, 1) == {"n": 1, "even": False, "x": 1}
    client.set_payload(plane, {"y": 2}, points=[1], key="deep")
    client.delete_payload(plane, ["n", "even"], points=[1])
    assert payload(client, plane, 1) == {"x": 1, "deep": {"y": 2}}
    client.overwrite_payload(plane, {"z": 3}, points=models.Filter(must=[models.HasIdCondition(has_id=[1])]))
    assert payload(client, plane, 1) == {"z": 3}
    client.clear_payload(plane, models.PointIdsList(points=[1]))
    assert payload(client, plane, 1) == {}


def test_named_dense_sparse_and_multi_vectors_live_side_by_side(client: QdrantClient, name: str) -> None:
    multi = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    client.create_collection(
        name,
        vectors_config={
            "d": PLANE,
            "m": models.VectorParams(size=2, distance=models.Distance.DOT, multivector_config=multi),
        },
        sparse_vectors_config={"s": models.SparseVectorParams()},
    )
    vectors = {"d": [1.0, 2.0], "m": [[1.0, 0.0], [0.0, 1.0]], "s": models.SparseVector(indices=[7, 3], values=[0.5, 2.0])}
    client.upsert(name, [models.PointStruct(id=1, vector=vectors)])
    (found,) = client.retrieve(name, [1], with_vectors=True)
    assert found.vector == {**vectors, "s": models.SparseVector(indices=[3, 7], values=[2.0, 0.5])}
    assert client.query_points(name, query=[[1.0, 1.0]], using="m").points[0].score == 1.0
    sparse = models.SparseVector(indices=[3], values=[2.0])
    assert client.query_points(name, query=sparse, using="s").points[0].score == 4.0


def test_vectors_are_updated_and_deleted_by_name(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config={"a": PLANE, "b": PLANE})
    client.upsert(name, [models.PointStruct(id=1, vector={"a": [1, 1], "b": [2, 2]})])
    client.update_vectors(name, [models.PointVectors(id=1, vector={"a": [3, 3]})])
    client.delete_vectors(name, ["b"], points=[1])
    assert client.retrieve(name, [1], with_vectors=True)[0].vector == {"a": [3.0, 3.0]}


def test_a_batch_of_operations_applies_them_in_order(client: QdrantClient, plane: str) -> None:
    done = client.batch_update_points(
        plane,
        [
            models.UpsertOperation(upsert=models.PointsList(points=[models.PointStruct(id=20, vector=[1, 1])])),
            models.SetPayloadOperation(set_payload=models.SetPayload(payload={"a": 1, "b": 2}, points=[20])),
            models.DeletePayloadOperation(delete_payload=models.DeletePayload(keys=["b"], points=[20])),
            models.UpdateVectorsOperation(
                update_vectors=models.UpdateVectors(points=[models.PointVectors(id=20, vector=[4, 4])])
            ),
            models.OverwritePayloadOperation(overwrite_payload=models.SetPayload(payload={"o": 1}, points=[2])),
            models.ClearPayloadOperation(clear_payload=models.PointIdsList(points=[3])),
            models.DeleteOperation(delete=models.PointIdsList(points=[1])),
        ],
    )
    assert [result.operation_id for result in done] == [1, 2, 3, 4, 5, 6, 7]
    found = client.retrieve(plane, [1, 2, 3, 20], with_vectors=True)
    assert [(p.id, p.payload, p.vector) for p in found] == [
        (2, {"o": 1}, [2.0, 1.0]),
        (3, {}, [3.0, 1.0]),
        (20, {"a": 1}, [4.0, 4.0]),
    ]


def test_a_scroll_pages_in_the_order_of_ids_integers_before_uuids(client: QdrantClient, plane: str) -> None:
    first, offset = client.scroll(plane, limit=3)
    rest, end = client.scroll(plane, limit=3, offset=offset)
    assert (ids(first), offset, ids(rest), end) == ([1, 2, 3], str(ONE), [str(ONE)], None)


def test_a_scroll_may_be_ordered_by_an_indexed_field(client: QdrantClient, plane: str) -> None:
    client.create_payload_index(plane, "n", models.PayloadSchemaType.INTEGER)
    found, _ = client.scroll(plane, order_by=models.OrderBy(key="n", direction=models.Direction.DESC, start_from=2))
    assert ids(found) == [2, 1]


def test_every_spelling_of_a_uuid_is_one_point(client: QdrantClient, plane: str) -> None:
    for spelling in (str(ONE).upper(), ONE.hex, ONE.urn):
        client.upsert(plane, [models.PointStruct(id=spelling, vector=[1, 1], payload={"as": spelling})])
    assert client.count(plane).count == 4
    assert ids(client.retrieve(plane, [ONE.hex])) == [str(ONE)]


def test_payload_and_vectors_are_selected(client: QdrantClient, plane: str) -> None:
    (some,) = client.retrieve(plane, [1], with_payload=["n"], with_vectors=False)
    (others,) = client.retrieve(plane, [1], with_payload=models.PayloadSelectorExclude(exclude=["n"]))
    (nothing,) = client.retrieve(plane, [1], with_payload=False)
    assert (some.payload, some.vector, others.payload, nothing.payload or {}) == ({"n": 1}, None, {"even": False}, {})


def test_missing_points_are_left_out_and_the_order_of_the_request_is_kept(client: QdrantClient, plane: str) -> None:
    assert ids(client.retrieve(plane, [3, 999, 1, 3])) == [3, 1]


def test_points_are_counted_with_a_filter(client: QdrantClient, plane: str) -> None:
    even = models.Filter(must=[models.FieldCondition(key="even", match=models.MatchValue(value=False))])
    assert (client.count(plane).count, client.count(plane, count_filter=even, exact=True).count) == (4, 2)


def test_values_of_an_indexed_field_are_counted(client: QdrantClient, plane: str) -> None:
    client.create_payload_index(plane, "tags", models.PayloadSchemaType.KEYWORD)
    client.create_payload_index(plane, "even", models.PayloadSchemaType.BOOL)
    assert {(hit.value, hit.count) for hit in client.facet(plane, "tags").hits} == {("a", 1), ("b", 1)}
    assert {(hit.value, hit.count) for hit in client.facet(plane, "even").hits} == {(True, 1), (False, 2)}


def test_cosine_vectors_come_back_at_unit_length(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
    client.upsert(name, [models.PointStruct(id=1, vector=[3.0, 4.0]), models.PointStruct(id=2, vector=[0.0, 0.0])])
    first, second = client.retrieve(name, [1, 2], with_vectors=True)
    assert first.vector == pytest.approx([0.6, 0.8])
    assert second.vector == [0.0, 0.0]


def test_twenty_thousand_points_are_written_found_and_scrolled(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config=models.VectorParams(size=3, distance=models.Distance.EUCLID))
    client.upload_points(
        name, (models.PointStruct(id=n, vector=[float(n), 0, 0], payload={"n": n}) for n in range(20_000)), batch_size=1000
    )
    assert client.count(name).count == 20_000
    nearest = client.query_points(name, query=[12_345.2, 0.0, 0.0], limit=3).points
    assert ids(nearest) == [12_345, 12_346, 12_344]
    assert nearest[0].score == pytest.approx(0.2, abs=1e-2)
    seen: list[object] = []
    offset: models.ExtendedPointId | None = 0
    while offset is not None:
        page, offset = client.scroll(name, limit=5000, offset=offset, with_payload=False)
        seen += ids(page)
    assert seen == list(range(20_000))
