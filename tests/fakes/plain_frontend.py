"""A wire protocol as small as can be: JSON bodies, one path a call. For tests of what stands above any product."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from proxy.errors import ProxyError, Refused
from proxy.model.feature import Feature
from proxy.model.filter import EVERYTHING, Equals
from proxy.model.operation import (
    CreateCollection,
    DropAlias,
    DropCollection,
    DropPartition,
    Opaque,
    Patch,
    Put,
    Read,
    Remove,
    RemoveWhere,
    RenameCollection,
    Result,
    SetAlias,
    Write,
)
from proxy.model.point import Key, Point
from proxy.model.schema import Metric, Product, Schema, VectorField, VectorKind
from proxy.ports import Catalog, Kind, Outcome, Reply, Request, Route

ROUTES: Mapping[bytes, Route] = {
    b"/put": Route(Kind.WRITE, "put"),
    b"/put_auto": Route(Kind.WRITE, "put_auto", needs_reply=True),
    b"/patch": Route(Kind.WRITE, "patch"),
    b"/remove": Route(Kind.WRITE, "remove"),
    b"/remove_where": Route(Kind.WRITE, "remove_where", by_filter=True),
    b"/opaque": Route(Kind.WRITE, "opaque"),
    b"/create": Route(Kind.SCHEMA, "create"),
    b"/drop": Route(Kind.SCHEMA, "drop"),
    b"/rename": Route(Kind.SCHEMA, "rename"),
    b"/alias": Route(Kind.SCHEMA, "alias"),
    b"/drop_alias": Route(Kind.SCHEMA, "drop_alias"),
    b"/drop_partition": Route(Kind.SCHEMA, "drop_partition"),
}


def request(path: str, collection: str, **fields: Any) -> Request:
    return Request(
        b"POST", f"/{path}".encode(), ((b"authorization", b"secret"),), json.dumps({"c": collection, **fields}).encode()
    )


def put(collection: str, *pairs: tuple[int, float], path: str = "put") -> Request:
    """Pairs of id and value."""
    return request(path, collection, points=pairs)


def remove(collection: str, *ids: int) -> Request:
    return request("remove", collection, ids=ids)


def schema_of(collection: str, dim: int = 2) -> Schema:
    return Schema(collection, {"": VectorField("", VectorKind.DENSE, dim, Metric.EUCLIDEAN)})


def point(collection: str, number: int, value: float, dim: int = 2) -> Point:
    key = Key(collection, None, number)
    return Point(key, {"": np.full(dim, value, np.float32)}, {"v": value, "group": int(value) % 3})


class PlainFrontend:
    """ports.Frontend, as far as the mirror asks."""

    product = Product.QDRANT
    speaks: frozenset[Feature] = frozenset()
    max_body = 2**26

    def route(self, method: bytes, path: bytes, role: str) -> Route:
        return ROUTES[path]

    def collection(self, request: Request, catalog: Catalog) -> str:
        name = json.loads(request.body)["c"]
        return catalog.aliases().get(name, name)

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        if not request.body:
            raise Refused("no body")
        body = json.loads(request.body)
        if request.path == b"/create":
            return CreateCollection(schema_of(body["c"]))
        if request.path == b"/drop":  # of what is not there: no error, as in the products
            return DropCollection(catalog.aliases().get(body["c"], body["c"]))
        if request.path == b"/alias":
            return SetAlias(body["alias"], body["c"])
        if request.path == b"/drop_alias":
            return DropAlias(body["alias"])
        collection = catalog.resolve(body["c"])
        return _DECODERS[request.path](collection, body, reply)

    def outcome(self, request: Request, reply: Reply) -> Outcome:
        return Outcome.ACCEPTED if reply.status == 200 else Outcome.REFUSED

    def is_error(self, request: Request, reply: Reply) -> bool:
        return reply.status != 200

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply:
        raise NotImplementedError

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        raise NotImplementedError

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        return Reply(500, (), str(error).encode())

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        raise NotImplementedError


def _points(collection: str, pairs: list[list[float]]) -> tuple[Point, ...]:
    return tuple(point(collection, int(number), value) for number, value in pairs)


def _put_auto(collection: str, body: dict[str, Any], reply: Reply | None) -> Write:
    if reply is None:
        return Opaque(collection, "its ids are in the reply")
    ids = json.loads(reply.body)
    return Put(
        collection, _points(collection, [[number, value] for number, (_, value) in zip(ids, body["points"], strict=True)])
    )


def _remove_where(collection: str, body: dict[str, Any], reply: Reply | None) -> Write:
    return RemoveWhere(collection, EVERYTHING if body["group"] is None else Equals(("group",), body["group"]))


_DECODERS = {
    b"/put": lambda c, body, reply: Put(c, _points(c, body["points"])),
    b"/put_auto": _put_auto,
    b"/patch": lambda c, body, reply: Patch(c, _points(c, body["points"])),
    b"/remove": lambda c, body, reply: Remove(c, frozenset(Key(c, None, number) for number in body["ids"])),
    b"/remove_where": _remove_where,
    b"/opaque": lambda c, body, reply: Opaque(c, "nobody knows"),
    b"/rename": lambda c, body, reply: RenameCollection(c, body["to"]),
    b"/drop_partition": lambda c, body, reply: DropPartition(c, body["partition"]),
}
