"""What a product's clients get while Vecferry only relays it: every call goes on, and is counted by a name of few words.

Owns: those names, refusals in the product's form. Not: a meaning of any call; a product's own frontend brings that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from proxy.errors import Broken, ProxyError, Reason, Refused, Throttled
from proxy.frontends import grpc
from proxy.model.feature import Feature
from proxy.model.operation import Read, Result, Write
from proxy.model.schema import Product
from proxy.ports import Catalog, Headers, Kind, Outcome, Reply, Request, Retry, Route

MAX_BODY: Final = 2**27
"""Bytes; of a request that is refused. What is relayed has the limit that the server sets."""
NAMES: Final = 500
"""Different calls that are counted; paths are the clients' texts, and names become labels of metrics."""
OTHER: Final = Route(Kind.OPAQUE, "other call")
_DEPTH: Final = 8
_GRPC: Final = re.compile(rb"/(?:[a-z0-9_]{1,40}\.){0,6}[A-Z][A-Za-z0-9]{0,60}/[A-Z][A-Za-z0-9]{0,60}")
"""A service and its method."""
_WORDS: Final[Mapping[Product, str]] = {
    Product.MILVUS: "v1 v2 vector vectordb",
    Product.QDRANT: (
        "collections points search query recommend discover scroll count facet payload vectors delete batch groups matrix pairs"
        " offsets index aliases snapshots cluster shards telemetry metrics healthz readyz livez exists clear recover issues"
    ),
    Product.WEAVIATE: (
        "v1 meta objects schema batch references graphql nodes backups tenants properties shards aliases authz users roles"
        " groups cluster statistics replication export search aggregate near-text bm25 hybrid near-object index vectors restore"
        " .well-known ready live openid-configuration validate classifications grpc-web"
    ),
    Product.PINECONE: (
        "indexes create-for-model backups create-index restore-jobs collections embed rerank models backup-schedules convert"
        " vectors upsert query fetch fetch_by_metadata update delete list describe_index_stats namespaces records search"
        " documents bulk imports"
    ),
}
"""The product's own words in paths; whatever else stands there is a name or an id, and is told as `*`."""
_CODES: Final[Mapping[Reason, tuple[int, grpc.Code]]] = {
    Reason.INVALID: (400, grpc.Code.INVALID_ARGUMENT),
    Reason.NOT_FOUND: (404, grpc.Code.NOT_FOUND),
    Reason.ALREADY_EXISTS: (409, grpc.Code.ALREADY_EXISTS),
    Reason.UNSUPPORTED: (501, grpc.Code.UNIMPLEMENTED),
    Reason.UNAUTHENTICATED: (401, grpc.Code.UNAUTHENTICATED),
    Reason.FORBIDDEN: (403, grpc.Code.PERMISSION_DENIED),
    Reason.TOO_LARGE: (413, grpc.Code.RESOURCE_EXHAUSTED),
}
_BODIES: Final[Mapping[Product, Callable[[str, grpc.Code], Any]]] = {
    Product.MILVUS: lambda text, code: {"code": int(code), "message": text},
    Product.QDRANT: lambda text, code: {"status": {"error": text}, "time": 0.0},
    Product.WEAVIATE: lambda text, code: {"error": [{"message": text}]},
    Product.PINECONE: lambda text, code: {"code": int(code), "message": text, "details": []},
}
_JSON: Final[Headers] = ((b"content-type", b"application/json"),)


class PassthroughFrontend:
    """ports.Frontend, as far as phase passthrough asks; it is never entered in another."""

    speaks: frozenset[Feature] = frozenset()
    max_body = MAX_BODY

    def __init__(self, product: Product) -> None:
        self.product = product
        self._words = {b"", *(word.encode() for word in _WORDS[product].split())}
        self._routes: dict[bytes, Route] = {}

    def route(self, method: bytes, path: bytes, role: str) -> Route:
        name = path if _GRPC.fullmatch(path) else method + b" /" + self._bare(path)
        return self._routes.get(name) or self._met(method, name)

    def _bare(self, path: bytes) -> bytes:
        parts = path.partition(b"?")[0].split(b"/")[1 : _DEPTH + 1]
        return b"/".join([part if part in self._words else b"*" for part in parts])

    def _met(self, method: bytes, name: bytes) -> Route:
        if len(self._routes) >= NAMES:
            return OTHER
        retry = Retry.SAFE if method in (b"GET", b"HEAD") else Retry.NEVER
        route = self._routes[name] = Route(Kind.OPAQUE, name.decode("utf-8", "replace"), retry)
        return route

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        status, code = _coded(error)
        if (grpc.header(request.headers, b"content-type") or "").startswith("application/grpc"):
            return grpc.failed(code, str(error))
        return Reply(status, _JSON, orjson.dumps(_BODIES[self.product](str(error), code)))

    # ---- what only later phases ask ----

    def collection(self, request: Request, catalog: Catalog) -> str:
        return ""

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        raise self._unread()

    def outcome(self, request: Request, reply: Reply) -> Outcome:
        raise self._unread()

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply:
        raise self._unread()

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        raise self._unread()

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        raise self._unread()

    def _unread(self) -> Broken:
        return Broken(f"{self.product} is only relayed: nothing reads its calls")


def _coded(error: ProxyError) -> tuple[int, grpc.Code]:
    match error:
        case Refused():
            return _CODES[error.reason]
        case Throttled():
            return 429, grpc.Code.RESOURCE_EXHAUSTED
        case Broken():
            return 500, grpc.Code.INTERNAL
        case _:
            return 503, grpc.Code.UNAVAILABLE
