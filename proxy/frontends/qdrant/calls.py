"""A request of either protocol as one call: its action, the names in its path, its body as the SDK's REST model.

Owns: parsing, and the refusals that parsing ends in. Not: what a call means (decode_*), which calls there are (routes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from pydantic import TypeAdapter, ValidationError
from qdrant_client import models as m
from qdrant_client.grpc import collections_service_pb2, points_service_pb2, qdrant_pb2

from proxy.errors import NotFound, Reason, Refused
from proxy.frontends import grpc
from proxy.frontends.qdrant.routes import GRPC, REST, Action, Endpoint, endpoint, is_grpc, variables
from proxy.ports import Catalog, Reply, Request
from proxy.qdrant import legacy
from proxy.qdrant.kinds import FORMAT, WRONG_INPUT, Kind
from proxy.qdrant.messages import BODIES

MAX_BODY: Final = 64 * 2**20 + grpc.PREFIX
"""Bounds what one request costs us. The server's own default is half of it over REST; over gRPC the server has no limit."""
COLLECTION: Final = "collection_name"


class KindRefusal(Refused):
    """A refusal with Qdrant's own code and prefix, where the reason alone does not say it."""

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


class Call:
    """`path`: its variable segments, percent-decoded. `query`: the REST query's. Both protocols name the collection in
    `collection` (as the client does, alias or not; "" where none is named). The body is parsed when it is asked for."""

    __slots__ = ("_body", "_message", "_request", "endpoint", "path", "query", "role")

    def __init__(self, request: Request) -> None:
        self._request = request
        self.role = GRPC if is_grpc(request.path) else REST
        self.endpoint: Endpoint = endpoint(request.method, request.path, self.role)
        known = self.role == REST and self.endpoint.action is not Action.OTHER
        self.path: Mapping[str, str] = variables(request.path, self.endpoint) if known else {}
        self.query: Mapping[str, str] = _query(request.path) if known else {}
        self._message: Any = None
        self._body: Any = None

    def __repr__(self) -> str:
        return f"<Call {self.endpoint.route.name}>"

    @property
    def action(self) -> Action:
        return self.endpoint.action

    @property
    def message(self) -> Any:
        """The protobuf request of a gRPC call. Raises Refused."""
        if self._message is None:
            kind = _class(self.endpoint.route.name)
            self._message = _parsed(kind, grpc.message(self._request.body, self._request.headers, MAX_BODY))
        return self._message

    @property
    def body(self) -> Any:
        """The REST model of what is asked (see `_BODIES`). Raises Refused."""
        if self._body is None:
            self._body = self._from_grpc() if self.role == GRPC else self._from_rest()
        return self._body

    @property
    def collection(self) -> str:
        """Raises Refused where a gRPC message cannot be read."""
        if self.role == GRPC:
            return getattr(self.message, COLLECTION, "")
        return self.path.get(COLLECTION, "")

    def text(self, name: str) -> str:
        """A name from the path, or from the message's field of that name."""
        return getattr(self.message, name) if self.role == GRPC else self.path[name]

    @property
    def wait(self) -> bool:
        return bool(getattr(self.message, "wait", False)) if self.role == GRPC else self.query.get("wait") == "true"

    def _from_grpc(self) -> Any:
        convert = BODIES.get(self.endpoint.route.name)
        if convert is None:
            return None
        try:
            return convert(self.message)
        except NotImplementedError as error:
            raise Refused(str(error), Reason.UNSUPPORTED) from error
        except (ValueError, TypeError, ArithmeticError) as error:  # what the SDK's conversions raise
            raise KindRefusal(_first_problem(error), WRONG_INPUT) from error

    def _from_rest(self) -> Any:
        parse = _BODIES.get(self.action)
        return parse(self) if parse is not None else None

    def json(self) -> Any:
        """Raises Refused where the body is no JSON (NaN is none)."""
        try:
            return orjson.loads(self._request.body) if self._request.body else {}
        except orjson.JSONDecodeError as error:
            raise KindRefusal(str(error), FORMAT) from None


def answered(request: Request, reply: Reply) -> Any:
    """The message of the primary's gRPC reply to this request. Raises Refused."""
    name = request.path.decode()
    return _parsed(GetMessageClass(_METHODS[name].output_type), grpc.message(reply.body, reply.headers, 2**32))


def response(call: Call) -> Any:
    """The class of a gRPC call's reply."""
    return GetMessageClass(_METHODS[call.endpoint.route.name].output_type)


def found(call: Call, catalog: Catalog) -> str:
    """The collection that the request is about. Raises NotFound as Qdrant does."""
    return resolved(call.collection, catalog)


def resolved(name: str, catalog: Catalog) -> str:
    try:
        return catalog.resolve(name)
    except NotFound:
        raise NotFound(f"Collection `{name}` doesn't exist!") from None


