"""What watches a relayed exchange: a write on its way into the journal, a read on its way into a sample."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from proxy.config import MirrorMode
from proxy.errors import ProxyError, Unavailable
from proxy.mirror.mirror import Listing, Mirror, Ticket
from proxy.ports import Clock, Frontend, Outcome, Reply, Request, Route
from proxy.shadow.sample import Sample

Go: TypeAlias = Callable[[Reply | None], None]
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(frozen=True, slots=True)
class WritePath:
    """What every write tap shares. `mode` tells a write's mirror mode; `landed` counts it out; `spawn` owns its waits."""

    mirror: Mirror
    frontend: Frontend
    mode: Callable[[Request], MirrorMode]
    landed: Callable[[], None]
    spawn: Spawn
    sync_timeout: float


class WriteTap:
    """Journals a write: its last bytes leave when the intent survives our death, its reply when it survives a power cut."""

    holds_reply = True

    def __init__(self, path: WritePath, route: Route, role: str, listing: Listing | None = None) -> None:
        self.limit = path.frontend.max_body
        self._path = path
        self._route = route
        self._role = role
        self._listing = listing
        self._request = Request(b"", b"", (), b"")
        self._ticket: Ticket | None = None
        self._ended = False

    def request(self, request: Request | None, go: Go) -> None:
        # Above the limit net has refused it already; an empty body cannot be decoded and becomes a visible debt.
        self._request = request or self._request
        try:
            ticket = self._path.mirror.begin(self._request, self._route, self._role, listing=self._listing)
        except Unavailable as error:
            go(self._path.frontend.refuse(self._request, error))
            return
        self._ticket = ticket
        ticket.when_written(lambda error: go(self._refusal(error)))

    def reply(self, reply: Reply | None, go: Go) -> None:
        outcome = Outcome.UNKNOWN if reply is None else self._path.frontend.outcome(self._request, reply)
        self._end(outcome, reply if self._route.needs_reply else None)
        mode = self._path.mode(self._request) if outcome is Outcome.ACCEPTED else MirrorMode.ASYNC
        if mode is MirrorMode.ASYNC and self._ticket is not None:
            self._ticket.when_durable(lambda error: go(self._refusal(error)))
        else:
            self._path.spawn(self._wait_applied(mode, go))

    async def _wait_applied(self, mode: MirrorMode, go: Go) -> None:
        assert self._ticket is not None
        fault = await self._ticket.applied(self._path.sync_timeout)
        strict = mode is MirrorMode.STRICT and fault is not None
        self._ticket.when_durable(lambda error: go(self._refusal(fault if strict else error)))

    def done(self, reply: Reply | None) -> None:
        self._path.landed()

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        self._end(Outcome.UNKNOWN if sent else Outcome.REFUSED, None)
        self._path.landed()

    def _end(self, outcome: Outcome, reply: Reply | None) -> None:
        if self._ticket is not None and not self._ended:
            self._ended = True
            self._path.mirror.end(self._ticket, outcome, reply)

    def _refusal(self, error: ProxyError | None) -> Reply | None:
        return None if error is None else self._path.frontend.refuse(self._request, error)


class SampleTap:
    """Copies a read for the shadow, and never holds anything back."""

    holds_reply = False

    def __init__(self, offer: Callable[[Sample], None], route: Route, since: int, limit: int, clock: Clock) -> None:
        self.limit = limit
        self._offer = offer
        self._route = route
        self._since = since
        self._clock = clock
        self._request: Request | None = None
        self._begun = clock.monotonic()
        self._took = 0.0

    def request(self, request: Request | None, go: Go) -> None:
        self._request = request
        self._begun = self._clock.monotonic()
        go(None)

    def reply(self, reply: Reply | None, go: Go) -> None:
        self._took = self._clock.monotonic() - self._begun
        go(None)

    def done(self, reply: Reply | None) -> None:
        if self._request is not None and reply is not None:
            self._offer(Sample(self._route, self._request, reply, self._took, self._since))

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        return
