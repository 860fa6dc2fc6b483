"""Writes pages to the secondary beside live writes, so that nothing newer is overwritten for good.

Owns: the window rule. Of a page that was read when every write up to L was known, what later writes touched is dropped at the
last moment. What is touched while our own write is on its way is settled afterwards, because ours may land last. A write that
was given up may land even later, so its keys are settled once more after the longest time it can linger.
`prototypes/mirror_simulation.py` shows what each part of the rule is for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from proxy.backfill.reader import Batch, Reader
from proxy.errors import Refused, Uncertain
from proxy.live import LiveWrites, Progress, Touched
from proxy.model.point import Key, Point
from proxy.patience import Patience
from proxy.ports import Backend, Clock
from proxy.telemetry.traces import tracer

log = logging.getLogger(__name__)

REREAD_PAUSE: Final = 0.05
LONGEST_REREAD_PAUSE: Final = 2.0
"""Seconds before a page is read again, when nobody can tell which of its keys were touched: doubled each time."""
REFUSED_PAGES: Final = 20
"""Pages refused in a row, after which it is not the points that are wrong."""


class Writer:
    """One for a whole backfill. `linger`: seconds after which a write that was given up can no longer land."""

    def __init__(
        self, secondary: Backend, mirror: LiveWrites, reader: Reader, linger: float, clock: Clock, progress: Progress
    ) -> None:
        self._secondary = secondary
        self._mirror = mirror
        self._reader = reader
        self._linger = linger
        self._clock = clock
        self._patient = Patience(clock, progress.stalled)
        self._refused = 0

    async def write(self, batch: Batch) -> None:
        """Returns when the page is on the secondary, or was left to the mirror, which parks what the secondary refuses."""
        await self._patient(self._attempt, batch)

    async def settle(self, keys: Collection[Key], why: str) -> None:
        """Writes of these keys may still land: has them settled now, and once more when none can land any longer."""
        if keys:
            self._mirror.mark_dirty(keys, why)
            await self._mirror.settled(keys)
            self._mirror.mark_dirty(keys, why, after=self._linger)

    async def _attempt(self, batch: Batch) -> None:
        points, since = await self._untouched(batch)
        keys = [point.key for point in points]
        if not keys:
            return
        try:
            with tracer.start_as_current_span("backfill page", attributes={"points": len(points)}):
                await self._secondary.put(points)
        except Refused as error:
            await self._leave_to_mirror(keys, error)
            return
        except (Uncertain, asyncio.CancelledError):
            self._abandon(keys, "a write of the backfill was given up")
            raise
        self._refused = 0
        await self._settle_overtaken(keys, since)

    async def _untouched(self, batch: Batch) -> tuple[list[Point], int]:
        """And the journal's position up to which that holds."""
        pause = REREAD_PAUSE
        touched, until = await self._touched(batch.last.collection, batch.position)
        while touched.all:
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST_REREAD_PAUSE)
            batch = await self._reader.again(batch)
            touched, until = await self._touched(batch.last.collection, batch.position)
        return [point for point in batch.points if point.key not in touched.keys], until

    async def _settle_overtaken(self, keys: Collection[Key], since: int) -> None:
        touched, _ = await self._touched(next(iter(keys)).collection, since)
        overtaken = keys if touched.all else [key for key in keys if key in touched.keys]
        if overtaken:
            self._mirror.mark_dirty(overtaken, "written while the backfill wrote it")
            # Until then the checkpoint claims the page: a kill between here and the mark's commit must not lose it.
            await self._mirror.settled(overtaken)

    async def _touched(self, collection: str, since: int) -> tuple[Touched, int]:
        """By writes up to now; and the position of now."""
        now = self._mirror.position
        await self._mirror.known_until(now)
        return self._mirror.touched(collection, since, now), now

    async def _leave_to_mirror(self, keys: Collection[Key], error: Refused) -> None:
        self._refused += 1
        if self._refused > REFUSED_PAGES:
            raise Refused(f"the secondary refuses page after page: {error}", error.reason) from error
        log.warning("a page of the backfill was refused", extra={"points": len(keys), "error": str(error)})
        self._mirror.mark_dirty(keys, f"refused in a backfill: {error}")
        await self._mirror.settled(keys)

    def _abandon(self, keys: Collection[Key], why: str) -> None:
        self._mirror.mark_dirty(keys, why)
        self._mirror.mark_dirty(keys, why, after=self._linger)
