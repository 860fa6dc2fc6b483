"""Who is there, asked of small servers that say what each product says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import permutations
from typing import Any

import grpc
import pytest
from aiohttp import web

from proxy.backends.pinecone.directory import Directory
from proxy.backends.probe import UNTOLD, Probe
from proxy.config import SideConfig
from proxy.errors import NotFound, Refused, Unavailable
from proxy.model.schema import Product

PAGES: dict[Product, dict[str, Any]] = {
    Product.QDRANT: {"/": {"title": "qdrant - vector search engine", "version": "1.19.0"}, "/collections": {}},
    Product.WEAVIATE: {"/v1/meta": {"hostname": "http://[::]:8080", "version": "1.39.0"}},
    Product.PINECONE: {"/indexes": {"indexes": [{"name": "a", "host": "a.test"}]}, "/indexes/a": {"host": "a.test"}},
}
KEYED = {Product.QDRANT: "api-key", Product.WEAVIATE: "authorization", Product.PINECONE: "api-key"}
OTHERS = [product for product in Product if product in PAGES]


@asynccontextmanager
async def serving(product: Product, key: str = "", open_to_all: tuple[str, ...] = ("/",)) -> AsyncIterator[str]:
    def page(document: Any) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            shown = request.headers.get(KEYED[product], "").removeprefix("Bearer ")
            if key and shown != key and request.path not in open_to_all:
                return web.Response(status=401, text="Unauthorized")
            return web.json_response(document)

        return answer

    app = web.Application()
    app.add_routes([web.get(path, page(document)) for path, document in PAGES[product].items()])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def who(product: Product, url: str, **settings: Any) -> str:
    probe = Probe(SideConfig(product=product, url=url, timeout=5.0, **settings))
    try:
        found = await probe.ping()
    finally:
        await probe.close()
    assert found.product is product
    return found.version


VERSIONS = {Product.QDRANT: "1.19.0", Product.WEAVIATE: "1.39.0", Product.PINECONE: UNTOLD}


@pytest.mark.parametrize("product", OTHERS)
async def test_a_product_says_its_version(product: Product) -> None:
    async with serving(product, key="k") as url:
        assert await who(product, url, api_key="k") == VERSIONS[product]


@pytest.mark.parametrize("product", OTHERS)
async def test_a_key_that_is_not_taken_is_told(product: Product) -> None:
    async with serving(product, key="k") as url:
        with pytest.raises(Refused, match="check `api_key`"):
            await who(product, url, api_key="wrong")


@pytest.mark.parametrize("product", [Product.WEAVIATE, Product.PINECONE])
async def test_without_a_key_a_locked_server_is_there_and_nothing_more_is_known(product: Product) -> None:
    async with serving(product, key="k") as url:
        assert await who(product, url) == UNTOLD


@pytest.mark.parametrize(("product", "there"), [*permutations(OTHERS, 2)])
async def test_another_product_at_the_address_is_named(product: Product, there: Product) -> None:
    async with serving(there) as url:
        with pytest.raises(Refused, match=f"is not {product}: it is {there}"):
            await who(product, url)


async def test_an_address_where_nothing_listens_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await who(Product.WEAVIATE, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("product", "known", "error"),
    [
        (Product.WEAVIATE, "grpc.health.v1.Health", None),
        (Product.QDRANT, "qdrant.Qdrant", None),
        (Product.QDRANT, "grpc.health.v1.Health", Refused),
        (Product.WEAVIATE, "", Unavailable),
    ],
    ids=["weaviate", "qdrant", "another product", "nobody"],
)
async def test_the_grpc_port_is_asked_too(product: Product, known: str, error: type[Exception] | None) -> None:
    async def healthy(request: bytes, context: Any) -> bytes:
        return b""

    check = "HealthCheck" if known.startswith("qdrant") else "Check"
    server = grpc.aio.server()
    calls = {check: grpc.unary_unary_rpc_method_handler(healthy)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(known, calls)])
    port = server.add_insecure_port("127.0.0.1:0")
    if known:
        await server.start()
    else:
        await server.stop(None)
        port = 1
    async with serving(product) as url:
        if error is None:
            assert await who(product, url, grpc_url=f"http://127.0.0.1:{port}") == VERSIONS[product]
        else:
            with pytest.raises(error, match="grpc_url"):
                await who(product, url, grpc_url=f"http://127.0.0.1:{port}")
    await server.stop(None)


async def test_what_is_only_relayed_has_nothing_to_migrate() -> None:
    probe = Probe(SideConfig(product=Product.WEAVIATE, url="http://127.0.0.1:1"))
    assert await probe.collections() == ()
    with pytest.raises(Refused, match="weaviate can only be relayed yet"):
        await probe.describe("x")
    await probe.close()


async def test_a_key_for_data_only_is_helped_by_ours() -> None:
    async with serving(Product.PINECONE, key="ours") as url:
        with_ours = Directory(SideConfig(product=Product.PINECONE, url=url, api_key="ours"))
        without = Directory(SideConfig(product=Product.PINECONE, url=url))
        client = {"api-key": "data only"}
        assert await with_ours.host("a", client) == "a.test"
        assert await with_ours.hosts(client) == {"a": "a.test"}
        with pytest.raises(NotFound):
            await with_ours.host("b", client)
        with pytest.raises(Refused, match="401"):
            await without.host("a", client)
        await with_ours.close()
        await without.close()
