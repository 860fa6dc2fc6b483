"""An ordinary application on langchain-qdrant: `python langchain_on_qdrant.py [hybrid]`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from grpc import RpcError
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from langchain_qdrant.sparse_embeddings import SparseEmbeddings, SparseVector
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from turns import DIM, embed, embed_sparse, identity, metadata, play, ranked, text

POETRY = models.Filter(
    must=[
        models.FieldCondition(key="metadata.genre", match=models.MatchValue(value="poetry")),
        models.FieldCondition(key="metadata.year", range=models.Range(lt=1999)),
    ]
)


class Dense(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [embed(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return embed(text)


class Sparse(SparseEmbeddings):
    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        indices, values = embed_sparse(text)
        return SparseVector(indices=indices, values=values)


class Application:
    def __init__(self, rest: str, grpc: str, *, hybrid: bool) -> None:
        self.client = QdrantClient(url=rest, grpc_port=int(grpc), prefer_grpc=hybrid, timeout=30)
        self.mode = RetrievalMode.HYBRID if hybrid else RetrievalMode.DENSE
        self.stores: dict[str, QdrantVectorStore] = {}

    def store(self, name: str) -> QdrantVectorStore:
        if name not in self.stores:
            if not self.client.collection_exists(name):
                self.create(name)
            options: dict[str, Any] = {"retrieval_mode": self.mode}
            if self.mode is RetrievalMode.HYBRID:
                options |= {"sparse_embedding": Sparse(), "vector_name": "dense", "sparse_vector_name": "sparse"}
            self.stores[name] = QdrantVectorStore(self.client, name, Dense(), **options)
        return self.stores[name]

    def create(self, name: str) -> None:
        dense = models.VectorParams(size=DIM, distance=models.Distance.COSINE)
        if self.mode is RetrievalMode.DENSE:
            self.client.create_collection(name, vectors_config=dense)
        else:
            sparse = {"sparse": models.SparseVectorParams()}
            self.client.create_collection(name, vectors_config={"dense": dense}, sparse_vectors_config=sparse)

    def take(self, name: str, turn: int) -> dict[str, Any]:
        store = self.store(name)
        documents = [Document(page_content=text(turn, n), metadata=metadata(turn, n)) for n in range(10)]
        store.add_documents(documents, ids=[identity(turn, n) for n in range(10)])
        store.add_texts([f"added in turn {turn}"], [metadata(turn, 20)], ids=[identity(turn, 20)])
        store.delete([identity(turn, 2), identity(turn, 3)])
        query = text(turn, 4)
        # Ranks that are added up are often equal, and any of the last ones would be cut off.
        hybrid = self.mode is RetrievalMode.HYBRID
        k = 100 if hybrid else 4
        # The hybrid form's test has milvus-lite for a target, which cannot filter by what no schema declares.
        condition = None if hybrid else POETRY
        return {
            "near": scored(store.similarity_search_with_score(query, k=k)),
            "of a kind": scored(store.similarity_search_with_score(query, k=k, filter=condition)),
            "by vector": [shown(found) for found in store.similarity_search_by_vector(embed(query), k=1)],
            "retrieved": sorted((shown(found) for found in store.as_retriever(search_kwargs={"k": k}).invoke(query)), key=str),
            "far apart": self.far_apart(store, f"query {turn}"),
            "got": sorted((shown(found) for found in store.get_by_ids([identity(turn, n) for n in range(5)])), key=str),
        }

    def far_apart(self, store: QdrantVectorStore, query: str) -> Any:
        try:
            return [shown(found) for found in store.max_marginal_relevance_search(query, k=3, fetch_k=8)]
        except UnexpectedResponse as refusal:
            return {"refused": refusal.content.decode()}
        except RpcError as refusal:
            return {"refused": str(refusal)}


def scored(found: Iterable[tuple[Document, float]]) -> Any:
    return ranked((score, *shown(document)) for document, score in found)


def shown(document: Document) -> list[Any]:
    return [document.page_content, {key: value for key, value in document.metadata.items() if key != "_collection_name"}]


if __name__ == "__main__":
    play(partial(Application, hybrid=sys.argv[1:] == ["hybrid"]))
