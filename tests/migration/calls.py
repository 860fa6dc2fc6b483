"""Ordinary calls of a pymilvus application, in words that all clients from 2.4 on know: `python calls.py URL COLLECTION`.

Prints what each call saw as one JSON object. It runs in the environment of each client version, so it imports nothing of ours.
A call that fails is no end: its error is what it saw.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from pymilvus import DataType, MilvusClient, MilvusException

L2 = {"metric_type": "L2", "params": {"ef": 32}}


class Application:
    """Each step is a method; they run in this order."""

    def __init__(self, url: str, name: str) -> None:
        self.client = MilvusClient(url)
        self.name = name

    def create(self) -> Any:
        schema = self.client.create_schema(enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
        schema.add_field("n", DataType.INT64)
        schema.add_field("s", DataType.VARCHAR, max_length=20)
        schema.add_field("j", DataType.JSON)
        schema.add_field("arr", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8)
        index = self.client.prepare_index_params()
        index.add_index(field_name="v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 64})
        self.client.create_collection(self.name, schema=schema, index_params=index, consistency_level="Strong")
        return self.client.has_collection(self.name), self.name in self.client.list_collections()

    def describe(self) -> Any:
        told = self.client.describe_collection(self.name)
        fields = [[f["name"], int(f["type"]), f["params"]] for f in told["fields"]]
        return fields, told["enable_dynamic_field"], told["auto_id"], told["collection_name"] == self.name

    def describe_index(self) -> Any:
        told = self.client.describe_index(self.name, "v")
        return self.client.list_indexes(self.name), told["index_type"], told["metric_type"], told["field_name"]

    def insert(self) -> Any:
        return self.client.insert(self.name, [row(i) for i in range(1, 10)])["insert_count"]

    def upsert(self) -> Any:
        return self.client.upsert(self.name, [row(2, extra="new"), row(10)])["upsert_count"]

    def wrong_dimension(self) -> Any:
        try:
            return self.client.insert(self.name, [row(11) | {"v": [1.0, 2.0, 3.0]}])
        except MilvusException:
            return "refused, in words of its own"

    def partition(self) -> Any:
        self.client.create_partition(self.name, "p")
        self.client.insert(self.name, [row(100), row(101)], partition_name="p")
        there = self.client.has_partition(self.name, "p"), self.client.has_partition(self.name, "q")
        return there, sorted(self.client.list_partitions(self.name))

    def query_partition(self) -> Any:
        return plain(self.client.query(self.name, filter="id > 0", output_fields=["id"], partition_names=["p"]))

    def delete(self) -> Any:
        self.client.delete(self.name, ids=[7])
        self.client.delete(self.name, filter='s == "s6"')
        self.client.delete(self.name, ids=[101], partition_name="p")
        return plain(self.client.query(self.name, filter="id in [6, 7, 101]", output_fields=["id"]))

    def get(self) -> Any:
        return plain(self.client.get(self.name, [4, 5, 6], output_fields=["arr", "j", "v"]))

    def query_all_fields(self) -> Any:
        return plain(self.client.query(self.name, filter="id == 2", output_fields=["*"]))

    def query_filters(self) -> Any:
        filters = [
            "n in [1, 2] and tag != 't2'",
            "s like 's1%' or id < 3",
            "not (n == 1) and id >= 4",
            "j['a'] > 4",
            "array_contains(arr, 7) and arr[0] == 3",
            "array_length(arr) == 2 and id < 4",
            "json_contains(j['l'], 5)",
            "1 < id <= 4",
            "tag == 't3'",
            "extra == 'new'",
        ]
        return {each: self._ids(each) for each in filters}

    def _ids(self, expression: str) -> Any:
        try:
            return sorted(found["id"] for found in self.client.query(self.name, filter=expression, output_fields=["id"]))
        except MilvusException as error:
            return f"refused: {error.message}"

    def query_arithmetic(self) -> Any:
        return self._ids("n + 1 == 2")

    def query_pages(self) -> Any:
        """Over several partitions Milvus promises no order."""
        one = {"filter": "id > 0", "partition_names": ["_default"]}
        pages = [{"limit": 3}, {"limit": 3, "offset": 3}, {"limit": 100, "offset": 4}]
        return [[found["id"] for found in self.client.query(self.name, **one, **page)] for page in pages]

    def count(self) -> Any:
        found = [self.client.query(self.name, filter=each, output_fields=["count(*)"]) for each in ("", "n == 1")]
        return [plain(each) for each in found]

    def search(self) -> Any:
        given = {"limit": 3, "filter": "n >= 0", "output_fields": ["s", "tag"], "search_params": L2}
        return hits(self.client.search(self.name, [[1.2, 1.0], [5.2, 1.0]], **given))

    def search_offset(self) -> Any:
        return hits(self.client.search(self.name, [[1.2, 1.0]], limit=3, search_params={**L2, "offset": 2}))

    def search_range(self) -> Any:
        ranged = {"metric_type": "L2", "params": {"radius": 10.0, "range_filter": 0.5}}
        return hits(self.client.search(self.name, [[1.2, 1.0]], limit=9, search_params=ranged))

    def search_partition(self) -> Any:
        return hits(self.client.search(self.name, [[1.2, 1.0]], limit=3, search_params=L2, partition_names=["p"]))

    def search_with_vectors(self) -> Any:
        return hits(self.client.search(self.name, [[3.2, 1.0]], limit=1, search_params=L2, output_fields=["*"]))

    def iterate(self) -> Any:
        return self._iterate(partition_names=["_default"])

    def iterate_over_partitions(self) -> Any:
        return self._iterate()

    def _iterate(self, **more: Any) -> Any:
        given = {"batch_size": 3, "output_fields": ["id"], **more}
        if hasattr(self.client, "query_iterator"):
            return all_of(self.client.query_iterator(self.name, filter="id > 0", **given))
        return all_of(self._collection().query_iterator(expr="id > 0", **given))

    def iterate_search(self) -> Any:
        if hasattr(self.client, "search_iterator"):
            pages = self.client.search_iterator(self.name, data=[[1.2, 1.0]], batch_size=4, limit=8, search_params=L2)
        else:
            pages = self._collection().search_iterator([[1.2, 1.0]], "v", L2, batch_size=4, limit=8)
        return all_of(pages)

    def _collection(self) -> Any:
        """The older interface; MilvusClient has no iterators before 2.5."""
        from pymilvus import Collection

        return Collection(self.name, using=self.client._using)

    def alias(self) -> Any:
        alias = f"{self.name}_alias"
        self.client.create_alias(self.name, alias)
        self.client.upsert(alias, [row(12)])
        seen = plain(self.client.query(alias, filter="id == 12", output_fields=["s"]))
        listed = self.client.list_aliases(self.name)["aliases"], self.client.describe_alias(alias)["collection_name"]
        self.client.drop_alias(alias)
        return seen, [each.replace(self.name, "NAME") for each in listed[0]], listed[1] == self.name

    def group(self) -> Any:
        return len(self.client.search(self.name, [[1.2, 1.0]], limit=3, search_params=L2, group_by_field="n")[0]) > 0

    def statistics(self) -> Any:
        self.client.flush(self.name)
        return int(self.client.get_collection_stats(self.name)["row_count"]) > 0

    def load_states(self) -> Any:
        before = str(self.client.get_load_state(self.name)["state"])
        self.client.release_collection(self.name)
        released = str(self.client.get_load_state(self.name)["state"])
        self.client.load_collection(self.name)
        return before, released, str(self.client.get_load_state(self.name)["state"])

    def missing_collection(self) -> Any:
        return self.client.has_collection("nowhere"), self.client.query("nowhere", filter="id > 0")

    def drop_partition(self) -> Any:
        self.client.release_collection(self.name)
        self.client.drop_partition(self.name, "p")
        return self.client.list_partitions(self.name)

    def rename(self) -> Any:
        self.client.rename_collection(self.name, f"{self.name}_renamed")
        self.client.rename_collection(f"{self.name}_renamed", self.name)
        return self.client.has_collection(self.name)

    def drop(self) -> Any:
        self.client.drop_collection(self.name)
        return self.client.has_collection(self.name)


STEPS: tuple[Callable[[Application], Any], ...] = tuple(
    step for name, step in vars(Application).items() if not name.startswith("_")
)


def row(number: int, **more: Any) -> dict[str, Any]:
    scalars = {"id": number, "n": number % 3, "s": f"s{number}", "tag": f"t{number}"}
    return {**scalars, "v": [float(number), 1.0], "j": {"a": number, "l": [number, 0]}, "arr": [number, 7], **more}


def plain(found: Any) -> list[dict[str, Any]]:
    rows = [{key: clean(value) for key, value in sorted(each.items())} for each in found]
    return sorted(rows, key=lambda each: each.get("id", 0))


def clean(value: Any) -> Any:
    """Numpy's numbers and protobuf's lists as Python's; floats as far as 32 bits carry."""
    if isinstance(value, str | bool | dict | int | None):
        return value
    return round(float(value), 4) if hasattr(value, "__float__") else [clean(each) for each in value]


def hits(found: Any) -> Any:
    return [[(hit["id"], clean(hit["distance"]), plain([hit["entity"]])) for hit in each] for each in found]


def all_of(pages: Any) -> list[int]:
    seen: list[int] = []
    while page := pages.next():
        seen += [each["id"] for each in page] if isinstance(page, list) else list(page.ids())
    pages.close()
    return seen


def main(url: str, name: str) -> None:
    application = Application(url, name)
    saw: dict[str, Any] = {}
    for step in STEPS:
        try:
            saw[step.__name__] = step(application)
        except MilvusException as error:
            saw[step.__name__] = f"refused: {error.message}"
    print(json.dumps(saw))


if __name__ == "__main__":
    main(*sys.argv[1:])
