from __future__ import annotations

import subprocess
import sys

import pytest

from proxy.app import FRONTENDS
from proxy.clock import SystemClock
from proxy.frontends.milvus.routes import METHODS, REST, SERVICE
from proxy.frontends.passthrough import PassthroughFrontend
from proxy.frontends.routes import ROUTES
from proxy.model.schema import Product

PATHS = {
    Product.MILVUS: [*(SERVICE + name for name in METHODS), REST + "insert", REST + "search?a=b", "/nobody/knows"],
    Product.QDRANT: [
        "/collections/a/points?wait=true",
        "/collections/a/points/query",
        "/collections",
        "/qdrant.Points/Upsert",
        "/x",
    ],
    Product.WEAVIATE: ["/v1/objects", "/v1/schema/Book", "/weaviate.v1.Weaviate/Search"],
}


@pytest.mark.parametrize("role", ["grpc", "rest"])
@pytest.mark.parametrize("product", ROUTES)
def test_a_worker_knows_each_call_as_the_core_does(product: Product, role: str) -> None:
    core = FRONTENDS[product](SystemClock()) if product in FRONTENDS else PassthroughFrontend(product)
    for path in PATHS[product]:
        for method in (b"POST", b"GET", b"PUT"):
            assert ROUTES[product](method, path.encode(), role) == core.route(method, path.encode(), role)


def test_a_worker_loads_no_sdk_and_nothing_else_that_it_does_not_need() -> None:
    heavy = ("aiohttp", "grpc", "httpx", "numpy", "opentelemetry.sdk", "pymilvus", "qdrant_client")
    look = f"import sys, proxy.workers.worker; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
