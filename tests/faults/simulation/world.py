"""A seeded world: two databases, sidecars between clients and them, and chance that decides everything else.

Owns: who is there, what is true at each instant, the trace. Not: what the operator does (acts), the last word (judge).
Time is virtual, so a run of some minutes takes milliseconds and happens the same way for the same seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from sqlite3 import Connection, OperationalError

import numpy as np
from fakes.mirror import Catalog
from fakes.plain_frontend import point, schema_of
from faults.simulation.clients import FIRST_VALUE, MAYFLY, NAME, Attempt, Pen, mayfly, pause
from faults.simulation.network import Database, Network, at_once
from faults.simulation.process import Process, Surroundings
from faults.simulation.story import Story
from faults.simulation.virtual_disk import Disk
from faults.simulation.virtual_time import VirtualClock

from proxy.compare.points import equal
from proxy.model.operation import CreateCollection
from proxy.model.place import Place
from proxy.model.point import Key, Point
from proxy.model.schema import Product

COLD = range(20, 27)
"""Keys that no client writes: only a backfill brings them."""
UNMATCHED = 9
"""A group that no client's filter names."""
SCHEMA = schema_of(NAME)


def cold_point(number: int, value: float) -> Point:
    return Point(Key(NAME, None, number), {"": np.full(2, value, np.float32)}, {"v": value, "group": UNMATCHED})


