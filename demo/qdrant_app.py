"""The sample application on Qdrant: an ordinary qdrant-client program. What it does all day: work.py."""

from __future__ import annotations

from typing import Any

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from demo.work import COLLECTION, DIM, LIMIT, main


class QdrantDigits:
    errors = (UnexpectedResponse, ResponseHandlingException)

    def __init__(self, uri: str) -> None:
        self._client = QdrantClient(url=uri)

    def create(self) -> None:
        vectors = models.VectorParams(size=DIM, distance=models.Distance.COSINE)
        self._client.create_collection(COLLECTION, vectors_config=vectors)
        for field in ("number", "label"):
            self._client.create_payload_index(COLLECTION, field, models.PayloadSchemaType.INTEGER)

    def fill(self, rows: list[dict[str, Any]]) -> None:
        self.upsert(rows)

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        self._client.upsert(COLLECTION, [_point(row) for row in rows])

    def delete(self, ids: list[int]) -> None:
        self._client.delete(COLLECTION, list(ids))

    def delete_between(self, low: int, high: int) -> None:
        number = models.FieldCondition(key="number", range=models.Range(gte=low, lt=high))
        self._client.delete(COLLECTION, models.Filter(must=[number]))

    def search(self, pixels: list[float], labels: list[int] | None, ink: float | None) -> list[Any]:
        must: list[models.Condition] = []
        if labels:
            must.append(models.FieldCondition(key="label", match=models.MatchAny(any=labels)))
        if ink is not None:
            must.append(models.FieldCondition(key="ink", range=models.Range(gt=ink)))
        found = self._client.query_points(
            COLLECTION,
            pixels,
            limit=LIMIT,
            query_filter=models.Filter(must=must),
            with_payload=["label", "name"],
            search_params=models.SearchParams(hnsw_ef=64),
        )
        return list(found.points)

    def get(self, id: int) -> None:
        self._client.retrieve(COLLECTION, [id])


def _point(row: dict[str, Any]) -> models.PointStruct:
    payload = {name: value for name, value in row.items() if name not in ("id", "pixels")}
    return models.PointStruct(id=row["id"], vector=row["pixels"], payload=payload)


if __name__ == "__main__":
    main(QdrantDigits)
