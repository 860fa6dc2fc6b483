"""An ordinary application on qdrant-client: `python qdrant_client_sync.py [grpc]`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from qdrant_client import QdrantClient, models
from turns import DIM, GENRES, embed, identity, metadata, play, ranked, text

GENRE = models.FieldCondition(key="genre", match=models.MatchValue(value="crime"))
LATE = models.FieldCondition(key="year", range=models.Range(gte=1995))
TAG = models.FieldCondition(key="tags", match=models.MatchAny(any=["t1", "t2"]))


class Application:
    def __init__(self, rest: str, grpc: str, *, prefer_grpc: bool) -> None:
        self.client = QdrantClient(url=rest, grpc_port=int(grpc), prefer_grpc=prefer_grpc, timeout=30)

    def take(self, name: str, turn: int) -> dict[str, Any]:
        if not self.client.collection_exists(name):
            self.create(name)
        self.client.upsert(name, [point(turn, n) for n in range(12)])
        query = embed(f"query {turn}")
        return {
            "near": hits(self.client.query_points(name, query, limit=5).points),
            "filtered": hits(
                self.client.query_points(
                    name,
                    query,
                    query_filter=models.Filter(must=[GENRE], must_not=[LATE]),
                    limit=5,
                    with_payload=["genre", "year"],
                    score_threshold=-0.5,
                ).points
            ),
            "second page": hits(self.client.query_points(name, query, limit=3, offset=3, with_payload=False).points),
            "batch": [
                hits(found.points)
                for found in self.client.query_batch_points(
                    name, [models.QueryRequest(query=embed(genre), limit=2, with_payload=True) for genre in GENRES]
                )
            ],
            "by id": hits(self.client.query_points(name, identity(turn, 1), limit=3, with_vectors=True).points, vectors=True),
            "like": hits(
                self.client.query_points(
                    name,
                    models.RecommendQuery(
                        recommend=models.RecommendInput(
                            positive=[identity(turn, 1), identity(turn, 2)], negative=[identity(turn, 3)]
                        )
                    ),
                    limit=3,
                ).points
            ),
            "groups": {
                str(group.id): hits(group.hits)
                for group in self.client.query_points_groups(name, "genre", query=query, limit=3, group_size=2).groups
            },
            "changed": self.change(name, turn),
            "kept": self.kept(name),
            "told": self.told(name),
        }

    def create(self, name: str) -> None:
        self.client.create_collection(name, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE))
        self.client.create_payload_index(name, "genre", models.PayloadSchemaType.KEYWORD)
        self.client.create_payload_index(name, "year", models.PayloadSchemaType.INTEGER)

    def change(self, name: str, turn: int) -> Any:
        this_turn = models.FieldCondition(key="turn", match=models.MatchValue(value=turn))
        of_genre = models.Filter(must=[GENRE, this_turn])
        said = [
            self.client.set_payload(name, {"seen": True, "by": {"user": turn}}, points=[identity(turn, 4)]),
            self.client.set_payload(name, {"shelf": turn}, points=of_genre),
            self.client.overwrite_payload(name, {"only": turn}, points=[identity(turn, 5)]),
            self.client.delete_payload(name, ["tags"], points=[identity(turn, 6)]),
            self.client.update_vectors(name, [models.PointVectors(id=identity(turn, 7), vector=embed(f"moved {turn}"))]),
            self.client.delete(name, [identity(turn, 8), identity(turn, 9)]),
            self.client.delete(
                name, models.Filter(must=[this_turn, models.FieldCondition(key="year", match=models.MatchValue(value=2000))])
            ),
        ]
        self.client.batch_update_points(
            name,
            [
                models.UpsertOperation(upsert=models.PointsList(points=[point(turn, 50)])),
                models.DeleteOperation(delete=models.PointIdsList(points=[identity(turn, 11)])),
            ],
        )
        return [str(each.status) for each in said]

    def kept(self, name: str) -> Any:
        pages, after = [], None
        while True:
            page, after = self.client.scroll(name, limit=5, offset=after, with_vectors=True)
            pages.append(records(page))
            if after is None:
                break
        return {
            "pages": pages,
            "count": self.client.count(name).count,
            "of a tag": self.client.count(name, count_filter=models.Filter(should=[TAG, LATE])).count,
            "got": records(self.client.retrieve(name, [identity(1, 4), identity(1, 8)], with_payload=["by", "seen"])),
        }

    def told(self, name: str) -> Any:
        info = self.client.get_collection(name)
        assert info.config.params.vectors is not None
        vectors: Any = info.config.params.vectors
        names = [each.name for each in self.client.get_collections().collections]
        return [
            str(info.status),
            vectors.size,
            str(vectors.distance),
            info.points_count,
            sorted(info.payload_schema),
            name in names,
        ]


def point(turn: int, number: int) -> models.PointStruct:
    words = text(turn, number)
    return models.PointStruct(id=identity(turn, number), vector=embed(words), payload={"text": words, **metadata(turn, number)})


def hits(found: Iterable[models.ScoredPoint], *, vectors: bool = False) -> Any:
    return ranked((hit.score, hit.id, hit.payload, hit.vector if vectors else None) for hit in found)


def records(found: Iterable[models.Record]) -> Any:
    return [[record.id, record.payload, record.vector] for record in found]


if __name__ == "__main__":
    play(partial(Application, prefer_grpc=sys.argv[1:] == ["grpc"]))
