"""What the local Pinecone server means by its calls. Its two protocols: tests/passthrough, with the official client."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode

from proxy.local.pinecone.calls import CALLS, run
from proxy.local.pinecone.errors import Fault
from proxy.local.pinecone.filters import matches
from proxy.local.pinecone.records import Records, Traits


def called(records: Records, call: str, /, **request: Any) -> dict[str, Any]:
    reply, _ = run(records, call, ParseDict(request, CALLS[call].request()))
    return dict(MessageToDict(reply))


@pytest.fixture
def records() -> Records:
    """Five points on a line, in the default namespace."""
    found = Records(Traits(2, "cosine", "dense"))
    vectors = [{"id": f"v{n}", "values": [1, n], "metadata": {"n": n, "tags": ["x", f"t{n}"]}} for n in range(5)]
    called(found, "Upsert", vectors=vectors)
    return found


RECORD = {"n": 3.0, "t": "a", "flag": True, "tags": ["x", "y"]}


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        ({}, True),
        ({"n": 3.0}, True),
        ({"n": {"$gte": 3.0, "$lt": 4.0}}, True),
        ({"n": {"$gt": 3.0}}, False),
        ({"t": "a", "n": 4.0}, False),
        ({"$or": [{"t": "b"}, {"n": {"$lte": 3.0}}]}, True),
        ({"$and": [{"t": "a"}, {"flag": False}]}, False),
        ({"t": {"$in": ["a", "b"]}}, True),
        ({"t": {"$nin": ["a", "b"]}}, False),
        ({"tags": "x"}, True),
        ({"tags": {"$ne": "x"}}, False),
        ({"tags": {"$in": ["z", "y"]}}, True),
        ({"gone": {"$ne": 1.0}}, False),
        ({"gone": {"$nin": [1.0]}}, False),
        ({"gone": {"$exists": False}}, True),
        ({"n": {"$exists": True}}, True),
        ({"flag": 1.0}, False),
        ({"t": {"$gt": 1.0}}, False),
    ],
)
def test_a_filter_matches_as_pinecones(tree: dict[str, Any], found: bool) -> None:
    assert matches(tree, RECORD) is found


@pytest.mark.parametrize("tree", [{"n": {"$like": "x"}}, {"$not": []}, {"n": {"$in": 3.0}}])
def test_what_is_no_filter_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(Fault):
        matches(tree, RECORD)


@pytest.mark.parametrize(
    ("metric", "order"), [("cosine", ["a", "c", "b"]), ("dotproduct", ["b", "a", "c"]), ("euclidean", ["a", "c", "b"])]
)
def test_the_nearest_comes_first_by_each_metric(metric: str, order: list[str]) -> None:
    records = Records(Traits(2, metric, "dense"))
    points = {"a": [1, 0], "b": [3, 9], "c": [0.9, 1]}
    called(records, "Upsert", vectors=[{"id": name, "values": values} for name, values in points.items()])
    assert [hit["id"] for hit in called(records, "Query", topK=3, vector=[1, 0])["matches"]] == order


def test_a_sparse_part_counts_in_a_dot_product_and_is_refused_elsewhere() -> None:
    records = Records(Traits(2, "dotproduct", "dense"))
    sparse = {"indices": [7, 9], "values": [1, 2]}
    called(records, "Upsert", vectors=[{"id": "s", "values": [1, 1], "sparseValues": sparse}, {"id": "d", "values": [2, 2]}])
    asked = {"vector": [1, 1], "sparseVector": {"indices": [9], "values": [3]}, "topK": 2}
    assert [(hit["id"], hit["score"]) for hit in called(records, "Query", **asked)["matches"]] == [("s", 8.0), ("d", 4.0)]
    records.traits = Traits(2, "cosine", "dense")
    with pytest.raises(Fault, match="sparse"):
        called(records, "Query", **asked)


def test_an_upsert_replaces_the_whole_record_and_an_update_merges(records: Records) -> None:
    called(records, "Update", id="v1", setMetadata={"new": "yes"})
    assert called(records, "Fetch", ids=["v1"])["vectors"]["v1"]["metadata"] == {"n": 1, "tags": ["x", "t1"], "new": "yes"}
    called(records, "Upsert", vectors=[{"id": "v1", "values": [9, 9]}])
    assert called(records, "Fetch", ids=["v1"])["vectors"]["v1"] == {"id": "v1", "values": [9, 9]}
    assert called(records, "Update", id="nobody", setMetadata={"new": "yes"}) == {}
    assert called(records, "Fetch", ids=["nobody"]) == {"usage": {"readUnits": 1}}


def test_an_update_by_filter_can_be_tried_first(records: Records) -> None:
    asked = {"filter": {"n": {"$gt": 2}}, "setMetadata": {"late": True}}
    assert called(records, "Update", dryRun=True, **asked) == {"matchedRecords": 2}
    assert "vectors" not in called(records, "FetchByMetadata", filter={"late": True})
    assert called(records, "Update", **asked) == {"matchedRecords": 2}
    assert set(called(records, "FetchByMetadata", filter={"late": True})["vectors"]) == {"v3", "v4"}


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"ids": ["v0", "nobody"]}, 4),
        ({"filter": {"n": {"$lt": 2}}}, 3),
        ({"deleteAll": True}, 0),
        ({"deleteAll": True, "namespace": "__default__"}, 0),
        ({"deleteAll": True, "namespace": "other"}, 5),
    ],
)
def test_a_delete_takes_what_it_names(records: Records, asked: dict[str, Any], left: int) -> None:
    called(records, "Delete", **asked)
    assert called(records, "DescribeIndexStats").get("totalVectorCount", 0) == left


def test_pages_of_ids_end_without_a_pagination(records: Records) -> None:
    """A page that is the last one and had an empty pagination would make older clients list for ever."""
    first = called(records, "List", limit=3)
    assert [item["id"] for item in first["vectors"]] == ["v0", "v1", "v2"]
    last = called(records, "List", limit=3, paginationToken=first["pagination"]["next"])
    assert [item["id"] for item in last["vectors"]] == ["v3", "v4"]
    assert "pagination" not in last
    assert "vectors" not in called(records, "List", prefix="w")


def test_namespaces_come_with_the_first_record_and_go_when_asked(records: Records) -> None:
    called(records, "Upsert", vectors=[{"id": "a", "values": [1, 1]}], namespace="n")
    called(records, "CreateNamespace", name="empty")
    listed = called(records, "ListNamespaces")["namespaces"]
    assert listed == [{"name": "__default__", "recordCount": "5"}, {"name": "empty"}, {"name": "n", "recordCount": "1"}]
    called(records, "DeleteNamespace", namespace="n")
    with pytest.raises(Fault) as gone:
        called(records, "DescribeNamespace", namespace="n")
    assert gone.value.kind.grpc is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "request_", "says"),
    [
        ("Upsert", {"vectors": []}, "1 to 1000"),
        ("Upsert", {"vectors": [{"id": "a", "values": [1]}]}, "dimension 1 does not match the dimension of the index 2"),
        ("Upsert", {"vectors": [{"id": "a", "values": [0, 0]}]}, "non-zero"),
        ("Upsert", {"vectors": [{"id": "a"}]}, "must have values"),
        ("Upsert", {"vectors": [{"values": [1, 1]}]}, "ID must not be empty"),
        ("Query", {"topK": 0, "vector": [1, 1]}, "top_k"),
        ("Query", {"topK": 1, "vector": [1, 1], "id": "v1"}, "both"),
        ("List", {"limit": 101}, "limit"),
        ("Delete", {"deleteAll": True, "ids": ["v1"]}, "delete_all"),
        ("Delete", {"filter": {}}, "empty metadata filter"),
        ("FetchByMetadata", {"filter": {}}, "Empty filter"),
    ],
)
def test_a_wrong_call_is_refused_and_changes_nothing(records: Records, name: str, request_: dict[str, Any], says: str) -> None:
    with pytest.raises(Fault, match=says):
        called(records, name, **request_)
    assert called(records, "DescribeIndexStats")["totalVectorCount"] == 5
