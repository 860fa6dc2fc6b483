"""The admin API: JSON over HTTP, one call a command. docs/admin-api.md lists it.

Owns: paths, bodies, status codes. Not: who may ask (admission.py), the port (port.py), what a command does (operator.py),
what it looks like on a terminal (render.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, ValidationError

from proxy.config import AdminConfig
from proxy.control.admission import Call, admission
from proxy.control.operator import GatesClosed, Operator
from proxy.errors import Broken, Reason, Refused, Unavailable
from proxy.telemetry.metrics import REGISTRY

log = logging.getLogger(__name__)

MAX_BODY: Final = 1 << 20
BODY_SECONDS: Final = 10.0
_STATUS: Final[Mapping[Reason, int]] = {
    Reason.NOT_FOUND: 404,
    Reason.ALREADY_EXISTS: 409,
    Reason.UNAUTHENTICATED: 401,
    Reason.FORBIDDEN: 403,
    Reason.TOO_LARGE: 413,
}

B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """Of a call; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PhaseBody(Body):
    phase: str
    who: str = ""
    why: str = ""


class ChangeBody(Body):
    force: tuple[str, ...] = ()
    who: str = ""
    why: str = ""


class TaskBody(Body):
    collections: tuple[str, ...] = ()


class ParkedBody(Body):
    numbers: tuple[int, ...] = ()


def application(operator: Operator, config: AdminConfig) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_errors, admission(config)])
    app.add_routes(
        [
            web.get("/healthz", _healthz),
            web.get("/readyz", _readyz(operator)),
            web.get("/metrics", _metrics(operator)),
            web.get("/v1/status", _json(lambda _: operator.status())),
            web.get("/v1/check", _json(lambda _: operator.check())),
            web.get("/v1/plan", _json(lambda request: operator.plan(_names(request)))),
            web.get("/v1/assess", _json(lambda _: operator.assess())),
            web.get("/v1/history", _json(lambda _: operator.history())),
            web.post("/v1/phase", _with_body(PhaseBody, lambda _, body: operator.enter(body.phase, body.who, body.why))),
            web.post("/v1/cutover", _with_body(ChangeBody, lambda _, body: operator.cutover(body.who, body.why, body.force))),
            web.post("/v1/rollback", _with_body(ChangeBody, lambda _, body: operator.rollback(body.who, body.why, body.force))),
            web.get("/v1/tasks/{name}", _json(lambda request: operator.task(_part(request, "name")))),
            web.post(
                "/v1/tasks/{name}",
                _with_body(TaskBody, lambda request, body: operator.start_task(_part(request, "name"), body.collections)),
            ),
            web.post("/v1/tasks/{name}/cancel", _json(lambda request: operator.cancel(_part(request, "name")))),
            web.get("/v1/diff", _json(lambda request: operator.diff(request.query.get("collection"), _limit(request)))),
            web.get("/v1/parked", _json(lambda _: operator.parked())),
            web.post(
                "/v1/parked/{what}",
                _with_body(ParkedBody, lambda request, body: operator.unpark(_part(request, "what"), body.numbers)),
            ),
            web.post("/v1/pause/{what}", _json(lambda request: operator.pause(_part(request, "what")))),
            web.post("/v1/resume/{what}", _json(lambda request: operator.resume(_part(request, "what")))),
        ]
    )
    return app


# ---- what every call goes through ----


@web.middleware
async def _errors(request: web.Request, handler: Call) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatesClosed as error:
        return web.json_response({"error": str(error), "gates": error.gates}, status=409)
    except Refused as error:
        return web.json_response({"error": str(error)}, status=_STATUS.get(error.reason, 400))
    except Unavailable as error:
        return web.json_response({"error": str(error)}, status=503)
    except Broken as error:
        log.exception("an admin call found a broken invariant", extra={"path": request.path})
        return web.json_response({"error": f"a bug of ours: {error}"}, status=500)
    except web.HTTPException as error:  # no such path, wrong method, a body that is too large
        return web.json_response({"error": f"{request.method} {request.path}: {error.reason}"}, status=error.status)


def _json(work: Callable[[web.Request], Awaitable[Any]]) -> Call:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(await work(request))

    return answer


def _with_body(kind: type[B], work: Callable[[web.Request, B], Awaitable[Any]]) -> Call:
    async def answer(request: web.Request) -> web.Response:
        try:
            body = kind.model_validate_json(await _read(request) or b"{}")
        except ValidationError as error:
            raise Refused(_wrong(kind, error)) from None
        return web.json_response(await work(request, body))

    return answer


async def _read(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason=f"the body took longer than {BODY_SECONDS:g} s") from None


def _wrong(kind: type[Body], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"the body is wrong: {where + ': ' if where else ''}{first['msg']}; it may have {', '.join(kind.model_fields)}"


def _part(request: web.Request, name: str) -> str:
    return request.match_info[name]


def _names(request: web.Request) -> tuple[str, ...]:
    text = request.query.get("collections", "")
    return tuple(name for name in text.split(",") if name)


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "20")
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise Refused("limit must be from 1 to 1000")
    return int(text)


# ---- the calls that have no JSON ----


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readyz(operator: Operator) -> Call:
    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if operator.ready() else web.Response(text="starting\n", status=503)

    return readyz


def _metrics(operator: Operator) -> Call:
    async def metrics(_: web.Request) -> web.Response:
        operator.gauge()
        return web.Response(body=generate_latest(REGISTRY), headers={"content-type": CONTENT_TYPE_LATEST})

    return metrics