class World:
    def __init__(self, clock: VirtualClock, seed: int, story: Story, trace: list[str] | None = None) -> None:
        self.chance = random.Random(seed)
        self.clock = clock
        self.story = story
        self._trace = trace
        self.findings: list[str] = []
        """What must not happen, as it happened."""
        self.attempts: list[Attempt] = []
        self.stages: list[tuple[int, Place]] = []
        """Epochs and their primaries, as they became durable at the first sidecar."""
        self._first: dict[float, Place] = {}
        self._pen = Pen(self.chance, story.hot, story.mix)
        self._deaths: set[asyncio.Task[None]] = set()

    async def build(self) -> None:
        catalog = Catalog()
        self.source = Database(Place.SOURCE, Product.MILVUS, catalog)
        catalog.schemas = self.source.schemas  # what it has is what its clients may name
        self.target = Database(Place.TARGET, Product.QDRANT, catalog)
        for side in (self.source, self.target):
            at_once(side.apply(CreateCollection(SCHEMA)))
        there = [point(NAME, number, float(number)) for number in range(self.story.hot) if number % 3]
        there += [cold_point(number, float(number)) for number in COLD]
        at_once(self.source.put(there))
        if "backfill" not in self.story.wishes:
            at_once(self.target.put(there))
        for side in (self.source, self.target):
            side.seen = self._seen
        network = Network(self.chance, self.story.slow, self.tell if self._trace is not None else None)
        around = Surroundings(self.story.config(), self.source, self.target, network, self.clock, self._committed)
        names = "abc"[: self.story.sidecars]
        self.processes = [Process(name, Disk(self.chance, self.story.commits_a_second), around) for name in names]
        for process in self.processes:
            process.start()
            await process.parts.catalog.put(SCHEMA)

    # ---- the trace ----

    def tell(self, what: str) -> None:
        if self._trace is not None:
            self._trace.append(f"{self.clock.monotonic():9.3f}  {what}")

    def find(self, what: str) -> None:
        self.tell(f"FOUND: {what}")
        self.findings.append(what)

    # ---- the truth ----

    @property
    def primary(self) -> Place:
        return self.stages[-1][1] if self.stages else Place.SOURCE

    def _seen(self, place: Place, points: Sequence[Point]) -> None:
        """A client's value comes to the primary first: anywhere else it was written in another epoch, or never accepted."""
        for value in (found.payload.get("v", 0.0) for found in points):
            if value >= FIRST_VALUE and value not in self._first:
                self._first[value] = place
                if place is not self.primary:
                    self.find(f"I4, I7: value {value} came first to the {place}, which is not the primary")

    def landed(self, value: float) -> bool:
        return value in self._first

    def _committed(self, state: Connection) -> None:
        """Only the first sidecar's operator changes anything."""
        try:
            row = state.execute("select epoch, leader from migration order by number desc limit 1").fetchone()
        except OperationalError:  # its tables are not there yet
            return
        stage = (row[0], Place(row[1])) if row else None
        if stage is not None and stage not in self.stages and (stage[0] > 1 or not self.stages):
            self._turned(stage)

    def _turned(self, stage: tuple[int, Place]) -> None:
        self.stages.append(stage)
        self.tell(f"epoch {stage[0]} is durable: the primary is the {stage[1]}")
        if stage[0] == 1:
            return
        if differing := self.differences():
            self.find(f"I8: the primary changed while {shown(differing)} differed")
        if flying := self.processes[0].parts.router.hold.flying:
            self.find(f"I7: the primary changed with {flying} writes under way")
        if self.chance.random() < self.story.assassin / 2:
            self.kill_later(self.processes[0])

    def differences(self) -> list[Key]:
        source, target = self.source.points(NAME), self.target.points(NAME)
        keys = {*source, *target}
        return [key for key in keys if not equal(source.get(key), target.get(key), SCHEMA, 0.0)]

    def strays(self) -> list[str]:
        """What the sides do not have alike of the collection that comes and goes."""
        sides = (self.source, self.target)
        if len({MAYFLY in side.schemas for side in sides}) > 1:
            return [f"the {next(side.place for side in sides if MAYFLY in side.schemas)} alone has {MAYFLY}"]
        if MAYFLY not in self.source.schemas:
            return []
        source, target = (side.points(MAYFLY) for side in sides)
        return [
            f"{key} of {MAYFLY}" for key in {**source, **target} if not equal(source.get(key), target.get(key), SCHEMA, 0.0)
        ]

    def points(self, place: Place) -> Mapping[Key, Point]:
        return (self.source if place is Place.SOURCE else self.target).points(NAME)

    def owed(self) -> bool:
        return any(process.parts.debts.all() for process in self.processes)

    # ---- clients ----

    async def client(self, name: int) -> None:
        for _ in range(self.story.writes):
            await self._write(name, self.chance.choice(self.processes))
            await pause(self.chance, self.story.pace)

    async def mayflies(self) -> None:
        for life in range(self.story.mayflies):
            for asked in mayfly(float(life)):
                process = self.chance.choice(self.processes)
                reply = await process.ask(asked)
                self.tell(f"{asked.path.decode()} of {MAYFLY} by {process.name} -> {reply.status if reply else 'nobody knows'}")
                await pause(self.chance, self.story.pace)

    async def _write(self, name: int, process: Process) -> None:
        attempt = self._pen.next(self.clock.monotonic())
        self.attempts.append(attempt)
        what = f"client {name} by {process.name}: {attempt.asked.path.decode()} {attempt.asked.body.decode()}"
        self.tell(what)
        reply = await process.ask(attempt.asked)
        attempt.close(reply, self.clock.monotonic())
        self.tell(f"{what} -> {reply.status if reply else 'nobody knows'}")

    # ---- trouble ----

    async def trouble(self, process: Process) -> None:
        for _ in range(self.chance.choice(self.story.crashes)):
            await asyncio.sleep(self.chance.uniform(1, 30))
            await self.kill(process)
        if self.chance.random() < self.story.outage:
            self.target.down_until = self.clock.monotonic() + self.chance.uniform(1, 40)

    async def kill(self, process: Process) -> None:
        self.tell(f"{process.name} dies and starts again")
        await process.crash()

    def kill_later(self, process: Process, seconds: float = 0.0) -> None:
        task = asyncio.get_running_loop().create_task(self._kill_after(process, seconds))
        self._deaths.add(task)
        task.add_done_callback(self._deaths.discard)

    async def _kill_after(self, process: Process, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.kill(process)

    # ---- the end ----

    async def quiet(self) -> None:
        """Every message has landed, and every mirror is drained."""
        await asyncio.sleep(3 * self.story.linger)
        async with asyncio.timeout(3600):
            while any(_busy(process) for process in self.processes):
                for process in self.processes:
                    await process.parts.mirror.drained()

    async def end(self) -> None:
        for process in self.processes:
            await process.stop()


def _busy(process: Process) -> bool:
    status = process.parts.mirror.status()
    return bool(status.entries or status.dirty_keys)


def shown(keys: Sequence[Key]) -> str:
    return f"keys {sorted(key.id for key in keys)}"  # type: ignore[type-var]
