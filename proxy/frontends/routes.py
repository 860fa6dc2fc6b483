"""What each product's calls are, by method and path: all that a worker must know of a wire protocol. Loads no SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from proxy.frontends.milvus import routes as milvus
from proxy.model.schema import Product
from proxy.ports import Route

ROUTES: Final[Mapping[Product, Callable[[bytes, bytes, str], Route]]] = {
    Product.MILVUS: lambda method, path, role: milvus.route(method, path),
}
"""ports.Frontend.route of each."""
