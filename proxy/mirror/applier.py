"""Brings ended writes to the secondary: one lane a collection, in the order of their outcomes.

Owns: lanes, batches, retries, when an entry leaves the journal. Not: the rules (plan), changes of schema (changes), settling.

The order of outcomes keeps the order of any two writes of which one ended before the other began; the others are settled, so
no write waits for one that is still under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import Final

from proxy.errors import NotFound, ProxyError, Refused, Unavailable, Uncertain
from proxy.mirror.backlog import Backlog
from proxy.mirror.changes import SchemaChanges, lane_of
from proxy.mirror.deliver import deliver
from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.entry import Entry, Reader
from proxy.mirror.owing import Owing
from proxy.mirror.pace import Pace
from proxy.mirror.parts import Parts
from proxy.mirror.plan import Plan, Planner
from proxy.mirror.pulse import Pulse
from proxy.mirror.turns import Turns
from proxy.mirror.window import Window
from proxy.model.operation import DataWrite, Opaque, SchemaWrite
from proxy.model.point import Key
from proxy.ports import Kind
from proxy.telemetry.traces import tracer

HANDED_LIMIT: Final = 1000
HANDED_BYTES: Final = 16 * 2**20
"""Entries in all lanes, and their bodies but for the last one's; beyond, they wait in the backlog."""
BATCH_ENTRIES: Final = 500
BATCH_BYTES: Final = 4 * 2**20
"""Entries in one batch, however few points they hold, and their bodies but for the last one's: each is there three times, as it
came, as points, and as the secondary's request."""

INLINE_BYTES: Final = 2**20
"""A larger body is decoded in a thread: in the loop it would hold up every client."""
TURN_BYTES: Final = 2**16
DECODING: Final = 2**12
"""Bytes that are decoded between two turns of the loop, some half a millisecond, and what a body costs beside its own."""


