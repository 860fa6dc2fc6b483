"""What both applications on llama-index share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from turns import embed, identity, metadata, ranked, text


class Dense(BaseEmbedding):
    def _get_text_embedding(self, text: str) -> list[float]:
        return embed(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return embed(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return embed(query)


def nodes(turn: int) -> list[TextNode]:
    """Each of a document of its own."""
    return [
        TextNode(
            id_=identity(turn, number),
            text=text(turn, number),
            metadata={"genre": metadata(turn, number)["genre"], "year": 1990 + number, "shelf": f"{turn}/{number}"},
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"document {number} of turn {turn}")},
        )
        for number in range(10)
    ]


def seen(found: Iterable[NodeWithScore]) -> Any:
    return ranked(
        (hit.score, hit.node.node_id, hit.node.get_content(), hit.node.metadata, hit.node.ref_doc_id) for hit in found
    )
