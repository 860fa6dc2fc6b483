"""The REST side: an aiohttp application over the tables of calls.

Owns: envelope, errors, keys, refusals by name, the service pages. Not: what a call means (rest_collections, rest_points).
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from proxy.errors import Refused
from proxy.local.qdrant.config import REST_BODY_LIMIT, TITLE, VERSION, LocalQdrantConfig
from proxy.local.qdrant.errors import Fault, absent
from proxy.local.qdrant.keys import wrong_key
from proxy.local.qdrant.registry import Registry
from proxy.local.qdrant.rest_call import Call, Handler
from proxy.local.qdrant.rest_collections import COLLECTIONS
from proxy.local.qdrant.rest_json import dump, load
from proxy.local.qdrant.rest_points import POINTS

_OPEN_TO_ALL: Final = frozenset({"/", "/healthz", "/readyz", "/livez"})
_PAGES: Final = {"/healthz": "healthz check passed", "/livez": "healthz check passed", "/readyz": "all shards are ready"}

# What the real server has at these paths and this one has not; anything else unknown is a plain 404.
_ABSENT: Final = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r"(/collections/[^/]+(/shards/[^/]+)?)?/snapshots?(/.*)?", "snapshots are"),
        (r"/collections/[^/]+/shards(/.*)?", "shard keys are"),
        (r"(/collections/[^/]+)?/cluster(/.*)?", "the cluster API is"),
        (r"/issues", "issue reports are"),
        (r"/quotas", "quotas are"),
        (r"/collections/[^/]+/optimizations", "optimization reports are"),
    )
)


async def start(registry: Registry, config: LocalQdrantConfig) -> tuple[web.AppRunner, int]:
    """Listens; the caller cleans the runner up. Returns the port too. Raises Refused when it is in use."""
    runner = web.AppRunner(_application(registry, config.api_key), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, config.host, config.port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise Refused(f"cannot listen on {config.host}:{config.port} (REST): {error.strerror}") from error
    return runner, int(runner.addresses[0][1])


def _application(registry: Registry, api_key: str | None) -> web.Application:
    application = web.Application(client_max_size=REST_BODY_LIMIT, middlewares=[_keyed(api_key)])
    for (method, path), handler in {**COLLECTIONS, **POINTS}.items():
        application.router.add_route(method, path, _endpoint(registry, handler))
    application.router.add_get("/", _version)
    for path, text in _PAGES.items():
        application.router.add_get(path, _page(text))
    application.router.add_get("/metrics", _metrics(registry))
    application.router.add_get("/telemetry", _endpoint(registry, _telemetry))
    application.router.add_route("*", "/{path:.*}", _unknown)
    return application


def _keyed(api_key: str | None) -> Any:
    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = {name.lower(): value for name, value in request.headers.items()}
        if request.path not in _OPEN_TO_ALL and (problem := wrong_key(api_key, given)):
            return web.Response(status=401, text=problem)
        return await handler(request)

    return check


def _endpoint(registry: Registry, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def endpoint(request: web.Request) -> web.Response:
        began = time.perf_counter()
        body = await request.read()
        try:
            result = handler(Call(registry, request.match_info, request.query, load(body)))
        except Fault as fault:
            return _failed(fault, began)
        return _json({"result": result, "status": "ok", "time": time.perf_counter() - began})

    return endpoint


def _failed(fault: Fault, began: float) -> web.Response:
    return _json({"status": {"error": str(fault)}, "time": time.perf_counter() - began}, fault.kind.http)


def _json(tree: Any, status: int = 200) -> web.Response:
    return web.Response(body=dump(tree), status=status, content_type="application/json")


async def _unknown(request: web.Request) -> web.Response:
    for pattern, what in _ABSENT:
        if pattern.fullmatch(request.path):
            return _failed(absent(what), time.perf_counter())
    return web.Response(status=404)


async def _version(_: web.Request) -> web.Response:
    return _json({"title": TITLE, "version": VERSION, "commit": None})


def _page(text: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=text)

    return page


def _metrics(registry: Registry) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def metrics(_: web.Request) -> web.Response:
        lines = [f'app_info{{name="qdrant",version="{VERSION}"}} 1', f"collections_total {len(registry.names())}"]
        for collection in registry.collections():
            lines.append(f'collection_points{{id="{collection.name}"}} {collection.describe().points_count}')
        return web.Response(text="\n".join(lines) + "\n")

    return metrics


def _telemetry(call: Call) -> Any:
    return {
        "app": {"name": "qdrant", "version": VERSION},
        "collections": {"number_of_collections": len(call.registry.names())},
        "cluster": {"enabled": False},
    }