class Applier:
    def __init__(self, parts: Parts, reader: Reader, window: Window, backlog: Backlog, dirty: DirtyKeys, turns: Turns) -> None:
        self._parts = parts
        self._reader = reader
        self._window = window
        self._backlog = backlog
        self._dirty = dirty
        self._owing = Owing(parts)
        self._planner = Planner(reader, window, dirty, parts.config.filter_expand_limit)
        self._changes = SchemaChanges(parts, reader, dirty, self._owing, turns)
        self._lanes: dict[str, deque[Entry]] = {}
        self._handed = 0
        self._handed_bytes = 0
        self._turn_bytes = 0
        self._changing = False
        self._lingering: deque[tuple[float, Entry]] = deque()
        self._recheck_left: dict[str, int] = {}
        self._paused = False
        self._error: ProxyError | None = None
        self.moved = Pulse()
        """Rings when a lane went on, and when an outcome came."""

    @property
    def error(self) -> ProxyError | None:
        return self._error or self._changes.error

    @property
    def paused(self) -> bool:
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self.moved.ring()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._linger(), name="mirror.linger")
            while True:
                await self._assign(await self._backlog.take())

    # ---- to the lanes ----

    async def _assign(self, entry: Entry) -> None:
        if entry.route.kind is Kind.SCHEMA:
            # What later requests name depends on it, so the next change waits until this one is in the catalog.
            await self.moved.until(lambda: not self._changing)
            await self._assign_change(entry)
        else:
            await self._hand(await self._lane_of_write(entry), entry)

    async def _lane_of_write(self, entry: Entry) -> str:
        """To decode it costs hardly more than to find the name in it, and is to be done anyhow. But what it was decoded to is
        kept until it is brought, so no more than one batch is decoded before its time."""
        early = entry.size <= INLINE_BYTES and self._handed_bytes + entry.size <= BATCH_BYTES
        if not early or self._reader.names(entry):
            return self._reader.collection(entry)
        if entry.size > TURN_BYTES:
            await self._until_durable(entry)
        return (await self._decoded(entry)).collection

    async def _assign_change(self, entry: Entry) -> None:
        change = await self._change_of(entry)
        if change is None:
            self._finish([entry])
        elif (lane := lane_of(change)) is not None:
            self._changing = True
            await self._hand(lane, entry)
        else:
            await self.moved.until(lambda: not self._lanes)
            await self._changes.apply(entry, change)
            self._finish([entry])

    async def _change_of(self, entry: Entry) -> SchemaWrite | None:
        """None: it cannot be understood, which is a debt now."""
        try:
            write = self._reader.write(entry)
        except Refused as error:
            await self._owing.mark(self._reader.collection(entry), f"{entry.route.name} cannot be understood: {error}")
            return None
        if isinstance(write, DataWrite):
            await self._owing.mark(write.collection, f"{entry.route.name} is routed as a change of schema and is none")
            return None
        return write

    async def _hand(self, name: str, entry: Entry) -> None:
        await self.moved.until(lambda: self._handed < HANDED_LIMIT and self._handed_bytes < HANDED_BYTES)
        self._handed += 1
        self._handed_bytes += entry.size
        if name in self._lanes:
            self._lanes[name].append(entry)
        else:
            self._lanes[name] = deque([entry])
            self._group.create_task(self._work(name), name="mirror.lane")

    # ---- one lane ----

    async def _work(self, name: str) -> None:
        lane = self._lanes[name]
        while lane:
            await self._dirty.changed.until(lambda: not self._dirty.full(name))
            await self.moved.until(lambda: not self._paused)
            await self._until_durable(lane[0])
            done = await self._apply_change(lane) if lane[0].route.kind is Kind.SCHEMA else await self._apply_batch(name, lane)
            self._handed -= len(done)
            self._handed_bytes -= sum(entry.size for entry in done)
            self.moved.ring()
        del self._lanes[name]
        self.moved.ring()

    async def _until_durable(self, entry: Entry) -> None:
        """Its client waits for that too, and comes first: what is done here would delay the reply."""
        journal = self._parts.journal
        await journal.until(lambda: entry.step <= journal.progress.durable or journal.error is not None)

    async def _apply_change(self, lane: deque[Entry]) -> list[Entry]:
        entry = lane.popleft()
        change = await self._change_of(entry)
        if change is not None:
            await self._changes.apply(entry, change)
        self._changing = False
        self._finish([entry])
        return [entry]

    async def _apply_batch(self, name: str, lane: deque[Entry]) -> list[Entry]:
        plan = Plan()
        batch = await self._gather(lane)
        # No await from here until what the plan says is marked or claimed.
        for entry, write in batch:
            self._plan(name, plan, entry, write)
        self._dirty.mark(plan.marks)
        claim = self._dirty.claim(plan.state)
        try:
            for collection, why in plan.owed.items():
                await self._owing.mark(collection, why)
            await self._deliver(plan)
        finally:
            self._dirty.unclaim(claim)
        done = [entry for entry, _ in batch]
        removal = self._finish(done)
        # Only then the next batch: after a crash nothing but the first entries of a lane can have been on their way.
        await self._parts.journal.written(removal)
        return done

    async def _gather(self, lane: deque[Entry]) -> list[tuple[Entry, DataWrite]]:
        """Takes and decodes what fits into one batch; clients are served in between, and what ends meanwhile comes along."""
        batch: list[tuple[Entry, DataWrite]] = []
        points = size = 0
        while points < self._parts.config.batch_points and size < BATCH_BYTES and len(batch) < BATCH_ENTRIES:
            if not lane:
                await asyncio.sleep(0)
            if not lane or lane[0].route.kind is Kind.SCHEMA:
                break
            entry = lane.popleft()
            batch.append((entry, await self._decoded(entry)))
            points += len(self._reader.scope(entry).keys or ())
            size += entry.size
        return batch

    async def _decoded(self, entry: Entry) -> DataWrite:
        if self._reader.knows(entry):
            return self._data_write(entry)
        if entry.size > INLINE_BYTES:
            return await asyncio.to_thread(self._data_write, entry)
        self._turn_bytes += entry.size + DECODING
        if self._turn_bytes > TURN_BYTES:
            self._turn_bytes = 0
            await asyncio.sleep(0)
        return self._data_write(entry)

    def _data_write(self, entry: Entry) -> DataWrite:
        try:
            write = self._reader.write(entry)
        except Refused as error:
            return Opaque(self._reader.collection(entry), f"{entry.route.name} cannot be understood: {error}")
        if isinstance(write, DataWrite):
            return write
        return Opaque(self._reader.collection(entry), f"{entry.route.name} is routed as a write and changes the schema")

    def _plan(self, name: str, plan: Plan, entry: Entry, write: DataWrite) -> None:
        if write.collection in self._parts.catalog.excluded():
            return
        self._planner.add(plan, entry, write)
        keys = self._reader.scope(entry).keys or frozenset()
        if write.collection != name:
            # Named in a way that we could not resolve when it came: its own lane may be ahead of it or behind.
            plan.mark(keys, "named by an alias that was not known")
            if entry.intent is not None and entry.intent.collection:
                plan.owed[name] = "a write was read back when the name that it was written to meant another collection"
        self._recheck_after_crash(name, entry, keys)

    def _recheck_after_crash(self, name: str, entry: Entry, keys: frozenset[Key]) -> None:
        """The process before this one may have sent the first batch of each lane just before it ended; it may still land."""
        if entry.seq > self._parts.journal.found.position:
            return
        left = self._recheck_left.get(name, self._parts.config.batch_points)
        if left > 0:
            # One that lingers was not in that batch, though it is still in the journal, and before it.
            self._recheck_left[name] = left - (0 if entry.horizon is None else len(keys))
            why = "the process ended while it may have been on its way"
            self._dirty.mark_later(dict.fromkeys(keys, why), self._parts.config.linger)

    async def _deliver(self, plan: Plan) -> None:
        if not plan.state:
            return
        try:
            refused = await self._insist(plan)
        except NotFound as error:
            collection = next(iter(plan.state)).collection
            await self._owing.mark(collection, f"the secondary has no such collection ({error})")
            return
        unkept = [key for key, reason in refused.items() if not self._dirty.park(key, reason)]
        if unkept:
            why = f"more points were refused than can be parked: {refused[unkept[0]]}"
            await self._owing.mark(unkept[0].collection, why)

    async def _insist(self, plan: Plan) -> dict[Key, str]:
        config = self._parts.config
        pace = Pace(self._parts.clock, config.retry_max)
        while True:
            try:
                with tracer.start_as_current_span("mirror", attributes={"points": len(plan.state)}):
                    refused = await deliver(self._parts.roles.secondary, plan.state, config.batch_points)
            except Unavailable as error:
                self._error = error
                if isinstance(error, Uncertain):
                    self._dirty.mark_later(dict.fromkeys(plan.state, "a write to the secondary may still land"), config.linger)
                await pace.bad(error)
            else:
                self._error = None
                return refused

    # ---- leaving ----

    def _finish(self, entries: list[Entry]) -> int:
        """Out of the journal, but for those that may still land on the primary. The step that removes them."""
        for entry in entries:
            self._backlog.release(entry)
        done = [entry for entry in entries if entry.horizon is not None]
        for entry in entries:
            if entry.horizon is None:
                self._let_linger(entry)
            else:
                entry.finish()
                self._window.finish(entry)
        self.moved.ring()
        if not done:
            return 0
        freed = sum(entry.size for entry in done)
        return self._parts.journal.remove([entry.seq for entry in done], freed, self._window.position)

    def _let_linger(self, entry: Entry) -> None:
        scope = self._reader.scope(entry)
        if entry.intent is not None and scope.keys is not None:
            request = replace(entry.intent.request, body=b"")
            keys = tuple(scope.keys)
            entry.intent = replace(entry.intent, request=request, keys=keys, keys_only=True, collection=scope.collection or "")
            entry.write = None
        self._lingering.append((self._parts.clock.monotonic() + self._parts.config.linger, entry))

    async def _linger(self) -> None:
        while True:
            await self.moved.until(lambda: bool(self._lingering))
            due, entry = self._lingering[0]
            await self._parts.clock.sleep(max(due - self._parts.clock.monotonic(), 0.0))
            self._lingering.popleft()
            entry.places += (self._parts.journal.move(entry.seq, self._window.close(entry)),)
            self._backlog.add(entry)
