"""The composition root: settings become a running sidecar. The only module that knows every part.

Owns: what is built from what, the order of starting and stopping. Not: anything that happens to a request.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from proxy.backfill.backfill import Backfill, BackfillSettings
from proxy.clock import SystemClock
from proxy.config import Config, SideConfig
from proxy.control import http, port
from proxy.control.expiry import Expiry
from proxy.control.guard import guarded
from proxy.control.operator import Operator, Standing
from proxy.control.parts import Parts, Port
from proxy.control.reload import Reload, exclude
from proxy.control.stages import Stages
from proxy.door import Door
from proxy.errors import ConfigError, ProxyError, Refused, Unavailable
from proxy.frontends.passthrough import PassthroughFrontend
from proxy.garbage import collect_seldom
from proxy.listening import OwnPorts, StopSignal, ask_to_leave, check_free, open_ports
from proxy.live import Roles
from proxy.mirror import parts as mirror_parts
from proxy.mirror.journal import Journal
from proxy.mirror.mirror import Mirror
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.net.allocator import keep_freed_memory, spare_what_stays
from proxy.net.form import form
from proxy.ports import Catalog, Clock, Frontend
from proxy.products import BACKENDS, FRONTENDS, PROBE, load
from proxy.reach import explained, reach
from proxy.roles import addresses, before_router, check_roles, relays_only, upstreams
from proxy.routing.change import Change
from proxy.routing.phase import PHASES
from proxy.routing.router import DrawnReads, Router
from proxy.routing.sides import Side, Sides
from proxy.shadow.pair import Pair
from proxy.shadow.shadow import Shadow
from proxy.shadow.trial import Trials
from proxy.store.catalog import StoredCatalog
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.ledger import Ledger
from proxy.store.migration import Migration
from proxy.store.samples import Samples
from proxy.store.seal import seal_of
from proxy.store.state_dir import Identity, StateDir
from proxy.store.store import Store
from proxy.store.unlanded import Unlanded
from proxy.tasks.tasks import Tasks
from proxy.telemetry import logs, traces
from proxy.verify.repair import Repair
from proxy.verify.subject import Subject
from proxy.verify.verify import Verify
from proxy.workers.opening import Inside, open_workers, tidy
from proxy.workers.workers import Workers

log = logging.getLogger(__name__)

RECURSION: Final = 20_000
"""Frames: a client's JSON is read up to 1024 levels deep, and a walk over it takes a few frames a level."""
LEAVE: Final = 30.0
"""Seconds beyond relay.drain that a takeover waits for the running sidecar to let go of the state."""


def run(path: Path, config: Config, *, takeover: bool) -> None:
    """`config` is what `path` holds, whose edits are followed. Blocks until SIGTERM or SIGINT.

    Raises ConfigError and other ProxyErrors where it cannot start or go on.
    """
    logs.set_up(config.telemetry.log_level, config.telemetry.log_format)
    sys.setrecursionlimit(RECURSION)
    keep_freed_memory()
    try:
        uvloop.run(_until_stopped(path, config, takeover))
    except ExceptionGroup as group:
        ours, others = group.split(ProxyError)
        if ours is None or others is not None:
            raise
        raise _first(ours) from group


def _first(group: ExceptionGroup[ProxyError]) -> ProxyError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


async def _until_stopped(path: Path, config: Config, takeover: bool) -> None:
    stop = StopSignal()
    try:
        await _serve(path, config, takeover, stop)
    except asyncio.CancelledError:
        if not stop.asked:
            raise
        log.info("stopped before it was ready")


async def _serve(path: Path, config: Config, takeover: bool, stop: StopSignal) -> None:
    clock = SystemClock()
    frontend = _frontend(config, clock)
    load(config)
    door, drawn = Door(frontend), Door(frontend)
    async with AsyncExitStack() as stack:
        if provider := traces.set_up(config.telemetry):
            stack.callback(provider.shutdown)
        state = StateDir(config.state, clock)
        if not takeover:
            check_free(config.listen)
        # The ports first: at a takeover, connections that come from now on are ours, and wait at the door for the state.
        front = await _front(config, Inside(door, drawn), frontend, state, clock, stack)
        if takeover:
            ask_to_leave(config.state)
        await state.acquire(Identity.of(config.source, config.target), wait=config.relay.drain + LEAVE if takeover else 0)
        stack.push(lambda kind, *_: state.release() if kind is None else state.abandon())
        async with _sidecar(path, config, frontend, state, front, clock) as parts:
            state.begin()
            spare_what_stays()
            collect_seldom()
            bound = {role: listener.address for role, listener in parts.listeners.items()}
            door.open(before_router(parts.router, frontend, config, bound, clock, stack))
            drawn.open(DrawnReads(parts.router))
            front.serve(parts.router)
            log.info("ready", extra=_told(config, parts))
            await stop.wait()
            log.info("stopping")
            await front.drain(config.relay.drain)


