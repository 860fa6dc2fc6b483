"""Entering a phase whose primary stays the same: what must be done before, so that the phase's promise holds."""

from __future__ import annotations

from proxy.backfill.target import create_collections
from proxy.errors import Refused
from proxy.live import Roles
from proxy.mirror.adopt import adopt
from proxy.mirror.mirror import Mirror
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.routing.phase import PHASES, Step
from proxy.routing.router import Router
from proxy.routing.sides import Sides
from proxy.store.catalog import StoredCatalog
from proxy.store.debts import Debts
from proxy.store.migration import Decision, Migration


class Stages:
    def __init__(
        self, migration: Migration, router: Router, mirror: Mirror, catalog: StoredCatalog, debts: Debts, sides: Sides
    ) -> None:
        self._migration = migration
        self._router = router
        self._mirror = mirror
        self._catalog = catalog
        self._debts = debts
        self._sides = sides

    async def enter(self, phase: Phase, how: Step, decision: Decision) -> None:
        """Raises Refused where the target cannot take a collection, or where something is still owed."""
        starts = PHASES[phase].mirror and not PHASES[self._migration.phase].mirror
        if starts:
            await self._take_stock()
        if how is Step.FINISH:
            self._check_finished()
        if how is Step.UNMIRROR:
            await self._owe("the mirror was off for a while")
        await self._migration.enter(phase, decision)
        self._router.enter(phase)
        if starts:
            await self._take_latecomers()

    async def _take_stock(self) -> None:
        await self._catalog.discover(self._sides.source.backend)
        await self.prepare()

    async def _take_latecomers(self) -> None:
        """Collections that were created between the first look and the first mirrored write. Adds only: what the mirror
        sees from now on, it brings to the catalog itself."""
        source, target = self._sides.source.backend, self._sides.at(Place.TARGET).backend
        roles = Roles(source, target, self._migration.epoch)
        for name in await source.collections():
            if name not in self._catalog.collections():
                await adopt(name, roles, self._catalog, self._mirror)

    async def prepare(self) -> None:
        """Creates on the target what is missing there. Idempotent. Raises Refused, AlreadyExists and Unavailable."""
        target = self._sides.at(Place.TARGET).backend
        there = await target.collections()
        for name in self._catalog.migrated():
            if name not in there and self._debts.verified(name) is not None:
                await self._debts.mark(
                    name, f"the target had lost it, and it was made anew there: `vecferry backfill {name}` fills it"
                )
        await create_collections(target, self._catalog, self._catalog.migrated(), self._mirror)

    def _check_finished(self) -> None:
        excluded = self._catalog.excluded()
        if excluded:
            raise Refused(f"left out of the migration and still at the source: {', '.join(sorted(excluded))}")
        if self._mirror.status().parked:
            raise Refused("some points are parked: retry or discard them first (`vecferry parked`)")

    async def _owe(self, why: str) -> None:
        for name in self._catalog.migrated():
            await self._debts.mark(name, why)
