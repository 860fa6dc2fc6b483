"""Qdrant's wire protocol: REST and gRPC, on ports of their own, with one meaning."""

from __future__ import annotations

from typing import Final

from proxy.errors import NotFound, ProxyError, Reason, Refused
from proxy.frontends.qdrant import errors
from proxy.frontends.qdrant.calls import MAX_BODY, Call
from proxy.frontends.qdrant.routes import endpoint
from proxy.model.feature import Feature
from proxy.model.operation import Read, Result, Write
from proxy.model.schema import Product
from proxy.ports import Catalog, Clock, Kind, Outcome, Reply, Request, Route

_UNSPOKEN: Final = frozenset(
    {
        Feature.BINARY_VECTORS,
        Feature.HALF_VECTORS,
        Feature.EXACT_VECTOR_LENGTH,
        Feature.NEGATIVE_IDS,
        Feature.STRING_IDS,
        Feature.AUTO_IDS,
        Feature.PARTITIONS,
        Feature.FILTER_TEXT_RANGE,
        Feature.FILTER_LIKE,
        Feature.FILTER_ARITHMETIC,
        Feature.FILTER_FIELD_COMPARE,
        Feature.FILTER_ID_RANGE,
        Feature.SEARCH_RANGE,
        Feature.RENAME,
    }
)
"""Not in Qdrant: no request asks for it."""


class QdrantFrontend:
    """Implements `ports.Frontend`."""

    product = Product.QDRANT
    speaks = frozenset(Feature) - _UNSPOKEN
    max_body = MAX_BODY

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def route(self, method: bytes, path: bytes, role: str) -> Route:
        return endpoint(method, path, role).route

    def collection(self, request: Request, catalog: Catalog) -> str:
        try:
            name = Call(request).collection
        except Refused:
            return ""
        try:
            return catalog.resolve(name) if name else ""
        except NotFound:
            return name

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        call = Call(request)
        match call.endpoint.route.kind:
            case Kind.READ | Kind.WRITE | Kind.SCHEMA | Kind.ADMIN | Kind.OPAQUE:
                raise Refused(f"{call.endpoint.route.name} is not decoded", Reason.UNSUPPORTED)

    def outcome(self, request: Request, reply: Reply) -> Outcome:
        return errors.outcome(request, reply)

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply:
        raise Refused("nothing is encoded yet", Reason.UNSUPPORTED)

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        raise Refused("nothing is answered yet", Reason.UNSUPPORTED)

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        return errors.refusal(request, error)

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        raise Refused("nothing is parsed yet", Reason.UNSUPPORTED)
