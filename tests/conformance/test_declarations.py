"""Every backend answers every question, and the page that tells users says the same."""

from __future__ import annotations

from pathlib import Path

from conformance.registry import BACKENDS, NIGHTLY, PAIRS

from proxy.backends.matrix import markdown
from proxy.model.feature import Feature

PAGE = Path(__file__).parents[2] / "docs" / "support-matrix.md"


def test_every_backend_answers_every_feature() -> None:
    assert {b.name: set(b.supports) for b in BACKENDS} == {b.name: set(Feature) for b in BACKENDS}


def test_every_pair_takes_part() -> None:
    """A case that no frontend speaks is not made, so what each one speaks is told here in numbers."""
    assert {pair.name: len(pair.frontend.speaks) for pair in PAIRS} == {
        "direct->memory": len(Feature),
        "direct->qdrant": len(Feature),
        "direct->milvus": len(Feature),
        "direct->milvus-lite": len(Feature),
        "milvus->memory": 37,
        "milvus->qdrant": 37,
        "qdrant-rest->memory": 32,
        "qdrant-rest->milvus-lite": 32,
        "qdrant-rest->qdrant": 32,
        "qdrant-grpc->memory": 32,
        "qdrant-grpc->milvus": 32,
        **({"milvus->milvus": 37} if NIGHTLY else {}),
    }


def test_the_page_is_printed_from_the_declarations() -> None:
    assert PAGE.read_text("utf-8") == markdown(), "run: python -m proxy.backends.matrix > docs/support-matrix.md"
