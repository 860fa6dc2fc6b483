"""What an operator can ask and tell: every command, as documents of JSON values. The same for API, command line and dashboard.

Owns: the order of checks before an act. Not: the acts themselves (routing.change, tasks, mirror), nor HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from proxy.config import Config, SideConfig
from proxy.control.expiry import Expiry
from proxy.control.facts import facts
from proxy.control.gauges import Gauges
from proxy.control.parts import Parts
from proxy.errors import AlreadyExists, NotFound, ProxyError, Reason, Refused, Unavailable
from proxy.mirror.journal import Parked
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.model.schema import Schema
from proxy.net.form import form
from proxy.ports import Fit, Kind, Route
from proxy.routing.gate import Gate, closed, gates
from proxy.routing.phase import PHASES, Step, step
from proxy.shadow.figures import Figures
from proxy.store.ledger import Divergence
from proxy.store.migration import Decision
from proxy.tasks.task import ACTIVE
from proxy.telemetry import metrics

BACK_TO: Final = Phase.SHADOW
"""The phase after a rollback: the target is still mirrored to and watched."""
ROLLBACK_GATES: Final = frozenset({"journal", "dirty_keys", "parked", "verified"})
"""What a rollback may not lose. How good the source's answers are is known: it served before."""
MIRROR: Final = "mirror"
_NO_READ: Final = "no read was tried on the target yet: which ones it cannot answer is seen from phase shadow on"
_NO_TARGET: Final = "no target is configured: add `target` to the config file and restart"


class GatesClosed(Refused):
    """`gates`: the documents of those that are not open."""

    def __init__(self, found: Sequence[Gate]) -> None:
        names = ", ".join(gate.name for gate in found)
        super().__init__(f"closed: {names}; mend them, or overrule one with --force NAME --why TEXT", Reason.INVALID)
        self.gates = [gate_document(gate) for gate in found]


@dataclass(slots=True)
class Standing:
    """What changes while running: the settings in force, and why an edit of the file was not taken."""

    config: Config
    config_error: str = ""
    preparing: str = ""
    """Why the target is not prepared yet; the mirror is paused meanwhile."""
    started: bool = False
    faults: dict[str, str] = field(default_factory=dict)
    """Part -> the fault of ours that stopped it; clients are served on."""
    expiry: Expiry | None = None
    """None where nobody follows the files of TLS."""


