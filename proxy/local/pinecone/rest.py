"""The data plane over REST. Owns: which path is which call, JSON. Not: what a call means (calls)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from proxy.local.pinecone.calls import CALLS, run
from proxy.local.pinecone.config import DATA_BODY
from proxy.local.pinecone.errors import INVALID, Fault, absent
from proxy.local.pinecone.records import Records

_POSTS: Final[Mapping[str, str]] = {
    "/vectors/upsert": "Upsert",
    "/query": "Query",
    "/vectors/fetch_by_metadata": "FetchByMetadata",
    "/vectors/update": "Update",
    "/vectors/delete": "Delete",
    "/describe_index_stats": "DescribeIndexStats",
    "/namespaces": "CreateNamespace",
}
_GETS: Final[Mapping[str, str]] = {
    "/vectors/fetch": "Fetch",
    "/vectors/list": "List",
    "/describe_index_stats": "DescribeIndexStats",
    "/namespaces": "ListNamespaces",
    "/namespaces/{namespace}": "DescribeNamespace",
}
_DELETES: Final[Mapping[str, str]] = {"/namespaces/{namespace}": "DeleteNamespace", "/vectors/delete": "Delete"}
_SNAKE: Final = frozenset({"ListNamespaces", "DescribeNamespace", "CreateNamespace"})
"""Whose JSON has the names of the fields as they are."""


def application(records: Records, api_key: str | None) -> web.Application:
    app = web.Application(client_max_size=DATA_BODY)
    for method, paths in (("POST", _POSTS), ("GET", _GETS), ("DELETE", _DELETES)):
        for path, name in paths.items():
            app.router.add_route(method, path, _endpoint(records, name, api_key))
    app.router.add_route("*", "/{path:.*}", _unknown)
    return app


def _endpoint(records: Records, name: str, api_key: str | None) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def endpoint(request: web.Request) -> web.Response:
        if api_key is not None and request.headers.get("api-key") != api_key:
            return web.Response(status=401, text="Unauthorized")
        try:
            reply, lsn = run(records, name, _parsed(name, await _tree(request)))
        except Fault as fault:
            return _json(fault.of_data(), fault.kind.http)
        tree = MessageToDict(reply, preserving_proto_field_name=name in _SNAKE, always_print_fields_with_no_presence=True)
        return _json(tree, headers=dict([lsn]))

    return endpoint


async def _tree(request: web.Request) -> Any:
    if request.method != "POST" and not request.can_read_body:
        query = {key: request.query[key] for key in request.query if key != "ids"}
        ids = {"ids": request.query.getall("ids")} if "ids" in request.query else {}
        return {**query, **ids, **request.match_info}
    try:
        return orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise Fault(INVALID, f"Invalid JSON: {error}") from error


def _parsed(name: str, tree: Any) -> Any:
    try:
        return ParseDict(tree, CALLS[name].request(), ignore_unknown_fields=True)
    except (ParseError, AttributeError, TypeError) as error:
        raise Fault(INVALID, str(error)) from error


async def _unknown(request: web.Request) -> web.Response:
    fault = absent(f"{request.method} {request.path} is")
    return _json(fault.of_data(), fault.kind.http)


def _json(tree: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(tree), status=status, content_type="application/json", headers=headers)