async def _front(
    config: Config, inside: Inside, frontend: Frontend, state: StateDir, clock: Clock, stack: AsyncExitStack
) -> OwnPorts | Workers:
    """Who holds the clients' ports."""
    if config.workers == 1:
        return await open_ports(config, inside.every, frontend.max_body, stack)
    state.create()
    with explained(Place.SOURCE):
        reached = dict(addresses(config.source, config))
    return await open_workers(config, inside, frontend.max_body, reached, clock, stack)


def _told(config: Config, parts: Parts) -> dict[str, object]:
    listen = {role: listener.address for role, listener in parts.listeners.items()}
    stage = {"phase": parts.migration.phase, "epoch": parts.migration.epoch}
    return {"listen": listen, "workers": config.workers, "admin": config.admin.address, "relay": form(), **stage}


# ---- parts ----


def _frontend(config: Config, clock: Clock) -> Frontend:
    product = config.source.product
    check_roles(config)
    if (why := relays_only(product, FRONTENDS)) and config.routing.phase is not Phase.PASSTHROUGH:
        raise ConfigError("routing.phase", why)
    if config.target is not None and config.target.product not in BACKENDS:
        raise ConfigError("target.product", f"{config.target.product} cannot be a target yet; possible: {', '.join(BACKENDS)}")
    return FRONTENDS[product](clock) if product in FRONTENDS else PassthroughFrontend(product)


