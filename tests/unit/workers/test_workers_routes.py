from __future__ import annotations

import pytest

from proxy.app import FRONTENDS
from proxy.clock import SystemClock
from proxy.frontends.milvus.routes import METHODS, REST, SERVICE
from proxy.frontends.routes import ROUTES
from proxy.model.schema import Product

PATHS = {Product.MILVUS: [*(SERVICE + name for name in METHODS), REST + "insert", REST + "search?a=b", "/nobody/knows"]}


@pytest.mark.parametrize("product", ROUTES)
def test_a_worker_knows_each_call_as_the_core_does(product: Product) -> None:
    core = FRONTENDS[product](SystemClock()).route
    for path in PATHS[product]:
        for method in (b"POST", b"GET"):
            assert ROUTES[product](method, path.encode(), "grpc") == core(method, path.encode(), "grpc")
