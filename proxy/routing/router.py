"""Takes every exchange and does with it what the plan says. Nothing here knows a product; nothing after `plan` asks the phase.

Owns: dispatch, the shares of shadow and canary reads, refusals. Not: the change of primary, translation (translate.py).
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.config import Config, MirrorMode, Phase
from proxy.errors import NotFound, ProxyError, Reason, Refused, Unavailable
from proxy.mirror.mirror import Listing, Mirror
from proxy.ports import Clock, Exchange, Frontend, Kind, RelayTo, Reply, Request, Route
from proxy.routing.hold import Hold
from proxy.routing.phase import PHASES
from proxy.routing.plan import Action, actions
from proxy.routing.sides import Side, Sides
from proxy.routing.spawn import Spawner
from proxy.routing.taps import SampleTap, WritePath, WriteTap
from proxy.routing.translate import Translator
from proxy.shadow.sample import Sample, Sampler
from proxy.shadow.shadow import Shadow
from proxy.store.catalog import StoredCatalog
from proxy.store.debts import Debts
from proxy.telemetry import metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of reads; the largest of any collection is decided on the path, a collection's own off it."""

    shadow: float
    canary: float


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
        self.seen: Counter[Route] = Counter()
        """Every call of the clients so far: what `assess` prints."""
        self._frontend = frontend
        self._catalog = catalog
        self._sides = sides
        self._mirror = mirror
        self._shadow = shadow
        self._debts = debts
        self._clock = clock
        self._spawn = Spawner()
        self._translator = Translator(frontend, catalog, mirror, config.mirror.filter_expand_limit)
        self._write_path = WritePath(mirror, frontend, self._mode, self.hold.land, self._spawn, config.mirror.sync_timeout)
        self._sequence = 0
        self._sampler = Sampler(seed=0)
        self._canary = Sampler(seed=1)
        self._do: Mapping[Action, Callable[[Exchange, str, Route], None]] = {
            Action.RELAY: self._relay,
            Action.MIRROR: self._mirrored,
            Action.SAMPLE: self._sampled,
            Action.READ: self._translated_read,
            Action.WRITE: self._held_write,
            Action.ANSWER: self._answered,
            Action.REFUSE: self._refused,
        }
        self.configure(config)
        self.enter(Phase.PASSTHROUGH)

    def __repr__(self) -> str:
        return f"<Router {self._phase} primary={self._primary.place} {self.hold!r}>"

    # ---- what holds now ----

    def configure(self, config: Config) -> None:
        """The parts of the settings that may change while running."""
        self._config = config
        own = config.routing.collections.values()
        self._top = Shares(
            max([config.routing.shadow, *(routing.shadow or 0.0 for routing in own)]),
            max([config.routing.canary, *(routing.canary or 0.0 for routing in own)]),
        )
        modes = {config.mirror.mode, *config.mirror.collections.values()}
        self._one_mode = config.mirror.mode if len(modes) == 1 else None

    def enter(self, phase: Phase) -> None:
        self._phase = phase
        self._row = PHASES[phase]
        self._primary = self._sides.at(self._row.primary)
        self._same_product = self._primary.product is self._frontend.product
        self._actions = actions(self._row, same_product=self._same_product)

    def _secondary(self) -> Side:
        return self._sides.at(self._row.primary.other)

    def _mode(self, request: Request) -> MirrorMode:
        if self._one_mode is not None:
            return self._one_mode
        collection = self._frontend.collection(request, self._catalog)
        return self._config.mirror.collections.get(collection, self._config.mirror.mode)

    # ---- the client's path ----

    def begin(self, exchange: Exchange, role: str) -> None:
        route = self._frontend.route(exchange.method, exchange.path, role)
        action = self._actions[route.kind]
        self.seen[route] += 1
        self._do[action](exchange, role, route)

    def _relay(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.relay(RelayTo(self._primary.upstreams[role], route.retry))
        if route.kind is Kind.OPAQUE:
            self._note_opaque(route)

    def _note_opaque(self, route: Route) -> None:
        self._shadow.note_unanswerable(route.name, "no meaning in the model")
        if route.changes_data and self._row.mirror:
            self._owe(f"{route.name} changed data in a way that cannot be mirrored")

    def _owe(self, why: str) -> None:
        for collection in self._catalog.migrated():
            self._spawn(self._debts.mark(collection, why))

    def _mirrored(self, exchange: Exchange, role: str, route: Route) -> None:
        if route.by_filter or self.hold.holding or not self._mirror.has_room():
            self._held_write(exchange, role, route)
            return
        self.hold.take_off()
        exchange.relay(self._journaled(route, role))

    def _journaled(self, route: Route, role: str, listing: Listing | None = None) -> RelayTo:
        return RelayTo(self._primary.upstreams[role], route.retry, WriteTap(self._write_path, route, role, listing))

    def _sampled(self, exchange: Exchange, role: str, route: Route) -> None:
        self._sequence += 1
        if self._row.canary and self._canary.take(self._sequence, self._top.canary):
            exchange.serve(functools.partial(self._canary_read, role, route, self._sequence))
        else:
            exchange.relay(self._maybe_sampled(role, route, self._sequence))

    def _maybe_sampled(self, role: str, route: Route, number: int) -> RelayTo:
        upstream = self._primary.upstreams[role]
        if not self._row.shadow or not self._sampler.take(number, self._top.shadow):
            return RelayTo(upstream, route.retry)
        tap = SampleTap(self._offer, route, self._mirror.position, self._config.shadow.reply_limit, self._clock)
        return RelayTo(upstream, route.retry, tap)

    def _held_write(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._write, role, route))

    def _translated_read(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._read, role, route))

    def _answered(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._answer, route))

    def _refused(self, exchange: Exchange, role: str, route: Route) -> None:
        exchange.serve(functools.partial(self._refuse_opaque, route))

    # ---- work on a whole request ----

    async def _write(self, role: str, route: Route, request: Request) -> Reply | RelayTo:
        try:
            await self.hold.passed(len(request.body))
            self.hold.take_off()
        except Unavailable as error:
            return self._refusal(request, route, error)
        landing = True
        try:
            # The primary may have changed while this write waited, so the plan is asked again.
            decision = await self._write_now(role, route, request)
            landing = not (isinstance(decision, RelayTo) and isinstance(decision.tap, WriteTap))
            return decision
        except ProxyError as error:
            return self._refusal(request, route, error)
        finally:
            if landing:
                self.hold.land()

    async def _write_now(self, role: str, route: Route, request: Request) -> Reply | RelayTo:
        action = self._actions[route.kind]
        if action is Action.WRITE and not self._stays_at_source(request):
            with metrics.TRANSLATED_SECONDS.labels(route.name).time():
                return await self._translator.write(self._primary.backend, request, route, role, mirrored=self._row.mirror)
        if action is not Action.MIRROR:
            return RelayTo(self._sides.source.upstreams[role], route.retry)
        await self._mirror.room()
        listing = await self._listed(request, route) if route.by_filter else None
        return self._journaled(route, role, listing)

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
            return RelayTo(self._sides.source.upstreams[role], route.retry)
        since = self._mirror.position
        begun = self._clock.monotonic()
        try:
            with metrics.TRANSLATED_SECONDS.labels(route.name).time():
                reply = await self._translator.read(self._primary.backend, request)
        except ProxyError as error:
            return self._refusal(request, route, error)
        self._sequence += 1
        if self._row.shadow and self._sampler.take(self._sequence, self._top.shadow):
            self._offer(Sample(route, request, reply, self._clock.monotonic() - begun, since))
        return reply

    def _offer(self, sample: Sample) -> None:
        """Off the path already: the reply has gone. Sorts out what a collection's own settings leave out."""
        own = self._config.routing.collections
        if own:
            collection = self._frontend.collection(sample.request, self._catalog)
            share = own[collection].shadow if collection in own else None
            wanted = self._config.routing.shadow if share is None else share
            if collection in self._catalog.excluded() or not self._sampler.take(
                self._sequence, wanted / (self._top.shadow or 1.0)
            ):
                return
        self._shadow.offer(sample)

    async def _canary_read(self, role: str, route: Route, number: int, request: Request) -> Reply | RelayTo:
        secondary = self._secondary()
        if not self._takes_canary(request, number):
            return self._maybe_sampled(role, route, number)
        if secondary.product is self._frontend.product:
            return RelayTo(secondary.upstreams[role], route.retry)
        try:
            return await self._translator.read(secondary.backend, request)
        except ProxyError as error:
            metrics.CANARY_FALLBACKS.labels(type(error).__name__).inc()
            return self._maybe_sampled(role, route, number)

    def _takes_canary(self, request: Request, number: int) -> bool:
        collection = self._frontend.collection(request, self._catalog)
        own = self._config.routing.collections.get(collection)
        share = self._config.routing.canary if own is None or own.canary is None else own.canary
        mine = self._canary.take(number, share) if share < self._top.canary else True
        return mine and collection not in self._catalog.excluded()

    async def _answer(self, route: Route, request: Request) -> Reply:
        try:
            return self._frontend.answer(request, self._catalog)
        except ProxyError as error:
            return self._refusal(request, route, error)

    async def _refuse_opaque(self, route: Route, request: Request) -> Reply:
        product = self._primary.product
        return self._refusal(
            request, route, Refused(f"{route.name} cannot be answered since {product} is the primary", Reason.UNSUPPORTED)
        )

    def _stays_at_source(self, request: Request) -> bool:
        """A collection that was left out of the migration goes on living at the source."""
        excluded = self._catalog.excluded()
        if not excluded:
            return False
        try:
            return self._frontend.collection(request, self._catalog) in excluded
        except NotFound:
            return False

    def _refusal(self, request: Request, route: Route, error: ProxyError) -> Reply:
        reason = error.reason if isinstance(error, Refused) else type(error).__name__.lower()
        metrics.REFUSALS.labels(route.name, reason).inc()
        return self._frontend.refuse(request, error)

    async def close(self) -> None:
        await self._spawn.close()
