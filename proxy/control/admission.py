"""Who may command the sidecar: whoever shows the token, and no web page.

Owns: the token, the headers by which a browser tells on whose behalf it asks. Not: the calls (http), how many may come (port).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from proxy.config import AdminConfig

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""For probes, which bring no token and learn nothing but a yes or no. /metrics names collections and calls, so it is none."""
_NO_TOKEN: Final = "the admin API asks for its token (--token-file, VECFERRY_ADMIN_TOKEN); a wrong one or none was shown"
_PAGE: Final = "a web page of another origin may not command the sidecar"
_NAME: Final = (
    "without a token the admin API answers only to an address or to localhost in the Host header, so that no web page can "
    "reach it under a name of its own: set admin.token, or ask by address"
)

Call = Callable[[web.Request], Awaitable[web.StreamResponse]]


def admission(config: AdminConfig) -> Middleware:
    token = config.token.get_secret_value().encode() if config.token is not None else None

    def objection(request: web.Request) -> tuple[int, str] | None:
        if request.path in OPEN_PATHS:
            return None
        if token is not None and not hmac.compare_digest(_shown(request), token):
            return 401, _NO_TOKEN
        if _of_a_page(request):
            return 403, _PAGE
        if token is None and not config.open and not _plain_host(request.headers.get("host", "")):
            return 403, _NAME
        return None

    @web.middleware
    async def admit(request: web.Request, handler: Call) -> web.StreamResponse:
        if (found := objection(request)) is None:
            return await handler(request)
        status, text = found
        return web.json_response(
            {"error": text}, status=status, headers={"www-authenticate": "Bearer"} if status == 401 else {}
        )

    return admit


def _shown(request: web.Request) -> bytes:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip().encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""


def _of_a_page(request: web.Request) -> bool:
    """A browser says where a page's request comes from when it could change something (RFC 6454)."""
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


def _plain_host(host: str) -> bool:
    """A name can be made to point here by whoever owns it (DNS rebinding); an address cannot. Clients without Host are no
    browsers.
    """
    name = host[: host.rindex(":")] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    try:
        return name in ("", "localhost") or bool(ip_address(name.strip("[]")))
    except ValueError:
        return False
