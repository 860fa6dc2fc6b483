"""How many calls went one way since the start, by what they were. Owns: counting. Not: who asks for it (telemetry, workers)."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.ports import Route


class Seen:
    """By name: the hash of a route is the hash of all its fields, on every request."""

    __slots__ = ("_routes", "_times")

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._routes: dict[str, Route] = {}

    def count(self, route: Route, times: int = 1) -> None:
        name = route.name
        if name in self._times:
            self._times[name] += times
        else:
            self._times[name] = times
            self._routes[name] = route

    def by_route(self) -> Iterator[tuple[Route, int]]:
        return zip(self._routes.values(), self._times.values(), strict=True)
