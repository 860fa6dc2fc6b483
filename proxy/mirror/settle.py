"""Settles dirty keys: read on the primary, write to the secondary, read again, until both reads agree.

Owns: when a key may be called clean. Not: which keys are dirty (dirty), who marks them.
Why it converges: let V be the last state of a key that a settle wrote to the secondary. The primary was read after that write
and showed V. Had it changed later, the write that changed it would have made the key dirty, and V would not have been the last.
The primary is the only arbiter; a key that cannot be read or written now stays dirty.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from proxy.compare.points import equal
from proxy.errors import NotFound, ProxyError, Refused, Unavailable, Uncertain
from proxy.mirror.deliver import deliver
from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.pace import Pace
from proxy.mirror.parts import Parts
from proxy.model.operation import Fetch
from proxy.model.point import Key, Point
from proxy.telemetry.traces import tracer

RECHECK_STEP: Final = 1.0
"""Seconds: an earlier time may be added while one is waited for."""


class Settler:
    def __init__(self, parts: Parts, dirty: DirtyKeys) -> None:
        self._journal = parts.journal
        self._roles = parts.roles
        self._dirty = dirty
        self._catalog = parts.catalog
        self._debts = parts.debts
        self._config = parts.config
        self._clock = parts.clock
        self._busy: Counter[str] = Counter()
        self._resting: Counter[str] = Counter()
        self._pace: dict[str, Pace] = {}
        self.paused = False
        self.error: ProxyError | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recheck(), name="mirror.recheck")
            while True:
                await self._dirty.changed.until(self._has_work)
                for collection in filter(self._may_start, self._dirty.collections()):
                    self._busy[collection] += 1
                    keys = self._dirty.take(collection, self._config.batch_points)
                    group.create_task(self._settle(collection, keys), name="mirror.settle")

    def _has_work(self) -> bool:
        return any(map(self._may_start, self._dirty.collections()))

    def _may_start(self, collection: str) -> bool:
        """Beside another only with a full batch: a few keys wait for those that are settled, and share the next calls."""
        busy = self._busy[collection]
        full = self._dirty.waiting(collection) >= self._config.batch_points
        return not self.paused and not self._resting[collection] and (not busy or (full and busy < self._config.concurrency))

    async def _recheck(self) -> None:
        """Marks the keys whose linger is over."""
        while True:
            await self._dirty.changed.until(lambda: self._dirty.next_due() is not None)
            due = self._dirty.next_due() or 0.0
            await self._clock.sleep(min(max(due - self._clock.monotonic(), 0.0), RECHECK_STEP))
            self._dirty.mark_due()

    async def _settle(self, collection: str, keys: list[Key]) -> None:
        pace = self._pace.setdefault(collection, Pace(self._clock, self._config.retry_max))
        try:
            await self._round(collection, keys)
            pace.good()
            self.error = None
        except Uncertain as error:
            self._dirty.mark_later(dict.fromkeys(keys, "a write to the secondary may still land"), self._config.linger)
            await self._back_off(pace, keys, error)
        except (Unavailable, Refused) as error:
            await self._back_off(pace, keys, error)
        finally:
            self._busy[collection] -= 1
            self._dirty.changed.ring()

    async def _back_off(self, pace: Pace, keys: list[Key], error: ProxyError) -> None:
        self.error = error
        collection = keys[0].collection
        self._resting[collection] += 1
        self._dirty.untake(keys, str(error))
        await pace.bad(error)
        self._resting[collection] -= 1

    async def _round(self, collection: str, keys: list[Key]) -> None:
        with tracer.start_as_current_span("settle", attributes={"collection": collection, "keys": len(keys)}):
            await self._bring(collection, keys)

    async def _bring(self, collection: str, keys: list[Key]) -> None:
        before = await self._read(collection, keys)
        if before is None:
            return
        try:
            refused = await deliver(self._roles.secondary, {key: before.get(key) for key in keys}, self._config.batch_points)
        except NotFound as error:
            await self._owe(collection, keys, f"the secondary has no such collection ({error})")
            return
        after = await self._read(collection, keys)
        if after is not None:
            await self._close(collection, before, after, keys, refused)

    async def _close(
        self, collection: str, before: dict[Key, Point], after: dict[Key, Point], keys: list[Key], refused: dict[Key, str]
    ) -> None:
        schema = self._catalog.schema(collection)
        same = {key for key in keys if equal(before.get(key), after.get(key), schema, 0.0)}
        unkept = [key for key in same & refused.keys() if not self._dirty.park(key, refused[key])]
        self._dirty.settled(same - refused.keys())
        self._dirty.overtaken([key for key in keys if key not in same])
        if unkept:
            await self._owe(collection, unkept, f"more points were refused than can be parked: {refused[unkept[0]]}")

    async def _read(self, collection: str, keys: list[Key]) -> dict[Key, Point] | None:
        """None: there is nothing to settle any more."""
        if collection not in self._catalog.collections():
            # Dropped: all that a later collection of this name holds came through the journal after it.
            self._dirty.settled(keys)
            return None
        try:
            return await self._roles.primary.fetch(Fetch(collection, tuple(keys)))
        except NotFound as error:
            if self._journal.entries:  # a drop or a rename may be on its way to the catalog
                raise
            await self._owe(collection, keys, f"the primary has no such collection ({error})")
            return None
        except Refused as error:
            if not self._dirty.full(collection):
                raise
            await self._owe(collection, keys, f"too many keys wait for the primary, which cannot be read: {error}")
            self._dirty.forget(collection)
            return None

    async def _owe(self, collection: str, keys: list[Key], why: str) -> None:
        if collection in self._catalog.collections():
            await self._debts.mark(collection, why)
        self._dirty.settled(keys)
