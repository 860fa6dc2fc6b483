"""Milvus's wire protocol: gRPC, and on the same port REST v1 as far as mirroring needs it."""

from __future__ import annotations

from typing import Final

from proxy.errors import Broken, NotFound, ProxyError, Reason, Refused
from proxy.frontends import grpc
from proxy.frontends.milvus import errors, rest
from proxy.frontends.milvus.answer import LOGICAL_BITS, answer
from proxy.frontends.milvus.calls import MAX_BODY, Incoming, answered, incoming, named
from proxy.frontends.milvus.decode_read import decode_read
from proxy.frontends.milvus.decode_schema import decode_schema
from proxy.frontends.milvus.decode_write import decode_write
from proxy.frontends.milvus.encode import encode
from proxy.frontends.milvus.operand import TARGET
from proxy.frontends.milvus.parse import parse_read
from proxy.frontends.milvus.routes import METHODS, route
from proxy.model.feature import Feature
from proxy.model.operation import Read, Remove, RemoveWhere, Result, Write, collection_of
from proxy.model.schema import Product
from proxy.ports import Catalog, Clock, Kind, Outcome, Reply, Request, Route

_UNSPOKEN: Final = frozenset(
    {
        Feature.MANHATTAN,
        Feature.MULTI_VECTORS,
        Feature.UUID_IDS,
        Feature.NON_FINITE_VALUES,
        Feature.FILTER_TEXT,
        Feature.FILTER_GEO,
        Feature.FILTER_HAS_VECTOR,
        Feature.FILTER_NESTED,
    }
)
"""Not in Milvus, or Milvus's own meaning of it differs so much from the model's that it is refused by name."""


class MilvusFrontend:
    """Implements `ports.Frontend`. Keeps one thing: the last timestamp that it gave."""

    product = Product.MILVUS
    speaks = frozenset(Feature) - _UNSPOKEN
    max_body = MAX_BODY

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def route(self, method: bytes, path: bytes, role: str) -> Route:
        return route(method, path)

    def collection(self, request: Request, catalog: Catalog) -> str:
        name = _named(request, catalog)
        try:
            return catalog.resolve(name) if name else ""
        except NotFound:
            return name

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        kind = route(request.method, request.path).kind
        if rest.is_rest(request.path) and kind is Kind.WRITE:
            return rest.decode(request, catalog, reply)
        call = incoming(request)
        match kind:
            case Kind.READ:
                return decode_read(call, catalog)
            case Kind.WRITE:
                return decode_write(call, catalog, None if reply is None else answered(request, reply))
            case Kind.SCHEMA:
                return decode_schema(call, catalog, accepted=reply is not None)
            case Kind.ADMIN | Kind.OPAQUE:
                raise Refused(f"{call.method} is not supported by {TARGET}", Reason.UNSUPPORTED)

    def outcome(self, request: Request, reply: Reply) -> Outcome:
        if rest.is_rest(request.path):
            return errors.outcome_of(rest.outcome_error(reply))
        return errors.outcome(request, reply)

    def is_error(self, request: Request, reply: Reply) -> bool:
        return self.outcome(request, reply) is not Outcome.ACCEPTED

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply:
        if rest.is_rest(request.path):
            if isinstance(operation, (Remove, RemoveWhere)):
                return rest.deleted()
            raise Broken("REST knows no reply to this")
        message = encode(incoming(request), operation, result, catalog, self._timestamp())
        return grpc.succeeded(message.SerializeToString())

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        call = incoming(request)
        if METHODS[call.method].kind is not Kind.ADMIN:
            raise Refused(f"{call.method} is not supported by {TARGET}", Reason.UNSUPPORTED)
        return grpc.succeeded(answer(call, catalog, self._timestamp()).SerializeToString())

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        return rest.refusal(error) if rest.is_rest(request.path) else errors.refusal(request, error)

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        code, text = grpc.status_of(reply)
        if code is not grpc.Code.OK:
            raise Refused(f"milvus: {code.name} {text}")
        return parse_read(answered(request, reply), operation, catalog.schema(collection_of(operation)))

    def _timestamp(self) -> int:
        """Milvus's own kind: clients order by it, so it only grows."""
        self._last = max(self._last + 1, int(self._clock.now() * 1000) << LOGICAL_BITS)
        return self._last


def _named(request: Request, catalog: Catalog) -> str:
    """ "" where the request names no collection, or is none that can be read."""
    try:
        if rest.is_rest(request.path):
            return rest.named(request)
        call: Incoming = incoming(request)
    except Refused:
        return ""
    if call.method == "DropAlias":
        return catalog.aliases().get(call.name(call.message.alias), "")
    return named(call)
