"""An ordinary application on llama-index-vector-stores-milvus: `python llama_index_on_milvus.py`."""

from __future__ import annotations

from typing import Any

from llama_embedding import Dense, nodes, seen
from llama_index.core import VectorStoreIndex
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.vector_stores.milvus import MilvusVectorStore
from turns import DIM, identity, play, text

FILTERS = MetadataFilters(
    filters=[
        MetadataFilter(key="genre", value=["poetry", "crime"], operator=FilterOperator.IN),
        MetadataFilter(key="year", value=1994, operator=FilterOperator.LTE),
    ]
)


class Application:
    def __init__(self, url: str) -> None:
        self.url = url
        self.indexes: dict[str, VectorStoreIndex] = {}

    def index(self, name: str) -> VectorStoreIndex:
        if name not in self.indexes:
            options: dict[str, Any] = {"similarity_metric": "COSINE", "consistency_level": "Strong", "use_async_client": False}
            store = MilvusVectorStore(self.url, collection_name=name, dim=DIM, **options)
            self.indexes[name] = VectorStoreIndex.from_vector_store(store, embed_model=Dense())
        return self.indexes[name]

    def take(self, name: str, turn: int) -> dict[str, Any]:
        index = self.index(name)
        store: Any = index.vector_store
        index.insert_nodes(nodes(turn))
        index.delete_ref_doc(f"document 3 of turn {turn}")
        store.delete_nodes([identity(turn, 5)])
        store.delete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="shelf", value=f"{turn}/7")]))
        query = text(turn, 4)
        far_apart = index.as_retriever(similarity_top_k=3, vector_store_query_mode=VectorStoreQueryMode.MMR)
        return {
            "near": seen(index.as_retriever(similarity_top_k=4).retrieve(query)),
            "of a kind": seen(index.as_retriever(similarity_top_k=4, filters=FILTERS).retrieve(query)),
            "far apart": seen(far_apart.retrieve(query)),
            "got": sorted(node.get_content() for node in store.get_nodes([identity(turn, n) for n in range(8)])),
            "filtered": sorted(node.get_content() for node in store.get_nodes(filters=FILTERS)),
        }


if __name__ == "__main__":
    play(Application)
