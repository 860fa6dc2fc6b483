"""An ordinary application on qdrant-client's async client: `python qdrant_client_async.py [grpc]`."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any

from qdrant_client import AsyncQdrantClient, models
from qdrant_client_sync import GENRE, LATE, hits, point, records
from turns import DIM, embed, identity, play


class Application:
    def __init__(self, rest: str, grpc: str, *, prefer_grpc: bool) -> None:
        self.runner = asyncio.Runner()
        self.client = AsyncQdrantClient(url=rest, grpc_port=int(grpc), prefer_grpc=prefer_grpc, timeout=30)

    def take(self, name: str, turn: int) -> dict[str, Any]:
        return self.runner.run(self.work(name, turn))

    async def work(self, name: str, turn: int) -> dict[str, Any]:
        if not await self.client.collection_exists(name):
            vectors = models.VectorParams(size=DIM, distance=models.Distance.EUCLID)
            await self.client.create_collection(name, vectors_config=vectors)
        await asyncio.gather(*(self.client.upsert(name, [point(turn, n), point(turn, n + 6)]) for n in range(6)))
        await self.client.delete(name, [identity(turn, 3)])
        await self.client.set_payload(name, {"seen": turn}, points=models.Filter(must=[GENRE, LATE]))
        query = embed(f"query {turn}")
        near, filtered, kept, count = await asyncio.gather(
            self.client.query_points(name, query, limit=5),
            self.client.query_points(name, query, query_filter=models.Filter(should=[GENRE, LATE]), limit=5),
            self.client.scroll(name, limit=100, with_vectors=True),
            self.client.count(name, count_filter=models.Filter(must_not=[GENRE])),
        )
        return {
            "near": hits(near.points),
            "filtered": hits(filtered.points),
            "kept": records(kept[0]),
            "count": count.count,
            "got": records(await self.client.retrieve(name, [identity(turn, 1), identity(turn, 3)])),
        }


if __name__ == "__main__":
    play(partial(Application, prefer_grpc=sys.argv[1:] == ["grpc"]))
