"""The control plane over REST. Owns: paths, JSON, the key. Not: what an index is (indexes)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from proxy.local.pinecone.config import API_VERSION, CONTROL_BODY
from proxy.local.pinecone.errors import INVALID, UNAUTHENTICATED, Fault, absent
from proxy.local.pinecone.indexes import Indexes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(indexes: Indexes, api_key: str | None) -> web.Application:
    app = web.Application(client_max_size=CONTROL_BODY, middlewares=[_guarded(api_key)])

    async def listed(_: web.Request) -> web.Response:
        return _json(indexes.all())

    async def create(request: web.Request) -> web.Response:
        return _json(await indexes.create(await _body(request)), 201)

    async def describe(request: web.Request) -> web.Response:
        return _json(indexes.describe(request.match_info["name"]))

    async def configure(request: web.Request) -> web.Response:
        return _json(indexes.configure(request.match_info["name"], await _body(request)), 202)

    async def delete(request: web.Request) -> web.Response:
        await indexes.delete(request.match_info["name"])
        return web.Response(status=202)

    async def unknown(request: web.Request) -> web.Response:
        raise absent(f"{request.method} {request.path} is")

    app.add_routes(
        [
            web.get("/indexes", listed),
            web.post("/indexes", create),
            web.get("/indexes/{name}", describe),
            web.patch("/indexes/{name}", configure),
            web.delete("/indexes/{name}", delete),
            web.route("*", "/{path:.*}", unknown),
        ]
    )
    return app


def _guarded(api_key: str | None) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if api_key is not None and request.headers.get("api-key") != api_key:
                raise Fault(UNAUTHENTICATED, "Invalid API Key")
            reply = await handler(request)
        except Fault as fault:
            reply = _json(fault.of_control(), fault.kind.http)
        reply.headers["x-pinecone-api-version"] = API_VERSION
        if isinstance(reply, web.Response) and reply.body:
            # As a gateway before the real one may: who reads its replies must take it into account.
            reply.enable_compression()
        return reply

    return guard


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        found = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise Fault(INVALID, f"Invalid JSON: {error}") from error
    if not isinstance(found, dict):
        raise Fault(INVALID, "The body must be an object")
    return found


def _json(tree: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(tree), status=status, content_type="application/json")
