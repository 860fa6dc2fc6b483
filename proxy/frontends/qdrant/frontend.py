"""Qdrant's wire protocol: REST and gRPC, on ports of their own, with one meaning."""

from __future__ import annotations

from typing import Final

from proxy.errors import NotFound, ProxyError, Reason, Refused
from proxy.frontends.qdrant import errors
from proxy.frontends.qdrant.answer import answer
from proxy.frontends.qdrant.calls import MAX_BODY, Call
from proxy.frontends.qdrant.decode_read import decode_read
from proxy.frontends.qdrant.decode_schema import decode_schema
from proxy.frontends.qdrant.decode_write import decode_write
from proxy.frontends.qdrant.encode_read import encode_read
from proxy.frontends.qdrant.encode_write import encode_write
from proxy.frontends.qdrant.parse import parse_read
from proxy.frontends.qdrant.routes import endpoint
from proxy.frontends.qdrant.words import TARGET
from proxy.model.feature import Feature
from proxy.model.operation import Read, Result, Write
from proxy.model.schema import Product
from proxy.ports import Catalog, Clock, Kind, Outcome, Reply, Request, Route

_UNSPOKEN: Final = frozenset(
    {
        Feature.BINARY_VECTORS,
        Feature.HALF_VECTORS,
        Feature.EXACT_VECTOR_LENGTH,
        Feature.EXACT_DOUBLES,
        Feature.NEGATIVE_IDS,
        Feature.STRING_IDS,
        Feature.AUTO_IDS,
        Feature.PARTITIONS,
        Feature.NON_FINITE_VALUES,
        Feature.FILTER_TEXT_RANGE,
        Feature.FILTER_EXISTS,  # an empty array is as a missing field there
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
            case Kind.WRITE:
                return decode_write(call, catalog)
            case Kind.SCHEMA:
                return decode_schema(call, catalog, accepted=reply is not None)
            case Kind.READ:
                return decode_read(call, catalog)
            case Kind.ADMIN | Kind.OPAQUE:
                raise Refused(f"{call.endpoint.route.name} is not supported by {TARGET}", Reason.UNSUPPORTED)

    def outcome(self, request: Request, reply: Reply) -> Outcome:
        return errors.outcome(request, reply)

    def is_error(self, request: Request, reply: Reply) -> bool:
        return errors.is_error(request, reply)

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply:
        if isinstance(operation, Write):
            return encode_write(Call(request), operation)
        return encode_read(Call(request), operation, result, catalog)

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        call = Call(request)
        if call.endpoint.route.kind is not Kind.ADMIN:
            raise Refused(f"{call.endpoint.route.name} is not supported by {TARGET}", Reason.UNSUPPORTED)
        return answer(call, catalog)

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        return errors.refusal(request, error)

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        return parse_read(Call(request), request, operation, reply, catalog.schema(operation.collection))
