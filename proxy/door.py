"""Stands between the listeners and the router while the sidecar starts: requests that come early wait instead of failing."""

from __future__ import annotations

from proxy.ports import Exchange, Handler


class Door:
    """ports.Handler. Opened once, when the router is ready; the bodies of those that wait are bounded by their credit."""

    def __init__(self) -> None:
        self._inside: Handler | None = None
        self._waiting: list[tuple[Exchange, str]] = []

    def begin(self, exchange: Exchange, role: str) -> None:
        if self._inside is None:
            self._waiting.append((exchange, role))
        else:
            self._inside.begin(exchange, role)

    def open(self, inside: Handler) -> None:
        self._inside = inside
        waiting, self._waiting = self._waiting, []
        for exchange, role in waiting:
            inside.begin(exchange, role)
