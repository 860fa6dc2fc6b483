"""Stands between the listeners and the router while the sidecar starts: requests that come early wait instead of failing."""

from __future__ import annotations

from typing import Final

from proxy.errors import Unavailable
from proxy.ports import Exchange, Frontend, Handler, Reply, Request

WAITING_LIMIT: Final = 10_000
"""Requests; their bodies are bounded by what their clients are granted."""


class Door:
    """ports.Handler. Opened once, when the router is ready."""

    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend
        self._inside: Handler | None = None
        self._waiting: list[tuple[Exchange, str]] = []

    def begin(self, exchange: Exchange, role: str) -> None:
        if self._inside is not None:
            self._inside.begin(exchange, role)
        elif len(self._waiting) < WAITING_LIMIT:
            self._waiting.append((exchange, role))
        else:
            exchange.serve(self._refuse)

    def open(self, inside: Handler) -> None:
        self._inside = inside
        waiting, self._waiting = self._waiting, []
        for exchange, role in waiting:
            inside.begin(exchange, role)

    async def _refuse(self, request: Request) -> Reply:
        return self._frontend.refuse(request, Unavailable("the proxy is starting, and too many requests wait for it"))
