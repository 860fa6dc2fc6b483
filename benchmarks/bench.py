"""What the measurements on real servers share: one Milvus, a sidecar and a local Qdrant for each way."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymilvus import MilvusClient

from tests.servers.milvus import MilvusServer
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import QdrantSidecar, Sidecar


@dataclass(frozen=True, slots=True)
class Bench:
    """`quick`: a short form, for trying out. Whatever is started ends with `stack`."""

    folder: Path
    stack: ExitStack
    milvus: MilvusServer
    direct: MilvusClient
    quick: bool

    @classmethod
    def open(cls, folder: Path, stack: ExitStack, quick: bool) -> Bench:
        (folder / "milvus").mkdir()
        milvus = stack.enter_context(MilvusServer(folder / "milvus"))
        client = MilvusClient(uri=milvus.url)
        stack.callback(client.close)
        return cls(folder, stack, milvus, client, quick)

    def clear(self) -> None:
        """A sidecar moves whatever it finds."""
        for collection in self.direct.list_collections():
            self.direct.drop_collection(collection)

    def qdrant(self, name: str, stack: ExitStack) -> QdrantServer:
        return stack.enter_context(QdrantServer(self.folder / f"qdrant-{name}"))

    def sidecar(self, name: str, target: QdrantServer, stack: ExitStack, **settings: Any) -> Sidecar:
        return stack.enter_context(Sidecar(self.folder / name, self.milvus.url, target, **settings))

    def before_qdrant(self, name: str, source: QdrantServer, stack: ExitStack, **settings: Any) -> QdrantSidecar:
        """The target is Milvus."""
        return stack.enter_context(QdrantSidecar(self.folder / name, source, self.milvus, **settings))
