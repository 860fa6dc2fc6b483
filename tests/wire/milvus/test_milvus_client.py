"""pymilvus's ordinary calls, answered by the frontend over the memory backend: nothing of Milvus is behind them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milvus_facade import FacadeServer
from pymilvus import DataType, MilvusClient, MilvusException

from proxy.model.operation import SetLoaded
from proxy.store.catalog import changed

NAME = "things"


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": i, "v": [float(i), 1.0], "n": i % 5, "s": f"s{i}", "j": {"a": i}, "arr": [i, i + 1], "dyn": f"d{i}"}
        for i in range(start, start + count)
    ]


@pytest.fixture
def things(facade: FacadeServer, client: MilvusClient) -> MilvusClient:
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("n", DataType.INT64)
    schema.add_field("s", DataType.VARCHAR, max_length=20)
    schema.add_field("j", DataType.JSON)
    schema.add_field("arr", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8)
    index = client.prepare_index_params()
    index.add_index("v", index_type="HNSW", metric_type="L2", M=8, efConstruction=64)
    client.create_collection(NAME, schema=schema)
    client.create_index(NAME, index, sync=False)
    # as load_collection does, without the half second that it sleeps
    catalog = facade.facade.catalog
    catalog.contents = changed(catalog.contents, SetLoaded(NAME, loaded=True))
    client.insert(NAME, rows(20))
    return client


def test_the_server_says_the_source_s_version(client: MilvusClient) -> None:
    assert client.get_server_version() == "v2.3.5"


def test_a_collection_is_described_as_it_was_created(things: MilvusClient) -> None:
    described = things.describe_collection(NAME)
    assert [field["name"] for field in described["fields"]] == ["id", "v", "n", "s", "j", "arr"]
    assert described["enable_dynamic_field"]
    assert things.has_collection(NAME)
    assert not things.has_collection("other")
    assert things.list_collections() == [NAME]


def test_a_quick_collection_takes_points(client: MilvusClient) -> None:
    client.create_collection("quick", 2)
    assert client.insert("quick", [{"id": 1, "vector": [1.0, 0.0], "a": 1}])["insert_count"] == 1
    (hits,) = client.search("quick", [[1.0, 0.0]], limit=1, output_fields=["a"])
    assert (hits[0]["id"], hits[0]["distance"], hits[0]["entity"]) == (1, pytest.approx(1.0), {"a": 1})


def test_an_index_is_described(things: MilvusClient) -> None:
    assert things.list_indexes(NAME) == ["v"]
    index = things.describe_index(NAME, "v")
    assert (index["index_type"], index["metric_type"], index["M"], index["state"]) == ("HNSW", "L2", "8", "Finished")


def test_another_index_on_a_field_is_refused_as_milvus_does_and_the_same_one_is_not(things: MilvusClient) -> None:
    def create(metric: str) -> None:
        index = things.prepare_index_params()
        index.add_index("v", index_type="HNSW", metric_type=metric, params={"efConstruction": 64, "M": 8})
        things.create_index(NAME, index, sync=False)

    create("L2")
    with pytest.raises(MilvusException, match="at most one distinct index is allowed per field") as refusal:
        create("IP")
    assert refusal.value.code == 65535
    assert things.describe_index(NAME, "v")["metric_type"] == "L2"
    things.drop_index(NAME, "v")
    create("IP")
    assert things.describe_index(NAME, "v")["metric_type"] == "IP"


def test_writes_are_counted_and_named(things: MilvusClient) -> None:
    assert dict(things.upsert(NAME, rows(2)))["upsert_count"] == 2
    assert things.insert(NAME, rows(2, 100))["ids"] == [100, 101]
    assert things.delete(NAME, ids=[100, 101, 999])["delete_count"] == 3
    assert things.delete(NAME, filter="n == 0")["delete_count"] == 4
    assert things.query(NAME, output_fields=["count(*)"])[0] == {"count(*)": 16}


def test_a_query_gives_every_field_back_as_it_was_written(things: MilvusClient) -> None:
    (row,) = things.query(NAME, filter="id == 7", output_fields=["*"])
    assert np.allclose(row.pop("v"), [7.0, 1.0])
    assert row == {"id": 7, "n": 2, "s": "s7", "j": {"a": 7}, "arr": [7, 8], "dyn": "d7"}


def test_a_get_finds_by_id(things: MilvusClient) -> None:
    assert [row["id"] for row in things.get(NAME, [3, 4, 999], output_fields=["s"])] == [3, 4]


def test_queries_page_by_offset(things: MilvusClient) -> None:
    page = things.query(NAME, filter="n < 3", output_fields=["id"], limit=3, offset=2)
    assert [row["id"] for row in page] == [2, 5, 6]


def test_a_search_gives_squared_distances_of_several_vectors(things: MilvusClient) -> None:
    found = things.search(NAME, [[0.0, 1.0], [5.0, 1.0]], limit=2, filter='dyn != "d0"', output_fields=["s", "dyn", "v"])
    assert [[hit["id"] for hit in hits] for hits in found] == [[1, 2], [5, 4]]
    assert [hit["distance"] for hit in found[0]] == [1.0, 4.0]
    assert dict(found[0][0]["entity"]) == {"s": "s1", "dyn": "d1", "v": pytest.approx([1.0, 1.0])}


def test_a_range_search_excludes_its_radius(things: MilvusClient) -> None:
    params = {"metric_type": "L2", "params": {"radius": 9.0, "range_filter": 1.0}}
    (hits,) = things.search(NAME, [[0.0, 1.0]], limit=10, search_params=params)
    assert [(hit["id"], hit["distance"]) for hit in hits] == [(1, 1.0), (2, 4.0)]


def test_a_search_that_finds_nothing_is_empty(things: MilvusClient) -> None:
    assert things.search(NAME, [[0.0, 1.0]], limit=3, filter="n == 77")[0] == []
    assert things.query(NAME, filter="n == 77", output_fields=["*"]) == []


def test_templates_are_filled_in(things: MilvusClient) -> None:
    found = things.query(
        NAME, filter="n in {ns} and s != {text}", filter_params={"ns": [1], "text": "s1"}, output_fields=["id"]
    )
    assert [row["id"] for row in found] == [6, 11, 16]


@pytest.mark.parametrize("own", ["", "n != 4"])
def test_a_query_iterator_gives_each_point_once(things: MilvusClient, own: str) -> None:
    iterator = things.query_iterator(NAME, batch_size=3, filter=own, output_fields=["id"])
    seen = []
    while page := iterator.next():
        seen += [row["id"] for row in page]
    iterator.close()
    assert seen == [i for i in range(20) if not own or i % 5 != 4]


def test_a_search_iterator_gives_each_point_once(things: MilvusClient) -> None:
    params = {"metric_type": "L2", "params": {}}
    iterator = things.search_iterator(NAME, [[0.0, 1.0]], batch_size=4, limit=20, output_fields=["s"], search_params=params)
    seen = []
    while page := iterator.next():
        seen += [hit["id"] for hit in page]
    iterator.close()
    assert seen == list(range(20))


def test_partitions_hold_points_of_their_own(things: MilvusClient) -> None:
    things.create_partition(NAME, "p")
    things.insert(NAME, [{**rows(1)[0], "s": "in p"}], partition_name="p")
    assert things.list_partitions(NAME) == ["_default", "p"]
    assert things.has_partition(NAME, "p")
    assert [row["s"] for row in things.query(NAME, filter="id == 0", partition_names=["p"], output_fields=["s"])] == ["in p"]
    things.delete(NAME, ids=[0], partition_name="p")
    assert [row["s"] for row in things.query(NAME, filter="id == 0", output_fields=["s"])] == ["s0"]
    with pytest.raises(MilvusException, match="partition not found"):
        things.query(NAME, filter="id == 0", partition_names=["q"])


def test_load_states_statistics_and_flush_are_answered(things: MilvusClient) -> None:
    things.flush(NAME)
    assert things.get_collection_stats(NAME) == {"row_count": 20}
    things.release_collection(NAME)
    assert "NotLoad" in str(things.get_load_state(NAME)["state"])
    with pytest.raises(MilvusException, match="collection not loaded") as refused:
        things.query(NAME, filter="id == 0")
    assert refused.value.code == 101
    things.load_collection(NAME)
    assert len(things.query(NAME, filter="id == 0")) == 1


def test_aliases_stand_for_their_collection(things: MilvusClient) -> None:
    things.create_alias(NAME, "other")
    assert things.list_aliases(NAME)["aliases"] == ["other"]
    assert things.describe_alias("other")["collection_name"] == NAME
    assert len(things.query("other", filter="id == 1")) == 1
    things.drop_alias("other")
    with pytest.raises(MilvusException) as refused:
        things.describe_alias("other")
    assert refused.value.code == 1600


def test_collections_are_renamed_and_dropped(things: MilvusClient) -> None:
    things.rename_collection(NAME, "renamed")
    assert things.list_collections() == ["renamed"]
    things.drop_collection("renamed")
    things.drop_collection("renamed")
    assert things.list_collections() == []


def test_what_is_not_there_is_not_found(client: MilvusClient) -> None:
    with pytest.raises(MilvusException, match="collection not found") as refused:
        client.search("nosuch", [[0.0]], limit=1)
    assert refused.value.code == 100


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("grouped search", lambda c: c.search(NAME, [[0.0, 1.0]], limit=2, group_by_field="n")),
        ("arithmetic", lambda c: c.query(NAME, filter="n % 2 == 0")),
        ("CreateUser|CreateCredential", lambda c: c.create_user("u", "Password1!")),
        ("cannot parse expression", lambda c: c.query(NAME, filter="n ==")),
        ("metric type not match", lambda c: c.search(NAME, [[0.0, 1.0]], limit=2, search_params={"metric_type": "IP"})),
        ("dimension mismatch", lambda c: c.search(NAME, [[0.0, 1.0, 2.0]], limit=2)),
        ("dim", lambda c: c.insert(NAME, [{**rows(1)[0], "v": [1.0]}])),
        ("16384", lambda c: c.query(NAME, filter="n > 0", limit=20000)),
        ("max length", lambda c: c.upsert(NAME, [{**rows(1)[0], "s": "é" * 15}])),
    ],
)
def test_what_cannot_be_is_refused_by_name(things: MilvusClient, words: str, call: Any) -> None:
    with pytest.raises(MilvusException, match=words):
        call(things)


def test_a_partial_upsert_keeps_the_rest(things: MilvusClient) -> None:
    things.upsert(NAME, [{"id": 5, "n": 77}], partial_update=True)
    (row,) = things.query(NAME, filter="id == 5", output_fields=["n", "s"])
    assert (row["n"], row["s"]) == (77, "s5")


def test_databases_have_collections_of_their_own(facade: FacadeServer, things: MilvusClient) -> None:
    other = MilvusClient(facade.url, db_name="team")
    other.create_collection("quick", 2)
    assert other.list_collections() == ["quick"]
    assert things.list_collections() == [NAME]
    assert "team/quick" in facade.facade.catalog.collections()
    assert sorted(things.list_databases()) == ["default", "team"]
    other.close()
