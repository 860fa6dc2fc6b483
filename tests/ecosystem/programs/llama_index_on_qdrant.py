"""An ordinary application on llama-index-vector-stores-qdrant: `python llama_index_on_qdrant.py [hybrid]`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from llama_embedding import Dense, nodes, seen
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient
from turns import embed_sparse, identity, play, text

FILTERS = MetadataFilters(
    filters=[
        MetadataFilter(key="genre", value=["poetry", "crime"], operator=FilterOperator.IN),
        MetadataFilter(key="year", value=1994, operator=FilterOperator.LTE),
    ]
)


def sparse(texts: list[str]) -> tuple[list[list[int]], list[list[float]]]:
    embedded = [embed_sparse(text) for text in texts]
    return [indices for indices, _ in embedded], [values for _, values in embedded]


class Application:
    def __init__(self, rest: str, grpc: str, *, hybrid: bool) -> None:
        self.client = QdrantClient(url=rest, grpc_port=int(grpc), prefer_grpc=hybrid, timeout=30)
        self.hybrid = hybrid
        self.indexes: dict[str, VectorStoreIndex] = {}

    def store(self, name: str) -> QdrantVectorStore:
        options = {"enable_hybrid": True, "sparse_doc_fn": sparse, "sparse_query_fn": sparse} if self.hybrid else {}
        return QdrantVectorStore(name, client=self.client, **options)

    def index(self, name: str, turn: int) -> VectorStoreIndex:
        """The first turn makes the collection, as it adds the first nodes."""
        if name in self.indexes:
            self.indexes[name].insert_nodes(nodes(turn))
        else:
            storage = StorageContext.from_defaults(vector_store=self.store(name))
            self.indexes[name] = VectorStoreIndex(nodes(turn), storage_context=storage, embed_model=Dense())
        return self.indexes[name]

    def take(self, name: str, turn: int) -> dict[str, Any]:
        index = self.index(name, turn)
        store: Any = index.vector_store
        store.delete_nodes([identity(turn, 5)])
        query = text(turn, 4)
        found = {
            "near": seen(index.as_retriever(similarity_top_k=4).retrieve(query)),
            "got": sorted(node.get_content() for node in store.get_nodes([identity(turn, n) for n in range(8)])),
        }
        return found | (self.of_both_vectors(index, query) if self.hybrid else self.by_filters(index, turn))

    def by_filters(self, index: VectorStoreIndex, turn: int) -> dict[str, Any]:
        """Not in the hybrid form, whose test has milvus-lite for a target: it cannot filter by what no schema declares."""
        store: Any = index.vector_store
        index.delete_ref_doc(f"document 3 of turn {turn}")
        store.delete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="shelf", value=f"{turn}/7")]))
        return {
            "of a kind": seen(index.as_retriever(similarity_top_k=4, filters=FILTERS).retrieve(text(turn, 4))),
            "filtered": sorted(node.get_content() for node in store.get_nodes(filters=FILTERS)),
        }

    def of_both_vectors(self, index: VectorStoreIndex, query: str) -> dict[str, Any]:
        mode = VectorStoreQueryMode.HYBRID
        options = {"vector_store_query_mode": mode, "similarity_top_k": 4, "sparse_top_k": 6, "alpha": 0.4}
        return {"both": seen(index.as_retriever(**options).retrieve(query))}


if __name__ == "__main__":
    play(partial(Application, hybrid=sys.argv[1:] == ["hybrid"]))
