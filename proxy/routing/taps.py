"""What watches a relayed exchange: a write on its way into the journal, one that the journal misses, a read to be sampled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from proxy.config import MirrorMode
from proxy.errors import ProxyError, Reason, Refused
from proxy.mirror.mirror import Listing, Mirror, Ticket
from proxy.ports import Clock, Frontend, Outcome, Reply, Request, Route
from proxy.shadow.sample import Sample

Go: TypeAlias = Callable[[Reply | None], None]
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]


@dataclass(frozen=True, slots=True)
class WritePath:
    """What all mirrored writes share. `mode` tells a write's mirror mode; `landed` counts it out; `spawn` owns its waits."""

    mirror: Mirror
    frontend: Frontend
    mode: Callable[[Request], MirrorMode]
    landed: Callable[[], None]
    spawn: Spawn
    sync_timeout: float

    async def applied(self, ticket: Ticket, request: Request) -> ProxyError | None:
        """Waits as the write's mode says. What the client is told instead of success."""
        mode = self.mode(request)
        fault = None if mode is MirrorMode.ASYNC else await ticket.applied(self.sync_timeout)
        return fault if mode is MirrorMode.STRICT else None


class WriteTap:
    """Journals a write: its last bytes leave when the intent survives our death, its reply when it survives a power cut."""

    holds_reply = True

    def __init__(self, path: WritePath, route: Route, role: str, head: Request, listing: Listing | None = None) -> None:
        """`head`: the request, as far as it is known by now."""
        self.limit = path.frontend.max_body
        self._path = path
        self._route = route
        self._role = role
        self._listing = listing
        self._request = head
        self._ticket: Ticket | None = None
        self._ends_later = False

    def request(self, request: Request | None, go: Go) -> None:
        if request is None:
            go(self._refusal(Refused(f"the request is larger than {self.limit} bytes", Reason.TOO_LARGE)))
            return
        self._request = request
        try:
            self._ticket = self._path.mirror.begin(request, self._route, self._role, listing=self._listing)
        except ProxyError as error:
            go(self._refusal(error))
        else:
            self._ticket.when_written(lambda error: go(self._refusal(error)))

    def reply(self, reply: Reply | None, go: Go) -> None:
        ticket = self._ticket
        if ticket is None:  # the primary answered before it had the whole request, so it did nothing
            go(None)
        elif ticket.durable and self._path.mode(self._request) is MirrorMode.ASYNC:
            self._reply_first(reply, go)
        else:
            self._reply_last(ticket, reply, go)

    def _reply_first(self, reply: Reply | None, go: Go) -> None:
        """Nothing that the outcome may be holds this reply back, so the client does not wait until it is understood. What the
        loop does in its next turn it does before it writes, so the outcome is left to the turn after that. A death in between
        leaves the outcome unknown; so does a write of the same key that comes in between: both are settled."""
        self._ends_later = True
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._end_late, reply)  # before the reply goes, so that it ends whatever becomes of that
        go(None)

    def _end_late(self, reply: Reply | None) -> None:
        self._end(self._outcome(reply), reply)
        self._path.landed()

    def _reply_last(self, ticket: Ticket, reply: Reply | None, go: Go) -> None:
        outcome = self._outcome(reply)
        self._end(outcome, reply)
        match outcome:
            case Outcome.REFUSED:
                go(None)
            case Outcome.UNKNOWN:
                ticket.when_durable(lambda _: go(None))
            case Outcome.ACCEPTED if self._path.mode(self._request) is MirrorMode.ASYNC:
                ticket.when_durable(lambda error: go(self._refusal(error)))
            case Outcome.ACCEPTED:
                self._path.spawn(self._when_applied(ticket, go))

    async def _when_applied(self, ticket: Ticket, go: Go) -> None:
        fault = await self._path.applied(ticket, self._request)
        ticket.when_durable(lambda error: go(self._refusal(fault or error)))

    def done(self, reply: Reply | None) -> None:
        if not self._ends_later:
            self._path.landed()

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        self._end(Outcome.UNKNOWN if sent else Outcome.REFUSED, None)
        self._path.landed()

    def _outcome(self, reply: Reply | None) -> Outcome:
        return Outcome.UNKNOWN if reply is None else self._path.frontend.outcome(self._request, reply)

    def _end(self, outcome: Outcome, reply: Reply | None) -> None:
        if self._ticket is not None:
            self._path.mirror.end(self._ticket, outcome, reply)

    def _refusal(self, error: ProxyError | None) -> Reply | None:
        return None if error is None else self._path.frontend.refuse(self._request, error)


class UnmirroredTap:
    """A change that the journal does not get: `owe` makes a debt of it where the mirror runs, and then calls.

    Before it, because we may die meanwhile; after it, because verify may have passed meanwhile.
    """

    holds_reply = False
    limit = 0

    def __init__(
        self, owe: Callable[[Callable[[ProxyError | None], None]], None], refuse: Callable[[ProxyError], Reply]
    ) -> None:
        self._owe = owe
        self._refuse = refuse

    def request(self, request: Request | None, go: Go) -> None:
        self._owe(lambda error: go(None if error is None else self._refuse(error)))

    def reply(self, reply: Reply | None, go: Go) -> None:
        go(None)

    def done(self, reply: Reply | None) -> None:
        self._owe(nothing)

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        if sent:
            self._owe(nothing)


def nothing(error: ProxyError | None) -> None:
    """A debt holds in memory even where the disk refuses it, and the refusal is logged."""


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
