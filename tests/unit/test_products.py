"""A sidecar loads what its two sides need, before it is ready, and nothing of the other products."""

from __future__ import annotations

import subprocess
import sys

import pytest

SDKS = ("grpc", "httpx", "pandas", "pinecone", "pymilvus", "qdrant_client", "weaviate")
OUR_PARTS = tuple(f"proxy.{kind}.{product}" for kind in ("frontends", "backends") for product in ("milvus", "qdrant"))
PROGRAM = """
import sys
from proxy import app
from proxy.config import parse

def side(product):
    return {"product": product, "url": "http://127.0.0.1:1", "grpc_url": "http://127.0.0.1:2"}

tree = {"source": side(sys.argv[1]), "listen": {}, "state": "unused"}
if sys.argv[2]:
    tree["target"] = side(sys.argv[2])
app.load(parse(tree))
print(*sys.modules)
"""


def loaded(source: str, target: str) -> set[str]:
    program = [sys.executable, "-c", PROGRAM, source, target]
    modules = set(subprocess.run(program, check=True, capture_output=True, text=True).stdout.split())
    parts = {part for part in OUR_PARTS if f"{part}.{part.split('.')[1][:-1]}" in modules}
    return {*modules.intersection(SDKS), *parts}


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("milvus", "qdrant", {"grpc", "proxy.frontends.milvus", "proxy.backends.milvus", "proxy.backends.qdrant"}),
        ("qdrant", "", {"grpc", "httpx", "qdrant_client", "proxy.frontends.qdrant", "proxy.backends.qdrant"}),
        ("weaviate", "", {"grpc", "httpx"}),
    ],
)
def test_a_sidecar_loads_the_parts_of_its_sides_and_no_others(source: str, target: str, expected: set[str]) -> None:
    assert loaded(source, target) == expected
