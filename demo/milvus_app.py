"""The sample application on Milvus: an ordinary pymilvus program. What it does all day: work.py."""

from __future__ import annotations

from typing import Any

from pymilvus import DataType, MilvusClient, MilvusException

from demo.work import COLLECTION, DIM, LIMIT, main


class MilvusDigits:
    errors = (MilvusException,)

    def __init__(self, uri: str) -> None:
        self._client = MilvusClient(uri=uri)

    def create(self) -> None:
        schema = self._client.create_schema(enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("pixels", DataType.FLOAT_VECTOR, dim=DIM)
        schema.add_field("label", DataType.INT64)
        schema.add_field("ink", DataType.FLOAT)
        schema.add_field("name", DataType.VARCHAR, max_length=64)
        index = self._client.prepare_index_params()
        index.add_index("pixels", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 100})
        self._client.create_collection(COLLECTION, schema=schema, index_params=index)

    def fill(self, rows: list[dict[str, Any]]) -> None:
        self._client.insert(COLLECTION, rows)

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        self._client.upsert(COLLECTION, rows)

    def delete(self, ids: list[int]) -> None:
        self._client.delete(COLLECTION, ids=ids)

    def delete_between(self, low: int, high: int) -> None:
        self._client.delete(COLLECTION, filter=f"id >= {low} and id < {high}")

    def search(self, pixels: list[float], labels: list[int] | None, ink: float | None) -> list[Any]:
        conditions = [f"label in {labels}"] if labels else []
        conditions += [f"ink > {ink}"] if ink is not None else []
        (hits,) = self._client.search(
            COLLECTION,
            data=[pixels],
            limit=LIMIT,
            filter=" and ".join(conditions),
            output_fields=["label", "name"],
            search_params={"params": {"ef": 64}},
        )
        return list(hits)

    def get(self, id: int) -> None:
        self._client.get(COLLECTION, ids=[id])


if __name__ == "__main__":
    main(MilvusDigits)
