"""The change of primary: cutover and rollback are the same act.

Owns: hold, drain, commit, turn, release, and that nothing has changed when it fails before the commit.
Not: whether it may be done (gates, asked before), which requests wait (hold.py).

| step | fails | then |
|---|---|---|
| all workers bring every call to the router | one does not say so in time | restore; nothing has changed |
| nearly drained, while writes go on; those by filter wait | not within cutover.max_hold | release; nothing has changed |
| hold: new writes wait | cannot | |
| writes under way land, the journal drains | not within cutover.max_hold | release; nothing has changed |
| commit epoch + 1, durable | the disk refuses | release; nothing has changed |
| turn the mirror, switch the routes | only by a fault of ours | what waits is not released; a restart reads the new epoch |
| release what waited, in order | cannot | |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

from proxy.config import CutoverConfig
from proxy.errors import ProxyError, Refused
from proxy.mirror.mirror import Mirror
from proxy.model.phase import Phase
from proxy.ports import Clock
from proxy.routing.phase import PHASES
from proxy.routing.router import Router
from proxy.routing.sides import Sides
from proxy.shadow.shadow import Shadow
from proxy.store.migration import Decision, Migration
from proxy.telemetry import metrics
from proxy.telemetry.traces import tracer

log = logging.getLogger(__name__)

CLOSE_ENOUGH: Final = 0.2
"""Seconds of journal lag at which writes are held."""


@dataclass(frozen=True, slots=True)
class Changed:
    """`held` in seconds: how long new writes waited."""

    epoch: int
    held: float


class Change:
    def __init__(
        self,
        router: Router,
        mirror: Mirror,
        shadow: Shadow,
        migration: Migration,
        sides: Sides,
        config: CutoverConfig,
        clock: Clock,
    ) -> None:
        self._router = router
        self._mirror = mirror
        self._shadow = shadow
        self._migration = migration
        self._sides = sides
        self._config = config
        self._clock = clock

    async def run(self, phase: Phase, decision: Decision) -> Changed:
        """Enters `phase`, whose primary is the other place; one at a time. Raises Refused when it could not drain in time."""
        # The backlog goes while writes still go on, so that only the last of it is waited for in the hold.
        await self._calm()
        with tracer.start_as_current_span("change of primary", attributes={"phase": phase}):
            begun = self._clock.monotonic()
            self._router.hold.begin()
            await self._decide(phase, decision)
            await self._turn(phase)
            self._release()
            held = self._clock.monotonic() - begun
        metrics.HOLD_SECONDS.observe(held)
        log.info("the primary has changed", extra={"phase": phase, "epoch": self._migration.epoch, "held": round(held, 4)})
        return Changed(self._migration.epoch, held)

    async def _calm(self) -> None:
        try:
            await self._router.grants.withdraw()
            self._router.hold.calm()
            await self._within(self._nearly_drained(), "the journal did not come close to empty")
        except BaseException:
            self._release()
            raise

    async def _decide(self, phase: Phase, decision: Decision) -> None:
        """Up to the point of no return. What fails before it releases; a cancelled commit may have happened, and does not."""
        try:
            await self._within(self._drained(), "writes under way and the journal did not finish")
        except BaseException:
            self._release()
            raise
        try:
            await self._migration.commit_epoch(self._migration.epoch + 1, PHASES[phase].primary, phase, decision)
        except ProxyError:
            self._release()
            raise

    def _release(self) -> None:
        self._router.hold.release()
        self._router.grants.restore()

    async def _turn(self, phase: Phase) -> None:
        place = PHASES[phase].primary
        primary, secondary = self._sides.at(place).backend, self._sides.at(place.other).backend
        await self._mirror.turn(primary, secondary, self._migration.epoch)
        self._router.enter(phase)
        await self._shadow.turn(primary, secondary, self._migration.epoch)

    async def _nearly_drained(self) -> None:
        """And without what takes long, if such a moment comes: a settle reads the primary twice, and Milvus takes its time."""
        patient = self._clock.monotonic() + self._config.max_hold / 2
        while self._lags() or (self._clock.monotonic() < patient and self._settles()):
            await self._clock.sleep(CLOSE_ENOUGH / 10)

    def _lags(self) -> bool:
        return self._mirror.status().oldest_seconds > CLOSE_ENOUGH

    def _settles(self) -> bool:
        return bool(self._router.hold.flying_by_filter or self._mirror.status().dirty_keys)

    async def _drained(self) -> None:
        await self._router.hold.all_landed()
        await self._mirror.drained()

    async def _within(self, work: Awaitable[None], why: str) -> None:
        try:
            async with asyncio.timeout(self._config.max_hold):
                await work
        except TimeoutError as error:
            raise Refused(
                f"{why} within cutover.max_hold ({self._config.max_hold:g} s); "
                "nothing has changed, try again when the load is lower"
            ) from error