def _side(place: Place, side: SideConfig, catalog: Catalog, config: Config, stack: AsyncExitStack) -> Side:
    with explained(place):
        relayed = place is Place.SOURCE and side.product not in FRONTENDS
        backend = PROBE(side) if relayed else BACKENDS[side.product](side, catalog, config.source.product)
        stack.push_async_callback(backend.close)
        return Side(place, side.product, backend, upstreams(place, side, config, stack), side.timeout)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the state directory holds."""

    store: Store
    catalog: StoredCatalog
    debts: Debts
    unlanded: Unlanded
    migration: Migration
    ledger: Ledger
    checkpoints: Checkpoints
    samples: Samples

    @classmethod
    def open(cls, directory: StateDir, config: Config, clock: Clock, stack: AsyncExitStack) -> Stored:
        store = Store(directory.database, seal_of(config.journal.key))
        stack.callback(store.close)
        return cls(
            store,
            StoredCatalog(store),
            Debts(store, clock),
            Unlanded(store),
            Migration(store, clock, config.routing.phase),
            Ledger(store, clock),
            Checkpoints(store),
            Samples(store, config.shadow.keep),
        )


def compose(
    config: Config,
    frontend: Frontend,
    stored: Stored,
    sides: Sides,
    journal: Journal,
    listeners: Mapping[str, Port],
    clock: Clock,
    workers: Workers | None = None,
) -> Parts:
    primary = sides.at(stored.migration.primary)
    # Without a target nothing is mirrored, so the second side is never asked.
    secondary = sides.at(primary.place.other) if sides.target else sides.source
    epoch, catalog = stored.migration.epoch, stored.catalog
    roles = mirror_parts.Roles(primary.backend, secondary.backend, epoch)
    books = stored.debts, stored.unlanded
    mirror = Mirror(mirror_parts.Parts(journal, frontend, catalog, *books, roles, config.mirror, clock))
    trials = Trials(frontend, catalog, mirror, clock, config.verify.tolerance)
    shadow = Shadow(trials, stored.samples, Pair(primary.backend, secondary.backend, epoch), config.shadow, clock)
    router = Router(frontend, catalog, sides, mirror, shadow, stored.debts, clock, config)
    return Parts(
        catalog=catalog,
        debts=stored.debts,
        ledger=stored.ledger,
        migration=stored.migration,
        samples=stored.samples,
        sides=sides,
        mirror=mirror,
        shadow=shadow,
        router=router,
        change=Change(router, mirror, shadow, stored.migration, sides, config.cutover, clock),
        stages=Stages(stored.migration, router, mirror, catalog, stored.debts, sides),
        tasks=_tasks(config, stored, sides, mirror, clock),
        listeners=listeners,
        relays_only=relays_only(config.source.product, FRONTENDS),
        workers=workers,
    )


def _tasks(config: Config, stored: Stored, sides: Sides, mirror: Mirror, clock: Clock) -> Tasks:
    def roles() -> Roles:
        primary = stored.migration.primary
        return Roles(sides.at(primary).backend, sides.at(primary.other).backend, stored.migration.epoch, primary)

    catalog, checkpoints = stored.catalog, stored.checkpoints
    copying = BackfillSettings(config.backfill, config.mirror.linger)
    subject = Subject(roles, mirror, catalog, stored.ledger, config.verify, clock)
    jobs = {
        "backfill": Backfill(roles, mirror, catalog, checkpoints, copying, clock).run,
        "verify": Verify(subject, stored.debts, checkpoints).run,
        "repair": Repair(subject).run,
    }
    return Tasks(jobs, checkpoints, clock)


# ---- starting ----


@asynccontextmanager
async def _sidecar(
    path: Path, config: Config, frontend: Frontend, state: StateDir, front: OwnPorts | Workers, clock: Clock
) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        stored = Stored.open(state, config, clock, stack)
        source = _side(Place.SOURCE, config.source, stored.catalog, config, stack)
        target = _side(Place.TARGET, config.target, stored.catalog, config, stack) if config.target else None
        if not Journal.exists(state.path):
            await _owe_all(stored, "the journal is not the one of before: what only that one held is unknown")
        journal = Journal.open(state.path, config.journal, after_power_loss=state.after_power_loss)
        stack.callback(journal.close)
        await _take_key(stored)
        workers = front if isinstance(front, Workers) else None
        parts = compose(config, frontend, stored, Sides(source, target), journal, front.ports, clock, workers)
        if workers is not None:
            tidy(config, workers)
        stack.push_async_callback(parts.router.close)
        if target is None and stored.migration.phase is not Phase.PASSTHROUGH:
            raise ConfigError("target", f"is needed: the migration in {state.path} is in phase {stored.migration.phase}")
        standing = Standing(config, expiry=Expiry(config, clock))
        operator = Operator(parts, standing)
        admin = await port.serve(http.application(operator, config.admin), config.admin.address)
        stack.push_async_callback(admin.close)
        if state.after_power_loss:
            await _owe_all(stored, "the machine lost power: what was not on the disk yet is unknown")
            state.acknowledge()
        await reach(parts.sides, parts.migration.primary, config, clock)
        if stored.migration.primary is Place.SOURCE:
            await stored.catalog.discover(source.backend)
        await exclude(stored.catalog, stored.debts, config)
        await _prepare(parts, standing)
        parts.router.enter(stored.migration.phase)
        async with _background(parts, standing, operator, path, clock):
            standing.started = True
            yield parts


@asynccontextmanager
async def _background(parts: Parts, standing: Standing, operator: Operator, path: Path, clock: Clock) -> AsyncIterator[None]:
    reload = Reload(path, standing, operator, parts.router, parts.catalog, parts.debts, clock)
    async with asyncio.TaskGroup() as group:
        works = {"reload": reload.run()}
        if standing.expiry is not None:
            works["certificates"] = standing.expiry.run()
        if parts.sides.target is not None:
            works |= {
                "mirror": parts.mirror.run(),
                "shadow": parts.shadow.run(),
                "tasks": parts.tasks.run(),
                "prepare": _prepare_later(parts, standing, clock),
            }
        running = [group.create_task(guarded(name, work, standing), name=name) for name, work in works.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _prepare(parts: Parts, standing: Standing) -> None:
    """Makes the target's collections where the phase mirrors; a target that is away is prepared later."""
    if not PHASES[parts.migration.phase].mirror or parts.migration.primary is not Place.SOURCE:
        return
    try:
        await parts.stages.prepare()
    except Unavailable as error:
        standing.preparing = str(error)
        parts.mirror.pause()
    except Refused as error:
        raise ConfigError("target", str(error)) from error


async def _prepare_later(parts: Parts, standing: Standing, clock: Clock) -> None:
    while standing.preparing:
        await clock.sleep(1.0)
        try:
            await parts.stages.prepare()
        except ProxyError as error:
            standing.preparing = str(error)
        else:
            standing.preparing = ""
            parts.mirror.resume()


async def _take_key(stored: Stored) -> None:
    """The journal has taken it; what the state has sealed with another one cannot be read any more, so it is found anew."""
    if not stored.store.proven:
        await _owe_all(stored, "the key was changed: which points differ is not known any more")
        for noun in (stored.ledger, stored.checkpoints, stored.samples):
            await noun.clear()
        await stored.store.prove()


async def _owe_all(stored: Stored, why: str) -> None:
    for name in stored.catalog.migrated():
        await stored.debts.mark(name, why)
