"""Reads a stretch page by page at a pace that the source bears, and knows for each page since when it may be outdated."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from proxy.backfill.pace import Limits, Pace, after_error, after_scan
from proxy.config import BackfillConfig
from proxy.errors import Unavailable
from proxy.live import LiveWrites, Progress
from proxy.model.operation import Consistency, Fetch, Page, Scan
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.patience import Patience
from proxy.ports import Backend, Clock

READ_BYTES: Final = 16 * 2**20
PAGES_AT_ONCE: Final = 4
"""What one scan may bring, by its vectors and in all: a source may let each scan wait for its latest state (Milvus: 0.4 s),
so fewer and larger ones are faster."""


def read_at_once(schema: Schema, page: int) -> int:
    """Points: as many pages as the bounds allow, at least one."""
    size = page * sum(4 * field.dim for field in schema.vectors.values())
    return page * max(1, min(PAGES_AT_ONCE, READ_BYTES // max(size, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A page as it stood after every write up to `position`. `last`: where to go on behind it."""

    points: tuple[Point, ...]
    position: int
    last: Key

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(point.key for point in self.points)


class Reader:
    """One for a whole backfill, so that what it learnt of the source's pace lasts."""

    def __init__(self, primary: Backend, mirror: LiveWrites, config: BackfillConfig, clock: Clock, progress: Progress) -> None:
        self._primary = primary
        self._mirror = mirror
        self._page = config.page
        self._clock = clock
        self._progress = progress
        self._patient = Patience(clock, progress.stalled)
        ceiling = config.max_rate or math.inf
        self._limits = Limits(config.latency_limit, step=config.page, floor=config.page / 10, ceiling=ceiling)
        self._pace = Pace(rate=ceiling)
        self._achieved = 0.0

    async def pages(self, scan: Scan) -> AsyncIterator[Batch]:
        """From `scan.after` to the end, `scan.limit` points read at once. What the taker of a page takes of time counts
        towards the pace."""
        end = False
        while not end:
            await self._progress.turn()
            began = self._clock.monotonic()
            position, found = await self._settled_page(scan)
            end = found.end or not found.points
            for first in range(0, len(found.points), self._page):
                await self._progress.turn()
                page = found.points[first : first + self._page]
                scan = replace(scan, after=page[-1].key)
                yield Batch(page, position, page[-1].key)
            await self._keep_pace(len(found.points), began)

    async def again(self, batch: Batch) -> Batch:
        """The same keys as they are now; those that are gone are left out."""
        position = await self._known()
        fetch = Fetch(batch.last.collection, batch.keys)
        found = await self._patient(self._primary.fetch, fetch, Consistency.LATEST)
        return Batch(tuple(found.values()), position, batch.last)

    async def _settled_page(self, scan: Scan) -> tuple[int, Page]:
        position = await self._known()
        return position, await self._patient(self._timed_scan, scan)

    async def _known(self) -> int:
        position = self._mirror.position
        await self._mirror.known_until(position)
        return position

    async def _timed_scan(self, scan: Scan) -> Page:
        began = self._clock.monotonic()
        try:
            page = await self._primary.scan(scan, Consistency.LATEST)
        except Unavailable:
            self._pace = after_error(self._pace, self._achieved, self._limits)
            raise
        if len(page.points) == scan.limit:  # a short page's latency tells nothing of a full one's
            self._pace = after_scan(self._pace, self._clock.monotonic() - began, self._achieved, self._limits)
        return page

    async def _keep_pace(self, points: int, began: float) -> None:
        rest = self._pace.pause(points) - (self._clock.monotonic() - began)
        if rest > 0:
            await self._clock.sleep(rest)
        if (elapsed := self._clock.monotonic() - began) > 0:
            self._achieved = points / elapsed
