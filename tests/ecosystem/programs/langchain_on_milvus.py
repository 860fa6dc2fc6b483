"""An ordinary application on langchain-milvus: `python langchain_on_milvus.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_milvus import Milvus
from turns import embed, identity, play, ranked, text

INDEX = {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 16, "efConstruction": 64}}


class Dense(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [embed(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return embed(text)


class Application:
    def __init__(self, url: str) -> None:
        self.url = url
        self.stores: dict[str, Milvus] = {}

    def store(self, name: str) -> Milvus:
        if name not in self.stores:
            self.stores[name] = Milvus(
                Dense(),
                collection_name=name,
                connection_args={"uri": self.url},
                index_params=INDEX,
                enable_dynamic_field=True,
                consistency_level="Strong",
            )
        return self.stores[name]

    def take(self, name: str, turn: int) -> dict[str, Any]:
        store = self.store(name)
        documents = [document(turn, n) for n in range(10)]
        added = store.add_documents(documents, ids=[identity(turn, n) for n in range(10)])
        store.upsert(ids=[identity(turn, 1)], documents=[document(turn, 1, shelf="moved")])
        store.delete(ids=[identity(turn, 2), identity(turn, 3)])
        store.delete(expr=f'turn == {turn} and genre == "crime" and year > 1998')
        query = text(turn, 4)
        return {
            "added": added,
            "near": scored(store.similarity_search_with_score(query, k=4)),
            "of a kind": scored(store.similarity_search_with_score(query, k=4, expr='genre == "poetry" and year < 1999')),
            "by vector": [shown(found) for found in store.similarity_search_by_vector(embed(query), k=1)],
            "retrieved": [shown(found) for found in store.as_retriever(search_kwargs={"k": 1}).invoke(query)],
            # Not near a text that is the query: beside it all others are worth the same.
            "far apart": [shown(each) for each in store.max_marginal_relevance_search(f"query {turn}", k=3, fetch_k=8)],
            "keys": sorted(store.get_pks(f"turn == {turn}") or []),
            "by metadata": sorted((shown(found) for found in store.search_by_metadata('shelf == "moved"')), key=str),
        }


def document(turn: int, number: int, **more: Any) -> Document:
    words = text(turn, number)
    genre = words.rpartition(" ")[2]
    return Document(page_content=words, metadata={"genre": genre, "year": 1990 + number, "turn": turn, "shelf": "new"} | more)


def scored(found: Iterable[tuple[Document, float]]) -> Any:
    return ranked((score, *shown(document)) for document, score in found)


def shown(document: Document) -> list[Any]:
    return [document.page_content, document.metadata]


if __name__ == "__main__":
    play(Application)
