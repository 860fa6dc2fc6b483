"""Takes every exchange and does with it what the plan says. Nothing here knows a product; nothing after `plan` asks the phase.

Owns: dispatch, what a failure leaves behind on the way, refusals. Not: the change of primary (change.py), translation
(translate.py), shares of reads (shares.py).
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.config import Config, MirrorMode
from proxy.errors import ProxyError, Reason, Refused
from proxy.mirror.mirror import Listing, Mirror
from proxy.model.phase import Phase
from proxy.ports import Clock, Exchange, Frontend, Kind, Otherwise, RelayTo, Reply, Request, Route
from proxy.routing.grant import Grants, grant
from proxy.routing.hold import Hold
from proxy.routing.phase import PHASES
from proxy.routing.plan import Action, actions
from proxy.routing.seen import Seen
from proxy.routing.shares import Shares
from proxy.routing.sides import Side, Sides
from proxy.routing.spawn import Spawner
from proxy.routing.taps import SampleTap, UnmirroredTap, WritePath, WriteTap, nothing
from proxy.routing.traced import TracedExchange
from proxy.routing.translate import Translator
from proxy.shadow.sample import Sample, Sampler
from proxy.shadow.shadow import Shadow
from proxy.store.catalog import StoredCatalog
from proxy.store.debts import Debts
from proxy.telemetry import metrics, traces
from proxy.telemetry.traces import tracer

log = logging.getLogger(__name__)

_TRACES: Final = Sampler(seed=2)
_CHANGES: Final = frozenset({Kind.WRITE, Kind.SCHEMA})
_OPAQUE: Final = Kind.OPAQUE  # a member that is looked up in its Enum costs a call, and each request asks


@dataclass(frozen=True, slots=True)
class _Way:
    """What is done with a kind of call in this phase."""

    action: Action
    do: Callable[[Exchange, str, Route], None]
    seen: Seen


class Router:
    """ports.Handler."""

    def __init__(
        self,
        frontend: Frontend,
        catalog: StoredCatalog,
        sides: Sides,
        mirror: Mirror,
        shadow: Shadow,
        debts: Debts,
        clock: Clock,
        config: Config,
    ) -> None:
        self.hold = Hold(config.cutover.hold_requests, config.cutover.hold_bytes)
        self.grants = Grants()
        self._tally: Mapping[Action, Seen] = {action: Seen() for action in Action}
        self._plain: dict[tuple[str, str], RelayTo] = {}
        """By role and route: what is only relayed to the primary, most calls, is told the same each time."""
        self._frontend = frontend
        self._catalog = catalog
        self._sides = sides
        self._mirror = mirror
        self._shadow = shadow
        self._debts = debts
        self._clock = clock
        self._spawn = Spawner()
        self._write_path = WritePath(mirror, frontend, self._mode, self.hold.land, self._spawn, config.mirror.sync_timeout)
        self._filter_path = replace(self._write_path, landed=functools.partial(self.hold.land, by_filter=True))
        self._translator = Translator(
            self._write_path,
            catalog,
            clock,
            bridge=config.relay.bridge,
            expand_limit=config.mirror.filter_expand_limit,
        )
        self._shares = Shares(config.routing)
        self._traced = traces.share(config.telemetry)
        self._requests = 0
        self._unseen = 0
        """Changes under way that began while nothing was mirrored."""
        self._do: Mapping[Action, Callable[[Exchange, str, Route], None]] = {
            Action.RELAY: self._relay,
            Action.MIRROR: self._mirrored,
            Action.SAMPLE: self._sampled,
            Action.READ: self._translated_read,
            Action.WRITE: self._held_write,
            Action.ANSWER: self._answered,
            Action.REFUSE: self._refused,
        }
        self._configure(config)
        self.enter(Phase.PASSTHROUGH)

    def __repr__(self) -> str:
        return f"<Router {self._phase} primary={self._primary.place} {self.hold!r}>"

    # ---- what holds now ----

    def configure(self, config: Config) -> None:
        """The parts of the settings that may change while running."""
        self._configure(config)
        self._grant()

    def _configure(self, config: Config) -> None:
        self._config = config
        self._shares.configure(config.routing)
        modes = {config.mirror.mode, *config.mirror.collections.values()}
        self._one_mode = config.mirror.mode if len(modes) == 1 else None

    def enter(self, phase: Phase) -> None:
        self._phase = phase
        self._row = PHASES[phase]
        self._primary = self._sides.at(self._row.primary)
        self._plain.clear()
        same_product = self._primary.product is self._frontend.product
        self._actions = actions(self._row, same_product=same_product)
        self._ways = {kind: _Way(action, self._do[action], self._tally[action]) for kind, action in self._actions.items()}
        self._grant()
        if self._row.mirror and self._unseen:  # when they end they are owed anew, but we may die before
            self._spawn(self._mark_all("changes were under way when the mirror started", nothing))

    def _grant(self) -> None:
        shadow, canary = self._shares.most
        target = self._sides.target is not None
        self.grants.set(grant(self._row, self._actions, target=target, shadow=shadow, canary=canary))

    def _mode(self, request: Request) -> MirrorMode:
        if self._one_mode is not None:
            return self._one_mode
        collection = self._frontend.collection(request, self._catalog)
        return self._config.mirror.collections.get(collection, self._config.mirror.mode)

    # ---- the client's path ----

    def begin(self, exchange: Exchange, role: str) -> None:
        route = self._frontend.route(exchange.method, exchange.path, role)
        way = self._ways[route.kind]
        way.seen.count(route)
        self._requests += 1
        if self._traced and _TRACES.take(self._requests, self._traced):
            exchange = self._watched(exchange, route, way)
        way.do(exchange, role, route)

    def begin_drawn(self, exchange: Exchange, role: str) -> None:
        """A read that a worker drew; its share is not drawn again. Where the phase has changed, an ordinary one."""
        route = self._frontend.route(exchange.method, exchange.path, role)
        way = self._ways[route.kind]
        if way.action is not Action.SAMPLE:
            self.begin(exchange, role)
            return
        way.seen.count(route)
        self._requests += 1
        if self._traced and _TRACES.take(self._requests, self._traced):
            exchange = self._watched(exchange, route, way)
        self._sampled(exchange, role, route, self._shares.drawn())

    def _watched(self, exchange: Exchange, route: Route, way: _Way) -> Exchange:
        span = tracer.start_span(route.name, attributes={"action": way.action, "phase": self._phase})
        return TracedExchange(exchange, span)

    def note(self, route: Route, action: Action, times: int) -> None:
        """Calls that went past this router, with a worker."""
        self._tally[action].count(route, times)

    def seen(self) -> Counter[tuple[Route, Action]]:
        """Every call of the clients so far."""
        return Counter({(route, action): times for action, seen in self._tally.items() for route, times in seen.by_route()})

    def _relay(self, exchange: Exchange, role: str, route: Route) -> None:
        if route.kind is _OPAQUE and not self._sides.same_product:
            self._shadow.note_unanswerable(route.name, "no meaning in the model")
        if route.kind not in _CHANGES and not route.changes_data:
            exchange.relay(self._to_primary(role, route))
        elif self._row.mirror:
            exchange.relay(self._unmirrored(role, route, _head(exchange)))
        else:
            exchange.relay(self._before_mirror(role, route))

    def _mirrored(self, exchange: Exchange, role: str, route: Route) -> None:
        if route.by_filter or self.hold.holding or not self._mirror.has_room():
            self._held_write(exchange, role, route)
        else:
            self.hold.take_off()
            exchange.relay(self._journaled(role, route, _head(exchange)))

    def _sampled(self, exchange: Exchange, role: str, route: Route, drawn: int | None = None) -> None:
        number = self._shares.number() if drawn is None else drawn
        if self._row.canary and self._shares.may_canary(number):
            exchange.serve(functools.partial(self._canary_read, role, route, number))
        else:
            exchange.relay(self._maybe_sampled(role, route, number))

    def _held_write(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._write, role, route))

    def _translated_read(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._read, role, route))

    def _answered(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._answer, route))

    def _refused(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._refuse_opaque, route))

    # ---- where to ----

    def _to_primary(self, role: str, route: Route) -> RelayTo:
        to = self._plain.get((role, route.name))
        if to is None:
            to = self._plain[role, route.name] = RelayTo(self._primary.upstreams[role], route.retry)
        return to

    def _to_source(self, role: str, route: Route) -> RelayTo:
        return RelayTo(self._sides.source.upstreams[role], route.retry)

    def _journaled(self, role: str, route: Route, head: Request, listing: Listing | None = None) -> RelayTo:
        path = self._filter_path if route.by_filter else self._write_path
        return RelayTo(self._primary.upstreams[role], route.retry, WriteTap(path, route, role, head, listing))

    def _unmirrored(self, role: str, route: Route, head: Request) -> RelayTo:
        tap = UnmirroredTap(functools.partial(self._owe, route), functools.partial(self._refusal, head, route))
        return RelayTo(self._primary.upstreams[role], route.retry, tap)

    def _before_mirror(self, role: str, route: Route) -> RelayTo:
        """Only the mirror's start while it is under way makes something of it: see `enter`."""
        self._unseen += 1
        return RelayTo(self._primary.upstreams[role], route.retry, ended=functools.partial(self._ended_unseen, route))

    def _ended_unseen(self, route: Route) -> None:
        self._unseen -= 1
        self._owe(route, nothing)

    def _maybe_sampled(self, role: str, route: Route, number: int) -> RelayTo:
        if not self._row.shadow or not self._shares.may_shadow(number):
            return self._to_primary(role, route)
        offer = functools.partial(self._offer, number)
        tap = SampleTap(offer, route, self._mirror.position, self._config.shadow.reply_limit, self._clock)
        return RelayTo(self._primary.upstreams[role], route.retry, tap)

    def _tried(self, secondary: Side, role: str, route: Route, number: int, request: Request) -> RelayTo:
        """As bytes to a secondary that speaks the client's product; the primary is asked where that fails."""

        def good(reply: Reply) -> bool:
            return not self._frontend.is_error(request, reply)

        def primary() -> RelayTo:
            metrics.CANARY_FALLBACKS.labels("Relayed").inc()
            return self._maybe_sampled(role, route, number)

        otherwise = Otherwise(primary, good, self._config.shadow.reply_limit, secondary.timeout)
        return RelayTo(secondary.upstreams[role], route.retry, otherwise=otherwise)

    # ---- beside the path ----

    def _owe(self, route: Route, then: Callable[[ProxyError | None], None]) -> None:
        if self._row.mirror:
            self._spawn(self._mark_all(f"{route.name} changed data beside the mirror", then))
        else:
            then(None)

    async def _mark_all(self, why: str, then: Callable[[ProxyError | None], None]) -> None:
        try:
            for collection in self._catalog.migrated():
                await self._debts.mark(collection, why)
        except ProxyError as error:
            log.error("a debt cannot be made durable", extra={"debt": why, "error": str(error)})
            then(error)
        else:
            then(None)

    def _offer(self, number: int, sample: Sample) -> None:
        """The reply has gone already."""
        collection = self._frontend.collection(sample.request, self._catalog)
        if collection not in self._catalog.excluded() and self._shares.shadows(number, collection):
            self._shadow.offer(sample)

    # ---- work on a whole request ----

    async def _write(self, role: str, route: Route, request: Request) -> Reply | RelayTo:
        try:
            await self.hold.passed(len(request.body), by_filter=route.by_filter)
        except ProxyError as error:
            return self._refusal(request, route, error)
        self.hold.take_off(by_filter=route.by_filter)
        flying = True
        try:
            # The primary may have changed while this write waited, so the plan is asked again.
            decision = await self._write_now(role, route, request)
            flying = not (isinstance(decision, RelayTo) and isinstance(decision.tap, WriteTap))
            return decision
        except ProxyError as error:
            return self._refusal(request, route, error)
        finally:
            if flying:
                self.hold.land(by_filter=route.by_filter)

    async def _write_now(self, role: str, route: Route, request: Request) -> Reply | RelayTo:
        match self._actions[route.kind]:
            case Action.MIRROR:
                await self._mirror.room()
                listing = await self._listed(request, route) if route.by_filter else None
                return self._journaled(role, route, request, listing)
            case Action.WRITE if self._stays_at_source(request):
                return self._to_source(role, route)
            case Action.WRITE:
                with metrics.TRANSLATED_SECONDS.labels(route.name).time():
                    return await self._translator.write(self._primary.backend, request, route, role, mirrored=self._row.mirror)
            case _:
                return self._unmirrored(role, route, request)

    async def _listed(self, request: Request, route: Route) -> Listing | None:
        try:
            operation = self._frontend.decode(request, self._catalog)
            return await self._translator.listing(self._primary.backend, operation)
        except Refused as error:
            # The primary says what is wrong with it; should it accept, the missing list makes a visible debt.
            log.info("the keys of a write by filter cannot be listed", extra={"call": route.name, "why": str(error)})
            return None

    async def _read(self, role: str, route: Route, request: Request) -> Reply | RelayTo:
        if self._stays_at_source(request):
            return self._to_source(role, route)
        number, since, begun = self._shares.number(), self._mirror.position, self._clock.monotonic()
        try:
            with metrics.TRANSLATED_SECONDS.labels(route.name).time():
                reply = await self._translator.read_primary(self._primary.backend, request)
        except ProxyError as error:
            return self._refusal(request, route, error)
        if self._row.shadow and self._shares.may_shadow(number):
            self._offer(number, Sample(route, request, reply, self._clock.monotonic() - begun, since))
        return reply

    async def _canary_read(self, role: str, route: Route, number: int, request: Request) -> Reply | RelayTo:
        if self._primary.product is not self._frontend.product:  # it has changed while the request arrived
            return await self._read(role, route, request)
        secondary = self._sides.at(self._row.primary.other)
        collection = self._frontend.collection(request, self._catalog)
        if collection in self._catalog.excluded() or not self._shares.canaries(number, collection):
            return self._maybe_sampled(role, route, number)
        if secondary.product is self._frontend.product:
            return self._tried(secondary, role, route, number, request)
        try:
            with metrics.TRANSLATED_SECONDS.labels(route.name).time():
                return await self._translator.read(secondary.backend, request)
        except ProxyError as error:
            metrics.CANARY_FALLBACKS.labels(type(error).__name__).inc()
            if isinstance(error, Refused) and error.unsupported:
                self._shadow.note_unanswerable(route.name, error.unsupported, collection)
        if self._primary.product is not self._frontend.product:  # it has changed meanwhile
            return await self._read(role, route, request)
        return self._maybe_sampled(role, route, number)

    async def _answer(self, route: Route, request: Request) -> Reply:
        try:
            return self._frontend.answer(request, self._catalog)
        except ProxyError as error:
            return self._refusal(request, route, error)

    async def _refuse_opaque(self, route: Route, request: Request) -> Reply:
        text = f"{route.name} cannot be answered since {self._primary.product} is the primary"
        return self._refusal(request, route, Refused(text, Reason.UNSUPPORTED))

    def _stays_at_source(self, request: Request) -> bool:
        """A collection that was left out of the migration goes on living at the source."""
        excluded = self._catalog.excluded()
        return bool(excluded) and self._frontend.collection(request, self._catalog) in excluded

    def _refusal(self, request: Request, route: Route, error: ProxyError) -> Reply:
        reason = error.reason if isinstance(error, Refused) else type(error).__name__.lower()
        metrics.REFUSALS.labels(route.name, reason).inc()
        return self._frontend.refuse(request, error)

    async def close(self) -> None:
        await self._spawn.close()


class DrawnReads:
    """ports.Handler: begins what a worker drew."""

    def __init__(self, router: Router) -> None:
        self.begin = router.begin_drawn


def _head(exchange: Exchange) -> Request:
    return Request(exchange.method, exchange.path, (), b"")
