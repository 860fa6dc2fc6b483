"""One stretch of a collection: a page is read ahead while others are written, and the checkpoint follows behind.

The checkpoint names the keys of every page that is being written before its write is sent: after a kill those writes may
still land, and the next process must know whose keys they were.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from proxy.backfill.reader import Batch
from proxy.store.keys import dump_keys
from proxy.store.walk import Walk

READ_AHEAD: Final = 1
"""Pages read and not yet being written: enough that neither side waits for the other."""

Write: TypeAlias = Callable[[Batch], Awaitable[None]]
Keep: TypeAlias = Callable[[Walk], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Place:
    batch: Batch
    written: bool = False


class Pipeline:
    """`keep` makes a walk durable. `walk` is always behind what is durable on the secondary."""

    def __init__(self, walk: Walk, write: Write, keep: Keep, concurrency: int) -> None:
        self.walk = walk
        self._write = write
        self._keep = keep
        self._concurrency = concurrency
        self._under_way: deque[_Place] = deque()
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(READ_AHEAD)

    async def run(self, pages: AsyncIterator[Batch]) -> Walk:
        """To the end of the pages; the last checkpoint is the caller's. Raises the first failure of any part."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(pages), name="backfill.read")
                for number in range(self._concurrency):
                    group.create_task(self._drain(), name=f"backfill.write.{number}")
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return self.walk.unclaimed()

    async def _read(self, pages: AsyncIterator[Batch]) -> None:
        async for batch in pages:
            await self._queue.put(batch)
        for _ in range(self._concurrency):
            await self._queue.put(None)

    async def _drain(self) -> None:
        while (batch := await self._queue.get()) is not None:
            place = _Place(batch)
            self._under_way.append(place)  # pages leave the queue in the order of reading
            await self._keep(self._claiming())
            await self._write(batch)
            place.written = True
            self._follow()

    def _claiming(self) -> Walk:
        claims = (key for place in self._under_way for key in dump_keys(place.batch.keys))
        self.walk = replace(self.walk, claims=tuple(claims))
        return self.walk

    def _follow(self) -> None:
        """The cursor moves over the pages that are written without a gap."""
        while self._under_way and self._under_way[0].written:
            batch = self._under_way.popleft().batch
            self.walk = self.walk.advance(batch.last, len(batch.points))
