from __future__ import annotations

import orjson
import pytest

from proxy.errors import Broken, NotFound, ProxyError, Refused, Throttled, Unavailable
from proxy.frontends import grpc
from proxy.frontends.passthrough import NAMES, OTHER, PassthroughFrontend
from proxy.model.schema import Product
from proxy.ports import Kind, Request, Retry


@pytest.mark.parametrize(
    ("product", "method", "path", "name"),
    [
        (Product.QDRANT, b"PUT", b"/collections/secret/points?wait=true", "PUT /collections/*/points"),
        (Product.QDRANT, b"POST", b"/qdrant.Points/Upsert", "/qdrant.Points/Upsert"),
        (Product.QDRANT, b"GET", b"/", "GET /"),
        (Product.WEAVIATE, b"DELETE", b"/v1/objects/Docs/0-1", "DELETE /v1/objects/*/*"),
        (Product.WEAVIATE, b"POST", b"/weaviate.v1.Weaviate/BatchStream", "/weaviate.v1.Weaviate/BatchStream"),
        (Product.PINECONE, b"POST", b"/VectorService/Query", "/VectorService/Query"),
        (Product.PINECONE, b"GET", b"/indexes/secret", "GET /indexes/*"),
        (Product.PINECONE, b"GET", b"/" + b"indexes/" * 20, "GET /" + "/".join(["indexes"] * 8)),
    ],
)
def test_a_call_is_counted_without_the_names_and_ids_in_it(product, method, path, name) -> None:
    route = PassthroughFrontend(product).route(method, path, "rest")
    assert (route.name, route.kind) == (name, Kind.OPAQUE)
    assert route.retry is (Retry.SAFE if method == b"GET" else Retry.NEVER)


def test_clients_cannot_make_names_without_end() -> None:
    frontend = PassthroughFrontend(Product.QDRANT)
    names = {frontend.route(b"POST", f"/x.Y/Z{n}".encode(), "grpc").name for n in range(2 * NAMES)}
    assert len(names) == NAMES + 1
    assert OTHER.name in names


ERRORS: dict[ProxyError, tuple[int, grpc.Code]] = {
    NotFound("x"): (404, grpc.Code.NOT_FOUND),
    Refused("x"): (400, grpc.Code.INVALID_ARGUMENT),
    Unavailable("x"): (503, grpc.Code.UNAVAILABLE),
    Throttled("x"): (429, grpc.Code.RESOURCE_EXHAUSTED),
    Broken("x"): (500, grpc.Code.INTERNAL),
}


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize(("error", "codes"), ERRORS.items(), ids=lambda each: type(each).__name__)
def test_a_refusal_has_the_products_form(product: Product, error: ProxyError, codes: tuple[int, grpc.Code]) -> None:
    frontend = PassthroughFrontend(product)
    reply = frontend.refuse(Request(b"POST", b"/", (), b""), error)
    assert reply.status == codes[0]
    assert b'"x"' in reply.body
    orjson.loads(reply.body)
    called = frontend.refuse(Request(b"POST", b"/", ((b"content-type", b"application/grpc+proto"),), b""), error)
    assert grpc.status_of(called) == (codes[1], "x")


def test_no_part_that_reads_calls_can_be_reached_in_silence() -> None:
    with pytest.raises(Broken, match="weaviate is only relayed"):
        PassthroughFrontend(Product.WEAVIATE).outcome(Request(b"", b"", (), b""), None)  # type: ignore[arg-type]
