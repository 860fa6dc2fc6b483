from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from proxy import app
from proxy.clock import SystemClock
from proxy.config import Config, parse
from proxy.errors import ConfigError
from proxy.frontends.passthrough import PassthroughFrontend
from proxy.model.place import Place
from proxy.model.schema import Product
from proxy.roles import ROLES, check_roles, relays_only, upstreams

URLS = {"url": "http://127.0.0.1:1", "grpc_url": "http://127.0.0.1:2"}
RELAYED = [product for product in Product if product not in app.FRONTENDS]


def config(product: Product, *roles: str, **settings: Any) -> Config:
    listen = dict.fromkeys(roles or ROLES[product], "127.0.0.1:0")
    source = {"product": product, **URLS}
    return parse({"source": source, "listen": listen, **settings})


@pytest.mark.parametrize("product", Product)
def test_every_product_can_be_relayed_without_a_target(product: Product) -> None:
    check_roles(config(product))


@pytest.mark.parametrize("product", Product)
def test_a_role_that_a_product_has_not_is_told_with_those_that_it_has(product: Product) -> None:
    with pytest.raises(ConfigError, match=f"listen.rust: {product} has the roles {', '.join(ROLES[product])}"):
        check_roles(config(product, "rust", *ROLES[product]))


@pytest.mark.parametrize("product", [Product.QDRANT, Product.WEAVIATE])
async def test_a_grpc_port_needs_the_address_behind_it(product: Product) -> None:
    found = parse({"source": {"product": product, "url": URLS["url"]}, "listen": {"rest": ":0", "grpc": ":0"}})
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigError, match=r"grpc_url: is needed for listen\.grpc"):
            upstreams(Place.SOURCE, found.source, found, stack)


async def test_rest_alone_needs_no_grpc_address() -> None:
    found = parse({"source": {"product": "weaviate", "url": URLS["url"]}, "listen": {"rest": ":0"}})
    async with AsyncExitStack() as stack:
        assert set(upstreams(Place.SOURCE, found.source, found, stack)) == {"rest"}


async def test_pinecones_indexes_are_reached_by_what_their_role_says() -> None:
    found = config(Product.PINECONE)
    async with AsyncExitStack() as stack:
        there = upstreams(Place.SOURCE, found.source, found, stack)
        role = "data.images@https://images.test"
        assert set(there) == {"control"}
        assert there[role] is there[role]
        assert there[role] is not there["data.images@https://elsewhere.test"]
        with pytest.raises(KeyError):
            there["data.images"]


def test_pinecone_has_ports_for_single_indexes_and_is_never_without_its_control_plane() -> None:
    check_roles(config(Product.PINECONE, "control", "data.images"))
    with pytest.raises(ConfigError, match=r"listen\.control: is needed"):
        check_roles(config(Product.PINECONE, "data"))
    with pytest.raises(ConfigError, match=r"a port of one index is data\.INDEX"):
        check_roles(config(Product.PINECONE, "control", "data."))
    with pytest.raises(ConfigError, match=r"has the roles grpc$"):
        check_roles(config(Product.MILVUS, "grpc", "data.images"))


def test_pinecones_control_plane_is_the_known_one_where_nothing_is_said() -> None:
    found = parse({"source": {"product": "pinecone"}, "listen": {"control": ":0", "data": "127.0.0.1:5081-5083"}})
    assert found.source.url == "https://api.pinecone.io"
    assert found.listen["data+2"] == "127.0.0.1:5083"
    with pytest.raises(ConfigError, match=r"source\.url"):
        parse({"source": {"product": "qdrant"}, "listen": {"rest": ":0"}})


@pytest.mark.parametrize("phase", ["mirror", "shadow", "canary"])
@pytest.mark.parametrize("product", RELAYED)
def test_a_later_phase_is_refused_by_the_products_name_until_its_calls_can_be_read(product: Product, phase: str) -> None:
    target = {"product": "qdrant", **URLS}
    with pytest.raises(ConfigError, match=f"routing.phase: a source {product} can only be relayed yet") as refused:
        app._frontend(config(product, routing={"phase": phase}, target=target), SystemClock())
    assert refused.value.path == "routing.phase"


@pytest.mark.parametrize("product", RELAYED)
def test_a_product_without_a_frontend_gets_the_one_that_only_relays(product: Product) -> None:
    assert isinstance(app._frontend(config(product), SystemClock()), PassthroughFrontend)


def test_a_product_with_a_frontend_is_not_held_back() -> None:
    assert [relays_only(product, app.FRONTENDS) for product in app.FRONTENDS] == [""] * len(app.FRONTENDS)
