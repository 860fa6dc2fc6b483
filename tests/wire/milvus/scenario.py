"""An ordinary pymilvus application, in the words that all clients from 2.4 on know; prints what it saw as JSON.

Run by record.py in the environment of each client version: `python scenario.py URL`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pymilvus import DataType, MilvusClient

NAME = "books"


def rows(*ids: int) -> list[dict[str, Any]]:
    return [
        {"id": i, "v": [float(i), 1.0], "n": i % 3, "s": f"s{i}", "j": {"a": i}, "arr": [i, 7], "tag": f"t{i}"} for i in ids
    ]


def run(url: str) -> dict[str, Any]:
    client = MilvusClient(url)
    saw: dict[str, Any] = {}
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("n", DataType.INT64)
    schema.add_field("s", DataType.VARCHAR, max_length=20)
    schema.add_field("j", DataType.JSON)
    schema.add_field("arr", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8)
    index = client.prepare_index_params()
    index.add_index(field_name="v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 64})
    client.create_collection(NAME, schema=schema, index_params=index, consistency_level="Strong")
    saw["created"] = NAME in client.list_collections()
    saw["fields"] = [field["name"] for field in client.describe_collection(NAME)["fields"]]
    saw["indexes"] = client.list_indexes(NAME)
    saw["insert"] = client.insert(NAME, rows(1, 2, 3, 4, 5, 6, 7))["insert_count"]
    saw["upsert"] = client.upsert(NAME, rows(2))["upsert_count"]
    client.create_partition(NAME, "p")
    client.insert(NAME, rows(1), partition_name="p")
    client.delete(NAME, ids=[7])
    client.delete(NAME, filter='s == "s6"')
    client.delete(NAME, ids=[1], partition_name="p")
    saw["query"] = _plain(client.query(NAME, filter='n in [1, 2] and tag != "t2"', output_fields=["s", "tag"]))
    saw["every field"] = _plain(client.query(NAME, filter="id == 3", output_fields=["*"]))
    saw["get"] = _plain(client.get(NAME, [4, 5], output_fields=["arr", "j"]))
    saw["count"] = _plain(client.query(NAME, filter="", output_fields=["count(*)"]))
    search = {"metric_type": "L2", "params": {"ef": 32}}
    found = client.search(NAME, [[1.0, 1.0], [5.0, 1.0]], limit=2, filter="n >= 0", output_fields=["s"], search_params=search)
    saw["search"] = [[[hit["id"], hit["distance"], hit["entity"]["s"]] for hit in hits] for hits in found]
    ranged = {"metric_type": "L2", "params": {"radius": 10.0, "range_filter": 1.0}}
    (hits,) = client.search(NAME, [[1.0, 1.0]], limit=9, search_params=ranged)
    saw["range"] = [[hit["id"], hit["distance"]] for hit in hits]
    client.create_alias(NAME, "shelf")
    saw["alias"] = _plain(client.query("shelf", filter="id == 1", output_fields=["id"]))
    client.drop_alias("shelf")
    saw["iterator"] = _iterated(client)
    client.flush(NAME)
    saw["stats"] = int(client.get_collection_stats(NAME)["row_count"])
    client.release_collection(NAME)
    client.drop_partition(NAME, "p")
    saw["partitions"] = client.list_partitions(NAME)
    client.load_collection(NAME)
    saw["load state"] = str(client.get_load_state(NAME)["state"])
    client.rename_collection(NAME, "novels")
    client.drop_collection("novels")
    saw["dropped"] = "novels" not in client.list_collections()
    client.close()
    return saw


def _plain(found: Any) -> list[dict[str, Any]]:
    return [
        {key: [float(x) for x in value] if key == "v" else list(value) if key == "arr" else value for key, value in row.items()}
        for row in found
    ]


def _iterated(client: MilvusClient) -> list[int]:
    """MilvusClient has no iterator before 2.5, the older interface has had one since 2.3."""
    if hasattr(client, "query_iterator"):
        iterator = client.query_iterator(
            NAME, batch_size=2, filter="id > 0", output_fields=["id"], partition_names=["_default"]
        )
    else:
        from pymilvus import Collection

        iterator = Collection(NAME, using=client._using).query_iterator(
            batch_size=2, expr="id > 0", output_fields=["id"], partition_names=["_default"]
        )
    seen: list[int] = []
    while page := iterator.next():
        seen += [row["id"] for row in page]
    iterator.close()
    return seen


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
