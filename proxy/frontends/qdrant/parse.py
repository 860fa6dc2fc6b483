"""Qdrant's own replies to reads, in model terms, for comparison with the other side.

Compared are fetches, pages, counts and searches. Not: groups and fusions, whose values are of no point, and answers that show
parts of fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest

from proxy.errors import Reason, Refused
from proxy.frontends import grpc
from proxy.frontends.qdrant.calls import Call, answered
from proxy.frontends.qdrant.encode_read import queries_of
from proxy.frontends.qdrant.ids import point_id
from proxy.frontends.qdrant.routes import GRPC, Action
from proxy.frontends.qdrant.selectors import shows_whole_fields
from proxy.frontends.qdrant.values import vector_of
from proxy.model.operation import Count, Fetch, Hit, Like, Page, PageFrom, Read, Result, Search
from proxy.model.point import Key, Point, Vector
from proxy.model.schema import Schema
from proxy.ports import Reply, Request


def parse_read(call: Call, request: Request, operation: Read, reply: Reply, schema: Schema) -> Result:
    """Raises Refused where the reply is an error, and where there is nothing to compare."""
    _refuse_what_is_not_compared(call, operation)
    found = _from_grpc(call, request, reply) if call.role == GRPC else _from_rest(reply)
    match operation:
        case Count():
            return int(found["count"])
        case Fetch():
            points = [found] if call.action is Action.GET_POINT else found
            return {point.key: point for point in (_point(each, schema) for each in points)}
        case PageFrom():
            following = found["next_page_offset"]
            key = None if following is None else Key(schema.collection, None, point_id(following))
            return Page(tuple(_point(each, schema) for each in found["points"]), end=key is None, next=key)
        case _:
            return tuple(tuple(_hit(each, schema) for each in row) for row in _rows(call, found))


def _refuse_what_is_not_compared(call: Call, operation: Read) -> None:
    # Qdrant's number of points in a collection's description is approximate.
    described = call.action is Action.GET_COLLECTION
    if described or not isinstance(operation, Count | Fetch | PageFrom | Search | Like):
        raise Refused(f"answers to `{call.action}` are not compared", Reason.UNSUPPORTED)
    asked = () if isinstance(operation, Count | Search | Like) else queries_of(call)
    if not all(shows_whole_fields(each.with_payload, default=True) for each in asked):
        raise Refused("answers with parts of fields are not compared", Reason.UNSUPPORTED)


# ---- both protocols as the REST server's JSON ----


def _from_rest(reply: Reply) -> Any:
    if reply.status != 200:
        raise Refused(f"qdrant: {reply.status} {reply.body[:200].decode('utf-8', 'replace')}")
    try:
        return orjson.loads(reply.body)["result"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Refused(f"qdrant's reply cannot be read: {error}") from error


def _from_grpc(call: Call, request: Request, reply: Reply) -> Any:
    code, text = grpc.status_of(reply)
    if code is not grpc.Code.OK:
        raise Refused(f"qdrant: {code.name} {text}")
    message = answered(request, reply)
    match call.body:
        case models.CountRequest():
            return {"count": message.result.count}
        case models.PointRequest():
            return list(map(_record, message.result))
        case models.ScrollRequest():
            following = GrpcToRest.convert_point_id(message.next_page_offset) if message.HasField("next_page_offset") else None
            return {"points": list(map(_record, message.result)), "next_page_offset": following}
        case models.QueryRequestBatch():
            return [list(map(_scored, row.result)) for row in message.result]
        case _:
            return list(map(_scored, message.result))


def _record(message: Any) -> dict[str, Any]:
    return _dumped(GrpcToRest.convert_retrieved_point(message))


def _scored(message: Any) -> dict[str, Any]:
    return _dumped(GrpcToRest.convert_scored_point(message))


def _dumped(found: BaseModel) -> dict[str, Any]:
    return found.model_dump()


def _rows(call: Call, found: Any) -> Sequence[Any]:
    """One a query; over REST each may be in an object with `points`."""
    rows = found if isinstance(call.body, models.QueryRequestBatch) else [found]
    return [row["points"] if isinstance(row, dict) else row for row in rows]


# ---- points ----


def _hit(found: Mapping[str, Any], schema: Schema) -> Hit:
    point = _point(found, schema)
    return Hit(point.key, float(found["score"]), point)


def _point(found: Mapping[str, Any], schema: Schema) -> Point:
    key = Key(schema.collection, None, point_id(found["id"]))
    return Point(key, _vectors(found.get("vector"), schema), found.get("payload") or {})


def _vectors(found: Any, schema: Schema) -> dict[str, Vector]:
    """Of those that the catalog knows; named ones in an object, which one sparse vector is as well over REST."""
    named = found if isinstance(found, dict) else {} if found is None else {"": found}
    return {name: _vector(raw, schema, name) for name, raw in named.items() if name in schema.vectors}


def _vector(raw: Any, schema: Schema, name: str) -> Vector:
    sparse = models.SparseVector(**raw) if isinstance(raw, dict) else raw
    return vector_of(sparse, schema.vectors[name])
