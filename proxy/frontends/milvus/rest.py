"""Milvus's REST API, version 1, as far as mirroring needs it: which keys a write touched, and how it ended.

Its reads are relayed and have no meaning here; after cutover the whole API is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from proxy.errors import NotFound, ProxyError, Reason, Refused, Throttled, Uncertain
from proxy.frontends.milvus.calls import SERVER_IDS, every_partition, prefix_only
from proxy.frontends.milvus.filter import filter_of
from proxy.frontends.milvus.operand import Scope
from proxy.frontends.milvus.rest_parts import Named, Rows, names, names_ahead, rows
from proxy.frontends.milvus.routes import REST
from proxy.milvus.schema import DEFAULT_DATABASE, collection_name
from proxy.milvus.status import CODES, error_of, failed
from proxy.model.filter import HasId
from proxy.model.operation import DataWrite, Opaque, Put, Remove, RemoveWhere
from proxy.model.point import Key, Point, PointId, keys_of_ids
from proxy.model.schema import IdKind, Schema
from proxy.ports import Catalog, Reply, Request

_SUCCESS: Final = 200
_INT64: Final = 2**63
_JSON: Final = ((b"content-type", b"application/json"),)


def is_rest(path: bytes) -> bool:
    return path.startswith(REST.encode())


def body_of(raw: bytes) -> dict[str, Any]:
    """Raises Refused where it is no JSON object."""
    try:
        body = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError as error:
        raise Refused(f"can only accept json format request: {error}") from error
    if not isinstance(body, dict):
        raise Refused("can only accept a JSON object")
    return body


def named(request: Request) -> str:
    return _name(names(request.body) or _names_of(body_of(request.body)))


def _name(found: Named) -> str:
    database, bare = str(found.dbName or ""), str(found.collectionName or "")
    return collection_name("" if database == DEFAULT_DATABASE else database, bare) if bare else ""


def _names_of(body: Mapping[str, Any]) -> Named:
    return Named(body.get("dbName"), body.get("collectionName"))


def decode(request: Request, catalog: Catalog, reply: Reply | None) -> DataWrite:
    """Only the keys: how the server turned JSON into rows is read back from it. Raises Refused."""
    if request.path.partition(b"?")[0].endswith(b"/delete"):
        return _delete(body_of(request.body), _schema(named(request), catalog), catalog)
    schema, found = _at_once(request.body, catalog) or _whole(request, catalog)
    ids = _made_ids(reply, schema) or _given_ids(found, schema)
    if ids is None:
        return Opaque(schema.collection, SERVER_IDS)
    points = tuple([Point(key, {}) for key in keys_of_ids(schema.collection, None, ids)])
    return Put(schema.collection, points, insert=request.path.endswith(b"/insert"), complete=False)


def _delete(body: Mapping[str, Any], schema: Schema, catalog: Catalog) -> DataWrite:
    given, text = body.get("id"), str(body.get("filter") or "")
    if given is None and not text.strip():
        raise Refused("missing required parameters: a delete needs an id or a filter")
    if given is None:
        condition = filter_of(text, Scope(schema, {}, prefix_only(catalog)))
    else:
        values = given if isinstance(given, list) else [given]
        condition = HasId(frozenset(_id(value, schema) for value in values))
    match condition:
        case HasId(ids):
            keys = (Key(schema.collection, where, id) for where in every_partition(schema) for id in ids)
            return Remove(schema.collection, frozenset(keys))
        case _:
            return RemoveWhere(schema.collection, condition)


def _made_ids(reply: Reply | None, schema: Schema) -> tuple[PointId, ...]:
    told = body_of(reply.body).get("data") if reply is not None else None
    made = told.get("insertIds") or told.get("upsertIds") if isinstance(told, dict) else None
    return tuple(_id(value, schema) for value in made) if isinstance(made, list) else ()


def _schema(name: str, catalog: Catalog) -> Schema:
    return catalog.schema(catalog.resolve(name))


def _at_once(raw: bytes, catalog: Catalog) -> tuple[Schema, list[Any]] | None:
    """The collection and the ids in one pass, where the names before the rows turn out to be the body's."""
    guess = names_ahead(raw)
    if guess is None:
        return None
    try:
        schema = _schema(_name(guess), catalog)
    except NotFound:
        return None
    found: Rows | None = rows(raw, schema.id_name)
    return (schema, found.ids) if found is not None and found.named == guess else None


def _whole(request: Request, catalog: Catalog) -> tuple[Schema, list[Any] | None]:
    schema = _schema(named(request), catalog)
    found = rows(request.body, schema.id_name)
    return schema, _ids_of_rows(body_of(request.body).get("data"), schema.id_name) if found is None else found.ids


def _given_ids(found: list[Any] | None, schema: Schema) -> tuple[PointId, ...] | None:
    return None if found is None else tuple(_id(id, schema) for id in found)


def _ids_of_rows(data: Any, id_name: str) -> list[Any] | None:
    rows = data if isinstance(data, list) else [data]
    return [row[id_name] for row in rows] if all(isinstance(row, dict) and id_name in row for row in rows) else None


def _id(value: object, schema: Schema) -> PointId:
    try:
        id = int(str(value)) if schema.id_kind is IdKind.INT64 else str(value)
    except ValueError:
        raise Refused(f"{value!r} is no id of {schema.collection}") from None
    if isinstance(id, int) and not -_INT64 <= id < _INT64:
        raise Refused(f"{id} is no 64-bit number")
    return id


def outcome_error(reply: Reply) -> ProxyError | None:
    """None for success; Uncertain where the reply does not tell."""
    try:
        body = body_of(reply.body)
    except Refused:
        return Uncertain("the reply is no JSON object")
    code, text = body.get("code"), str(body.get("message") or "")
    if reply.status >= 500 or not isinstance(code, int):
        return Uncertain(f"HTTP {reply.status} {text}")
    return None if code == _SUCCESS else error_of(failed(code, text))


def refusal(error: ProxyError) -> Reply:
    reason = error.reason if isinstance(error, Refused) else None
    status = {None: 503, Reason.UNAUTHENTICATED: 401, Reason.FORBIDDEN: 403, Reason.TOO_LARGE: 413}.get(reason, 200)
    code = CODES[reason] if reason else (8 if isinstance(error, Throttled) else 2)
    return reply_of(status, {"code": code, "message": str(error)})


def deleted() -> Reply:
    return reply_of(200, {"code": _SUCCESS, "data": {}})


def reply_of(status: int, body: Mapping[str, Any]) -> Reply:
    raw = orjson.dumps(body)
    return Reply(status, (*_JSON, (b"content-length", str(len(raw)).encode())), raw)
