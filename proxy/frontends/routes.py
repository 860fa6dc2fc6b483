"""What each product's calls are, by method and path: all that a worker must know of a wire protocol. Loads no SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from proxy.frontends.milvus import routes as milvus
from proxy.frontends.passthrough import PassthroughFrontend
from proxy.frontends.qdrant import routes as qdrant
from proxy.model.schema import Product
from proxy.ports import Route

ROUTES: Final[Mapping[Product, Callable[[bytes, bytes, str], Route]]] = {
    Product.MILVUS: lambda method, path, role: milvus.route(method, path),
    Product.QDRANT: lambda method, path, role: qdrant.endpoint(method, path, role).route,
    Product.WEAVIATE: PassthroughFrontend(Product.WEAVIATE).route,
}
"""ports.Frontend.route of each. Not of Pinecone, whose replies the core rewrites."""
