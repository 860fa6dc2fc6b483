"""What a worker does with an exchange: relays it to the source where that is granted, and to the core where it is not.

Owns: that choice, the count of what went past the core. Not: what the core does with the rest (routing.router).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.ports import Exchange, RelayTo, Route, Upstream
from proxy.routing.grant import NOTHING
from proxy.routing.plan import Action
from proxy.routing.shares import Draw
from proxy.routing.traced import TracedExchange
from proxy.shadow.sample import Sampler
from proxy.telemetry.traces import tracer

_TRACES: Final = Sampler(seed=2)


@dataclass(frozen=True, slots=True)
class Ways:
    """Out of one listening port. `drawn`: to the core, for reads whose share is drawn already."""

    source: Upstream
    core: Upstream
    drawn: Upstream


class Desk:
    """ports.Handler."""

    def __init__(
        self, route: Callable[[bytes, bytes, str], Route], ways: Mapping[str, Ways], draw: Draw, traced: float
    ) -> None:
        """`ways` by role. `traced`: share of the requests; those that go to the core are traced there."""
        self.grant = NOTHING
        self._route = route
        self._ways = ways
        self._draw = draw
        self._traced = traced
        self._requests = 0
        self._counts: dict[tuple[str, Action], int] = {}
        self._routes: dict[str, Route] = {}

    def begin(self, exchange: Exchange, role: str) -> None:
        route, ways, grant = self._route(exchange.method, exchange.path, role), self._ways[role], self.grant
        action = grant.actions.get(route.kind)
        if action is None or (route.changes_data and not grant.changes):
            exchange.relay(RelayTo(ways.core, route.retry))
        elif action is Action.SAMPLE and self._draw.takes(grant.shadow, grant.canary):
            exchange.relay(RelayTo(ways.drawn, route.retry))
        else:
            self._count(route, action)
            self._watched(exchange, route, action).relay(RelayTo(ways.source, route.retry))

    def taken(self) -> Counter[tuple[Route, Action]]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, {}
        return Counter({(self._routes[name], action): times for (name, action), times in counts.items()})

    def _count(self, route: Route, action: Action) -> None:
        # By name: the hash of a route is the hash of all its fields, on every request.
        key = (route.name, action)
        if key in self._counts:
            self._counts[key] += 1
        else:
            self._counts[key] = 1
            self._routes[route.name] = route

    def _watched(self, exchange: Exchange, route: Route, action: Action) -> Exchange:
        self._requests += 1
        if not self._traced or not _TRACES.take(self._requests, self._traced):
            return exchange
        return TracedExchange(exchange, tracer.start_span(route.name, attributes={"action": action}))
