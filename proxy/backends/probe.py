"""A side that is only relayed to: who it is, asked in its product's own way. Nothing of its data is read or written.

Owns: what each product says of itself. Not: anything a migration needs; a product's own backend brings that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import httpx
from grpc import StatusCode
from grpc.aio import AioRpcError

from proxy.backends.grpc_channel import open_channel
from proxy.backends.rest import Rest, json_of
from proxy.config import SideConfig
from proxy.errors import Reason, Refused, Unavailable
from proxy.model.feature import Feature, Support
from proxy.model.operation import Consistency, Count, Fetch, Hits, Page, Scan, SchemaWrite, Search
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema
from proxy.ports import Fit, ServerInfo

UNTOLD: Final = "unknown"
"""The version where nobody may ask for it without a key, and we have none; and where the product tells none."""


@dataclass(frozen=True, slots=True)
class _Question:
    """`version` takes it from the JSON answer; None where the answer is not this product's."""

    path: str
    credentials: Callable[[str], Mapping[str, str]]
    version: Callable[[Any, httpx.Headers], str | None]
    closed: str = ""
    """A path that only the key opens, where the first one is open to all."""
    health: str = ""
    """A call that the gRPC port answers without a key."""

    def told(self, reply: httpx.Response) -> str | None:
        said = json_of(reply)
        return self.version(said, reply.headers) if isinstance(said, dict) else None


def _qdrant(said: Any, _: httpx.Headers) -> str | None:
    return str(said["version"]) if "qdrant" in str(said.get("title", "")).lower() and "version" in said else None


def _weaviate(said: Any, _: httpx.Headers) -> str | None:
    return str(said["version"]) if {"version", "hostname"} <= said.keys() else None


def _pinecone(said: Any, headers: httpx.Headers) -> str | None:
    """Has no version of its own, only dates of its API."""
    return headers.get("x-pinecone-api-version", UNTOLD) if isinstance(said.get("indexes"), list) else None


_QUESTIONS: Final[Mapping[Product, _Question]] = {
    Product.QDRANT: _Question("/", lambda key: {"api-key": key}, _qdrant, "/collections", "/qdrant.Qdrant/HealthCheck"),
    Product.WEAVIATE: _Question(
        "/v1/meta", lambda key: {"authorization": f"Bearer {key}"}, _weaviate, health="/grpc.health.v1.Health/Check"
    ),
    Product.PINECONE: _Question("/indexes", lambda key: {"api-key": key}, _pinecone),
}


class Probe:
    """ports.Backend, as far as phase passthrough asks. Raises ConfigError where TLS files cannot be used."""

    features: Mapping[Feature, Support] = dict.fromkeys(Feature, Support.ABSENT)

    def __init__(self, side: SideConfig) -> None:
        self.product = side.product
        self._question = _QUESTIONS[side.product]
        self._key = side.api_key.get_secret_value() if side.api_key else ""
        self._side = side
        self._rest = Rest(side)

    async def ping(self) -> ServerInfo:
        """A version that nobody tells us is UNTOLD: that is no fault."""
        found = await self._who()
        # gRPC cannot leave certificates unchecked, which the relay can.
        if self._side.grpc_url and self._side.tls.verify:
            await self._knock(self._side.grpc_url)
        return found

    async def _who(self) -> ServerInfo:
        reply = await self._asked(self._question.path)
        if reply is None:
            return ServerInfo(self.product, UNTOLD)
        version = self._question.told(reply)
        if version is None:
            raise Refused(f"{self._rest.url} is not {self.product}: {await self._instead(reply)}", Reason.UNSUPPORTED)
        if self._question.closed and self._key:
            await self._asked(self._question.closed)
        return ServerInfo(self.product, version)

    async def _asked(self, path: str) -> httpx.Response | None:
        """None where it asks for a key, and we have none. Raises Refused where it does not take ours."""
        reply = await self._rest.get(path, self._question.credentials(self._key) if self._key else {})
        if reply.status_code not in (401, 403):
            return reply
        if self._key:
            raise Refused(f"{self._rest.url} refuses our credentials ({reply.status_code}): check `api_key`")
        return None

    async def _instead(self, reply: httpx.Response) -> str:
        for product, question in _QUESTIONS.items():
            if product is not self.product and question.told(await self._rest.get(question.path, {})) is not None:
                return f"it is {product}"
        return f"GET {self._question.path} was answered with {reply.status_code}"

    async def _knock(self, url: str) -> None:
        channel = open_channel(self._side, url)
        try:
            await channel.unary_unary(self._question.health)(b"", timeout=self._side.timeout)
        except AioRpcError as error:
            if error.code() is StatusCode.UNIMPLEMENTED:
                raise Refused(f"grpc_url {url} is not {self.product}'s: it does not know {self._question.health}") from error
            if error.code() in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED):
                raise Unavailable(f"grpc_url {url} cannot be reached: {error.details()}") from error
        finally:
            await channel.close()

    async def close(self) -> None:
        await self._rest.close()

    # ---- what there is to know of its data: nothing ----

    async def collections(self) -> tuple[str, ...]:
        return ()

    async def aliases(self) -> Mapping[str, str]:
        return {}

    async def put(self, points: Sequence[Point]) -> None:
        self._refuse()

    async def remove(self, keys: Sequence[Key]) -> None:
        self._refuse()

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        self._refuse()

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        self._refuse()

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits:
        self._refuse()

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int:
        self._refuse()

    async def duplicates(self, collection: str) -> int:
        self._refuse()

    async def describe(self, collection: str) -> Schema:
        self._refuse()

    def fit(self, schema: Schema) -> Fit:
        self._refuse()

    async def apply(self, change: SchemaWrite) -> None:
        self._refuse()

    async def quiesce(self, collection: str) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Refused(f"{self.product} can only be relayed yet", Reason.UNSUPPORTED)