class Operator:
    def __init__(self, parts: Parts, standing: Standing) -> None:
        self._parts = parts
        self._standing = standing
        self._gauges = Gauges(parts)
        self._acting = asyncio.Lock()

    def ready(self) -> bool:
        workers = self._parts.workers
        return self._standing.started and (workers is None or workers.accepting())

    def gauge(self) -> None:
        self._gauges.set(self._gates(self._next()), self._standing.config.gates)
        metrics.FAULTS.set(len(self._standing.faults))
        if self._standing.expiry is not None:
            self._standing.expiry.gauge()

    # ---- questions ----

    async def status(self) -> dict[str, Any]:
        parts, config = self._parts, self._standing.config
        return self._stage() | {
            "source": _side(config.source),
            "target": _side(config.target) if config.target else None,
            "holding": parts.router.hold.holding,
            "journal": asdict(parts.mirror.status()),
            "shadow": asdict(parts.shadow.status()),
            "workers": [asdict(status) for status in parts.workers.statuses()] if parts.workers else [],
            "tasks": [asdict(status) for status in parts.tasks.statuses()],
            "collections": {name: self._collection(name) for name in parts.catalog.collections()},
            "gates": [gate_document(gate) for gate in self._gates(self._next())],
            "listen": {role: listener.address for role, listener in parts.listeners.items()},
            "relay": form(),
            "note": parts.relays_only,
            "debts": parts.debts.all(),
            "config_error": self._standing.config_error,
            "preparing": self._standing.preparing,
            "faults": self._standing.faults,
            "certificates": self._standing.expiry.documents() if self._standing.expiry is not None else [],
        }

    def _collection(self, name: str) -> dict[str, Any]:
        parts = self._parts
        mark = parts.debts.verified(name)
        figures = parts.shadow.figures(self._standing.config.gates).get(name)
        return {
            "excluded": name in parts.catalog.excluded(),
            "verified": mark is not None,
            "verified_at": mark.at if mark else None,
            "points": mark.points if mark else None,
            "debt": parts.debts.all().get(name),
            "divergences": parts.ledger.count(name),
            "shadow": shadow_document(figures) if figures else None,
        }

    async def check(self) -> dict[str, Any]:
        sides = [await self._ask(place) for place in Place if self._has(place)]
        fits = [self._fit(name) for name in self._parts.catalog.migrated()] if self._has(Place.TARGET) else []
        refusals = [f"{fit.collection}: {text}" for fit in fits for text in fit.refusals]
        note = self._parts.relays_only or ("" if self._has(Place.TARGET) else _NO_TARGET)
        return {"ok": all(side["ok"] for side in sides) and not refusals, "sides": sides, "refusals": refusals, "note": note}

    async def _ask(self, place: Place) -> dict[str, Any]:
        try:
            server = await self._parts.sides.at(place).backend.ping()
        except ProxyError as error:
            return {"place": place, "ok": False, "error": str(error)}
        return {"place": place, "ok": True, "product": server.product, "version": server.version}

    async def plan(self, collections: tuple[str, ...]) -> dict[str, Any]:
        self._need_frontend()
        self._need_target()
        fits = [self._fit(name) for name in collections or self._parts.catalog.migrated()]
        return {"collections": [self._planned(fit) for fit in fits], "excluded": sorted(self._parts.catalog.excluded())}

    def _fit(self, name: str) -> Fit:
        return self._parts.sides.at(Place.TARGET).backend.fit(self._parts.catalog.schema(name))

    def _planned(self, fit: Fit) -> dict[str, Any]:
        return asdict(fit) | {"source": schema_document(self._parts.catalog.schema(fit.collection))}

    async def assess(self) -> dict[str, Any]:
        """Calls seen since the start, and what the target could not answer of them in this epoch."""
        seen: Counter[Route] = Counter()
        for (route, _), times in self._parts.router.seen().items():
            seen[route] += times
        calls = [{"call": route.name, "kind": route.kind, "count": times} for route, times in seen.most_common()]
        if self._parts.relays_only:
            return {"calls": calls, "unanswerable": {}, "note": self._parts.relays_only}
        opaque = {} if self._parts.sides.same_product else _opaque_calls(seen)
        return {"calls": calls, "unanswerable": opaque | self._found_unanswerable(), "note": self._untried()}

    def _untried(self) -> str:
        """Why nothing that is unanswerable may mean nothing."""
        if not self._has(Place.TARGET):
            return _NO_TARGET
        tried = any(found.attempts for found in self._parts.shadow.figures(self._standing.config.gates).values())
        answers = self._parts.sides.same_product or self._parts.migration.primary is Place.TARGET
        return "" if tried or answers else _NO_READ

    def _found_unanswerable(self) -> dict[str, str]:
        figures = self._parts.shadow.figures(self._standing.config.gates)
        return {
            what: f"{times} samples of {name}"
            for name, found in figures.items()
            if name
            for what, times in found.unanswerable.items()
        }

    async def history(self) -> list[dict[str, Any]]:
        return [asdict(stage) for stage in await self._parts.migration.history()]

    async def diff(self, collection: str | None, limit: int) -> dict[str, Any]:
        parts = self._parts
        names = (parts.catalog.resolve(collection),) if collection else parts.catalog.migrated()
        return {
            name: {
                "points": [_divergence(found) for found in await parts.ledger.page(name, limit)],
                "queries": [asdict(row) for row in await parts.samples.worst(parts.migration.epoch, name, limit)],
            }
            for name in names
        }

    async def parked(self) -> list[dict[str, Any]]:
        return [_parked(item) for item in self._parts.mirror.parked()]

    # ---- acts ----

    async def unpark(self, what: str, numbers: tuple[int, ...]) -> list[dict[str, Any]]:
        """() means all of them."""
        mirror = self._parts.mirror
        chosen = numbers or tuple(item.id for item in mirror.parked())
        if unknown := set(chosen) - {item.id for item in mirror.parked()}:
            raise NotFound(f"nothing is parked under {', '.join(map(str, sorted(unknown)))}")
        async with self._alone():
            match what:
                case "retry":
                    mirror.retry(chosen)
                case "discard":
                    await mirror.discard(chosen)
                case _:
                    raise NotFound(f"parked points can be retried or discarded, not {what!r}")
        return await self.parked()

    async def enter(self, name: str, who: str, why: str) -> dict[str, Any]:
        """Any phase that is entered without a change of primary."""
        async with self._alone():
            phase, now = _phase(name), self._parts.migration.phase
            if phase is not Phase.PASSTHROUGH:
                self._need_frontend()
            how = step(now, phase)
            if how is Step.CHANGE:
                command = "cutover" if phase is Phase.CUTOVER else "rollback"
                raise Refused(f"from {now} to {phase} the primary changes: use `vecferry {command}`")
            if PHASES[phase].mirror:
                self._need_target()
            if how in (Step.UNMIRROR, Step.FINISH):
                self._need_rest()
            if how is not None:
                await self._parts.stages.enter(phase, how, Decision(who, why))
        return self._stage()

    async def cutover(self, who: str, why: str, forced: tuple[str, ...]) -> dict[str, Any]:
        return await self._change(Phase.CUTOVER, Decision(who, why, forced))

    async def rollback(self, who: str, why: str, forced: tuple[str, ...]) -> dict[str, Any]:
        return await self._change(BACK_TO, Decision(who, why, forced))

    async def _change(self, phase: Phase, decision: Decision) -> dict[str, Any]:
        async with self._alone():
            self._need_frontend()
            if PHASES[phase].primary is self._parts.migration.primary:
                raise AlreadyExists(f"the {self._parts.migration.primary} is the primary already")
            step(self._parts.migration.phase, phase)
            self._need_rest()
            self._need_all_parts()
            self._check_gates(phase, decision)
            changed = await self._parts.change.run(phase, decision)
        return self._stage() | {"held_seconds": changed.held}

    def _need_all_parts(self) -> None:
        if self._standing.faults:
            said = "; ".join(f"{part}: {fault}" for part, fault in self._standing.faults.items())
            raise Refused(f"a part of the sidecar was stopped by a fault of ours ({said}): restart the sidecar first")

    def _check_gates(self, phase: Phase, decision: Decision) -> None:
        if decision.forced and not decision.why:
            raise Refused("--force needs --why: it is kept in the history")
        judged = self._gates(phase)
        if unknown := set(decision.forced) - {name for gate in judged for name in (gate.name, gate.kind)}:
            raise Refused(f"no gate is called {', '.join(sorted(unknown))}; they are {', '.join(gate.name for gate in judged)}")
        if found := closed(judged, decision.forced):
            raise GatesClosed(found)

    async def task(self, name: str) -> dict[str, Any]:
        status = self._parts.tasks.status(name)
        counts = self._parts.ledger.counts()
        found = sum(counts.get(collection, 0) for collection in status.collections or counts)
        return asdict(status) | {"found": 0 if name == "backfill" else found}

    async def start_task(self, name: str, collections: tuple[str, ...]) -> dict[str, Any]:
        named = tuple(self._parts.catalog.resolve(collection) for collection in collections)
        self._need_frontend()
        if self._parts.migration.phase is Phase.PASSTHROUGH:
            raise Refused(f"{name} needs the mirror: a copy without it would be old at once; `vecferry phase mirror` first")
        async with self._alone():
            await self._parts.tasks.start(name, named)
        return await self.task(name)

    async def cancel(self, name: str) -> dict[str, Any]:
        await self._parts.tasks.cancel(name)
        return await self.task(name)

    async def pause(self, what: str) -> dict[str, Any]:
        if what == MIRROR:
            self._parts.mirror.pause()
        else:
            await self._parts.tasks.pause(what)
        return {"paused": what}

    async def resume(self, what: str) -> dict[str, Any]:
        if what == MIRROR:
            self._parts.mirror.resume()
        else:
            await self._parts.tasks.resume(what)
        return {"resumed": what}

    # ---- inside ----

    def _gates(self, phase: Phase) -> tuple[Gate, ...]:
        if self._parts.relays_only:
            return ()
        found = gates(facts(self._parts, self._standing.config.gates), self._standing.config.gates)
        return found if phase is Phase.CUTOVER else tuple(gate for gate in found if gate.kind in ROLLBACK_GATES)

    def _next(self) -> Phase:
        """The change of primary that the status speaks of."""
        return BACK_TO if self._parts.migration.phase is Phase.CUTOVER else Phase.CUTOVER

    def _stage(self) -> dict[str, Any]:
        migration = self._parts.migration
        return {"phase": migration.phase, "epoch": migration.epoch, "primary": migration.primary}

    def _has(self, place: Place) -> bool:
        return place is Place.SOURCE or self._parts.sides.target is not None

    def _need_frontend(self) -> None:
        if self._parts.relays_only:
            raise Refused(self._parts.relays_only)

    def _need_target(self) -> None:
        if not self._has(Place.TARGET):
            raise Refused(_NO_TARGET)

    def _need_rest(self) -> None:
        if busy := [status.name for status in self._parts.tasks.statuses() if status.state in ACTIVE]:
            raise Refused(f"{', '.join(busy)} is under way: wait for it, or cancel it (`vecferry cancel`)")

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Acts never meet: a task that begins, or a key that is settled, would come between the steps of a change. Nor do they
        meet the start, which works on the same things."""
        if not self._standing.started:
            raise Unavailable("the sidecar starts: it takes commands when it is ready")
        if self._acting.locked():
            raise AlreadyExists("another command is being carried out; try again when it is done")
        async with self._acting:
            yield


def gate_document(gate: Gate) -> dict[str, Any]:
    return {"name": gate.name, "ok": gate.ok, "why": gate.why}


def shadow_document(figures: Figures) -> dict[str, Any]:
    document = asdict(figures)
    for counted in ("recalls", "tails"):
        del document[counted]
    return document


def schema_document(schema: Schema) -> dict[str, Any]:
    """What a collection is on the source, in words."""
    vectors = {
        f.name: f"{f.kind} {f.dtype}{f' of {f.dim}' if f.dim else ''}, {f.metric or 'no metric yet'}"
        for f in schema.vectors.values()
    }
    fields = {f.name: f"{f.type} of {f.element}" if f.element else f.type for f in schema.fields.values()}
    return {"id": f"{schema.id_name} {schema.id_kind}", "vectors": vectors, "fields": fields, "dynamic": schema.dynamic}


def _opaque_calls(seen: Mapping[Route, int]) -> dict[str, str]:
    opaque = {route.name: times for route, times in seen.items() if route.kind is Kind.OPAQUE}
    return {name: f"{times} calls; no meaning in the model" for name, times in opaque.items()}


def _phase(name: str) -> Phase:
    if name not in set(Phase):
        raise Refused(f"there is no phase {name!r}; there are {', '.join(Phase)}")
    return Phase(name)


def _side(side: SideConfig) -> dict[str, Any]:
    return {"product": side.product, "url": side.url}


def _divergence(found: Divergence) -> dict[str, Any]:
    return {
        "id": str(found.key.id),
        "partition": found.key.partition,
        "reason": found.reason,
        "detail": found.detail,
        "first_seen": found.first_seen,
        "last_seen": found.last_seen,
    }


def _parked(item: Parked) -> dict[str, Any]:
    return {
        "number": item.id,
        "collection": item.key.collection,
        "id": str(item.key.id),
        "partition": item.key.partition,
        "reason": item.reason,
        "at": item.at,
    }
