"""Everything that a story needs: both databases, a sidecar between, and the judge."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pymilvus import MilvusClient
from qdrant_client import QdrantClient

from tests.migration.judge import Sides, sides
from tests.migration.load import Load
from tests.migration.shelf import Shelf
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar

T = TypeVar("T")
EASY: Final = {"recall": 0.7, "tail_share": 0.4, "confidence": 0.8, "min_samples": 20, "latency_ratio": 1000.0}
"""Gates for stories in which the data is judged, and not how good or fast the answers of a busy machine are."""


class World:
    """`direct` speaks with the source past the sidecar."""

    def __init__(self, source_url: str, direct: MilvusClient, target: QdrantServer, folder: Path) -> None:
        self.source_url = source_url
        self.direct = direct
        self.target = target
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def enter(self, made: AbstractContextManager[T]) -> T:
        """It ends with the test."""
        return self._stack.enter_context(made)

    def shelf(self, shelf: Shelf, numbers: int) -> Shelf:
        """Made and filled at the source."""
        shelf.create(self.direct)
        shelf.fill(self.direct, range(numbers))
        return shelf

    def sidecar(self, source_url: str | None = None, **settings: Any) -> Sidecar:
        """Started; ends with the test."""
        made = Sidecar(self._folder, source_url or self.source_url, self.target, **settings)
        return self.enter(made)

    def load(self, sidecar: Sidecar, shelf: Shelf, numbers: int, **options: Any) -> Load:
        """Begun; ends with the test, if not before."""
        return self.enter(Load(sidecar.url, shelf, numbers, **options))

    def client(self, sidecar: Sidecar) -> MilvusClient:
        """An application without load; closed with the test."""
        client = MilvusClient(uri=sidecar.url)
        self._stack.callback(client.close)
        return client

    def qdrant(self) -> QdrantClient:
        client = self.target.client(prefer_grpc=False)
        self._stack.callback(client.close)
        return client

    def sides(self, collection: str) -> Sides:
        return sides(self.direct, self.qdrant(), collection)


def clear(client: MilvusClient) -> None:
    """No collection is left."""
    for collection in client.list_collections():
        for alias in client.list_aliases(collection)["aliases"]:
            client.drop_alias(alias)
        client.drop_collection(collection)