def refuse_shard_keys(key: object) -> None:
    """A point's key would depend on them. Raises Refused."""
    if key is not None:
        raise Refused("shard keys cannot be followed", Reason.UNSUPPORTED)


# ---- the bodies ----

_METHODS: Final = {
    f"/{service.full_name}/{method.name}": method
    for module, names in (
        (points_service_pb2, ("Points",)),
        (collections_service_pb2, ("Collections",)),
        (qdrant_pb2, ("Qdrant",)),
    )
    for service in map(module.DESCRIPTOR.services_by_name.__getitem__, names)
    for method in service.methods
}


def _class(path: str) -> Any:
    if path not in _METHODS:
        raise Refused(f"{path} is not a call that is known here", Reason.UNSUPPORTED)
    return GetMessageClass(_METHODS[path].input_type)


def _parsed(kind: Any, raw: bytes) -> Any:
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise Refused(f"the message is no {kind.DESCRIPTOR.name}: {error}") from error


def _query(path: bytes) -> dict[str, str]:
    return dict(parse_qsl(path.partition(b"?")[2].decode("utf-8", "replace"), keep_blank_values=True))


def _adapted(kind: Any) -> Callable[[Call], Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return lambda call: _validated(adapter, call.json())


def _validated(adapter: TypeAdapter[Any], body: Any) -> Any:
    try:
        return adapter.validate_python(body)
    except ValidationError as error:
        raise KindRefusal(_first_problem(error), FORMAT) from None


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


_QUERY: Final = TypeAdapter(m.QueryRequest)
_QUERIES: Final = TypeAdapter(m.QueryRequestBatch)
_GROUPS: Final = TypeAdapter(m.QueryGroupsRequest)


def _rewritten(adapter: TypeAdapter[Any], rewrite: Callable[[Any], Any]) -> Callable[[Call], Any]:
    """Of a search in the form from before queries."""

    def parse(call: Call) -> Any:
        body = call.json()
        try:
            query = rewrite(body)
        except ValueError as error:
            raise KindRefusal(str(error), FORMAT) from None
        return _validated(adapter, query)

    return parse


def _each(rewrite: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda body: {"searches": [rewrite(one) for one in legacy.batch(body)]}


def _get_point(call: Call) -> m.PointRequest:
    raw = call.path["id"]
    return m.PointRequest(ids=[int(raw) if raw.isdecimal() else raw], with_payload=True, with_vector=True)


_BODIES: Final[Mapping[Action, Callable[[Call], Any]]] = {
    Action.UPSERT: _adapted(m.PointInsertOperations),
    Action.DELETE: _adapted(m.PointsSelector),
    Action.UPDATE_VECTORS: _adapted(m.UpdateVectors),
    Action.DELETE_VECTORS: _adapted(m.DeleteVectors),
    Action.SET_PAYLOAD: _adapted(m.SetPayload),
    Action.OVERWRITE_PAYLOAD: _adapted(m.SetPayload),
    Action.DELETE_PAYLOAD: _adapted(m.DeletePayload),
    Action.CLEAR_PAYLOAD: _adapted(m.PointsSelector),
    Action.UPDATE_BATCH: _adapted(m.UpdateOperations),
    Action.CREATE_COLLECTION: _adapted(m.CreateCollection),
    Action.UPDATE_COLLECTION: _adapted(m.UpdateCollection),
    Action.UPDATE_ALIASES: _adapted(m.ChangeAliasesOperation),
    Action.CREATE_INDEX: _adapted(m.CreateFieldIndex),
    Action.CREATE_VECTOR: _adapted(m.VectorNameConfig),
    Action.GET_POINT: _get_point,
    Action.RETRIEVE: _adapted(m.PointRequest),
    Action.SCROLL: _adapted(m.ScrollRequest),
    Action.COUNT: _adapted(m.CountRequest),
    Action.FACET: _adapted(m.FacetRequest),
    Action.QUERY: _adapted(m.QueryRequest),
    Action.QUERY_BATCH: _adapted(m.QueryRequestBatch),
    Action.QUERY_GROUPS: _adapted(m.QueryGroupsRequest),
    Action.MATRIX_PAIRS: _adapted(m.SearchMatrixRequest),
    Action.MATRIX_OFFSETS: _adapted(m.SearchMatrixRequest),
    Action.SEARCH: _rewritten(_QUERY, legacy.search),
    Action.SEARCH_BATCH: _rewritten(_QUERIES, _each(legacy.search)),
    Action.SEARCH_GROUPS: _rewritten(_GROUPS, legacy.search),
    Action.RECOMMEND: _rewritten(_QUERY, legacy.recommend),
    Action.RECOMMEND_BATCH: _rewritten(_QUERIES, _each(legacy.recommend)),
    Action.RECOMMEND_GROUPS: _rewritten(_GROUPS, legacy.recommend),
    Action.DISCOVER: _rewritten(_QUERY, legacy.discover),
    Action.DISCOVER_BATCH: _rewritten(_QUERIES, _each(legacy.discover)),
}
