"""Which ports each product has: the roles of `listen`, what of a side's settings is behind each, and what stands before the
router where a port is not simply one address of the side.

Owns: the table, what is said of a role that a product has not. Not: opening ports (listening), the other parts (app).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Final

from proxy.config import Config, SideConfig
from proxy.credentials import of_target
from proxy.errors import ConfigError
from proxy.frontends.pinecone.desk import Around, Desk
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.model.schema import Product
from proxy.net.on_demand import OnDemand
from proxy.net.upstream import KEPT, Upstream
from proxy.pinecone.hosts import CONTROL, DATA, Names, host_of, index_of, is_common
from proxy.ports import Clock, Frontend, Handler
from proxy.ports import Upstream as AnyUpstream
from proxy.products import DIRECTORY
from proxy.routing.spawn import Spawner
from proxy.store.slots import Slots

ROLES: Final[Mapping[Product, Mapping[str, str]]] = {
    Product.MILVUS: {"grpc": "url"},
    Product.QDRANT: {"rest": "url", "grpc": "grpc_url"},
    Product.WEAVIATE: {"rest": "url", "grpc": "grpc_url"},
    Product.PINECONE: {CONTROL: "url", DATA: ""},
}
"""Product -> role of a listening port -> the key of the side's address behind it; "": the control plane tells the address."""


def check_roles(config: Config) -> None:
    """Raises ConfigError for a role that the source's product has not, and without one that its clients need."""
    product = config.source.product
    roles = ROLES[product]
    for role in sorted(config.listen):
        if role not in roles and not (product is Product.PINECONE and (index_of(role) or is_common(role))):
            more = f"; a port of one index is {DATA}.INDEX" if product is Product.PINECONE else ""
            raise ConfigError(f"listen.{role}", f"{product} has the roles {', '.join(roles)}{more}")
    if product is Product.PINECONE and CONTROL not in config.listen:
        raise ConfigError(f"listen.{CONTROL}", "is needed: clients learn the addresses of their indexes there")


def upstreams(place: Place, side: SideConfig, config: Config, stack: AsyncExitStack) -> Mapping[str, AnyUpstream]:
    """By role, closed with the stack; none where the side does not speak the client's product. Raises ConfigError."""
    if side.product is not config.source.product:
        return {}
    pinecone = side.product is Product.PINECONE
    shown = KEPT if place is Place.SOURCE else of_target(side)
    made = functools.partial(Upstream, tls=side.tls, relay=config.relay, credentials=shown)
    found = {}
    for role, url in addresses(side, config):
        # Pinecone's hosts go by their names. What its control plane says is read on the way, so it comes uncompressed.
        found[role] = made(f"{place} {role}", url, rewrite_host=True if pinecone else None, readable=pinecone)
        stack.push_async_callback(found[role].close)
    if not pinecone:
        return found
    indexes = OnDemand(found, lambda role: made(f"{place} {role}", host_of(role), rewrite_host=True))
    stack.push_async_callback(indexes.close)
    return indexes


def addresses(side: SideConfig, config: Config) -> Iterator[tuple[str, str]]:
    """(role, URL) of those that the settings tell. Raises ConfigError."""
    for role in config.listen:
        if key := ROLES[side.product].get(role):
            if (url := getattr(side, key)) is None:
                raise ConfigError(key, f"is needed for listen.{role}")
            yield role, url


def relays_only(product: Product, able: Mapping[Product, object]) -> str:
    """Why a source of this product cannot leave phase passthrough; "" where it can. `able`: those with a frontend."""
    if product in able:
        return ""
    return (
        f"a source {product} can only be relayed yet (phase {Phase.PASSTHROUGH}): Vecferry does not read its calls, so it can "
        f"neither mirror nor translate them; it can for {', '.join(able)}"
    )


def before_router(
    router: Handler, frontend: Frontend, config: Config, bound: Mapping[str, str], clock: Clock, stack: AsyncExitStack
) -> Handler:
    """What takes the clients' requests; `bound`: host:port by role. Needs the state directory; what it opens is closed with
    the stack."""
    if config.source.product is not Product.PINECONE:
        return router
    directory, spawn = DIRECTORY(config.source), Spawner()
    stack.push_async_callback(directory.close)
    stack.push_async_callback(spawn.close)
    ports = {role: int(address.rpartition(":")[2]) for role, address in bound.items()}
    names = Names(ports, config.pinecone.data_host or "", tls=config.listen_tls is not None)
    return Desk(router, Around(frontend, names, directory, Slots(config.state, names.common), spawn, clock))
