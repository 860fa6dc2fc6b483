"""Backends that take their time, and the smallest mirror that keeps what live.LiveWrites promises: every write settles."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from proxy.backends.memory import MemoryBackend
from proxy.clock import SystemClock
from proxy.errors import NotFound, Uncertain
from proxy.model.operation import Consistency, CreateCollection, Fetch, Page, Scan, SchemaWrite, SetAlias
from proxy.model.point import Key, Point
from proxy.model.schema import Schema


class FastClock(SystemClock):
    """Sleeps for no time, but lets others run."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Watcher:
    """live.Progress that remembers."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.troubles: list[str] = []

    def report(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def stalled(self, why: str) -> None:
        self.troubles.append(why)

    async def turn(self) -> None:
        await asyncio.sleep(0)


class Notes:
    """store.Checkpoints without a disk: no thread, so that a seed decides everything."""

    def __init__(self) -> None:
        self.documents: dict[str, str] = {}

    async def load(self, task: str) -> dict[str, Any] | None:
        return json.loads(self.documents[task]) if task in self.documents else None

    async def save(self, task: str, document: Mapping[str, Any]) -> None:
        self.documents[task] = json.dumps(document)

    async def drop(self, task: str) -> None:
        self.documents.pop(task, None)


class Catalog:
    """ports.Catalog over a dict, with what StoredCatalog adds for the tasks."""

    def __init__(self, *schemas: Schema, aliases: dict[str, str] | None = None) -> None:
        self.schemas = {schema.collection: schema for schema in schemas}
        self._aliases = aliases or {}

    def resolve(self, name: str) -> str:
        name = self._aliases.get(name, name)
        if name not in self.schemas:
            raise NotFound(f"there is no collection {name}")
        return name

    def schema(self, collection: str) -> Schema:
        return self.schemas[self.resolve(collection)]

    def collections(self) -> tuple[str, ...]:
        return tuple(self.schemas)

    def migrated(self) -> tuple[str, ...]:
        return self.collections()

    def excluded(self) -> frozenset[str]:
        return frozenset()

    async def apply(self, change: SchemaWrite) -> None:
        match change:
            case CreateCollection(schema):
                self.schemas[schema.collection] = schema
            case SetAlias(alias, collection):
                self._aliases[alias] = collection

    def aliases(self) -> dict[str, str]:
        return self._aliases

    def loaded(self, collection: str) -> bool:
        return True

    def fact(self, name: str) -> str:
        return ""


class Slow(MemoryBackend):
    """Each call takes effect, and answers, some turns of the loop later; a put may be given up and land afterwards."""

    def __init__(self, catalog: Catalog, chance: random.Random | None = None, *, given_up: float = 0.0) -> None:
        super().__init__(catalog)
        self._chance = chance or random.Random(0)
        self._given_up = given_up
        self.late: list[tuple[Point, ...]] = []
        self.puts = 0
        self.miscounts: Iterator[int] = iter(())
        """What it says next of rows whose id another has; then the truth."""

    async def duplicates(self, collection: str) -> int:
        return next(self.miscounts, await super().duplicates(collection))

    async def put(self, points: Sequence[Point]) -> None:
        await self._wait(longest=200)  # long enough for a whole live write to overtake it
        if self._chance.random() < self._given_up:
            self.late.append(tuple(points))
            raise Uncertain("no answer")
        await super().put(points)
        self.puts += len(points)
        await self._wait()

    async def remove(self, keys: Sequence[Key]) -> None:
        await self._wait()
        await super().remove(keys)
        await self._wait()

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        await self._wait()
        found = await super().fetch(fetch, consistency)
        await self._wait()
        return found

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        await self._wait()
        page = await super().scan(scan, consistency)
        await self._wait()
        return page

    async def land(self) -> None:
        """What was given up takes effect after all."""
        for points in self.late:
            await super().put(points)
        self.late.clear()

    async def _wait(self, longest: int = 20) -> None:
        for _ in range(self._chance.choice((0, 1, 1, 3, 10, longest))):
            await asyncio.sleep(0)


SETTLERS = 4


@dataclass(slots=True, eq=False)
class Written:
    key: Key
    seq: int
    ended: int | None = None
    """The position when it ended."""


@dataclass(frozen=True, slots=True)
class Touched:
    keys: frozenset[Key]
    all: bool = False


@dataclass(eq=False)
class FakeMirror:
    """`run` settles; `marks` remembers what tasks asked for. Late marks are settled at `linger_over`."""

    primary: MemoryBackend
    secondary: MemoryBackend
    blind: int = 0
    """So many answers of `touched` cannot tell."""
    position: int = 0
    log: list[Written] = field(default_factory=list)
    dirty: dict[Key, int] = field(default_factory=dict)
    settling: set[Key] = field(default_factory=set)
    later: set[Key] = field(default_factory=set)
    marks: list[tuple[Key, str, float]] = field(default_factory=list)
    lingering: int = 0

    async def write(self, key: Key, point: Point | None) -> None:
        """A client's: the primary first, the secondary by settling."""
        self.position += 1
        written = Written(key, self.position)
        self.log.append(written)
        await (self.primary.remove([key]) if point is None else self.primary.put([point]))
        self._soil(key)
        written.ended = self.position

    async def known_until(self, position: int) -> None:
        await _until(lambda: all(written.ended is not None for written in self.log if written.seq <= position))

    def touched(self, collection: str, since: int, until: int) -> Touched:
        self.blind -= 1
        here = [written for written in self.log if written.seq <= until]
        if self.blind >= 0 or any(written.ended is None for written in here):
            return Touched(frozenset(), all=True)
        keys = {written.key for written in here if written.seq > since or written.ended > since}
        return Touched(frozenset(keys | self.dirty.keys()))

    def mark_dirty(self, keys: Iterable[Key], why: str, *, after: float = 0.0) -> None:
        for key in keys:
            self.marks.append((key, why, after))
            if after:
                self.later.add(key)
            else:
                self._soil(key)

    async def settled(self, keys: Collection[Key]) -> None:
        for key in keys:
            await _until(lambda key=key: key not in self.dirty)

    def sending(self, *names: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def landed_until(self, position: int) -> None:
        await self.known_until(position)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(SETTLERS):
                group.create_task(self._settler())

    async def drain(self) -> None:
        """When nobody runs it: until nothing is dirty."""
        while self.dirty:
            await self._settle(next(iter(self.dirty)))

    async def _settler(self) -> None:
        while True:
            free = [key for key in self.dirty if key not in self.settling]
            if free:
                await self._settle(free[0])
            await asyncio.sleep(0)

    async def _settle(self, key: Key) -> None:
        self.settling.add(key)
        generation = self.dirty[key]
        try:
            found = await self.primary.fetch(Fetch(key.collection, (key,)))
            await (self.secondary.put([found[key]]) if key in found else self.secondary.remove([key]))
        except Uncertain:
            self.later.add(key)
        except NotFound:  # its collection was dropped meanwhile, as the real mirror takes it: nothing is left to settle
            del self.dirty[key]
        else:
            if self.dirty[key] == generation:
                del self.dirty[key]
        finally:
            self.settling.discard(key)

    def linger_over(self) -> None:
        self.mark_dirty(list(self.later), "linger")
        self.later.clear()

    def _soil(self, key: Key) -> None:
        self.dirty[key] = self.dirty.get(key, 0) + 1


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  simulated time is turns of the loop
        await asyncio.sleep(0)


def pair(catalog: Catalog, seed: int = 0, *, given_up: float = 0.0) -> FakeMirror:
    chance = random.Random(seed)
    return FakeMirror(Slow(catalog, chance), Slow(catalog, chance, given_up=given_up))


async def create(backend: MemoryBackend, catalog: Catalog) -> None:
    for schema in catalog.schemas.values():
        await backend.apply(CreateCollection(schema))


def contents(backend: MemoryBackend, collection: str) -> dict[Key, object]:
    return {
        key: (dict(point.payload), {n: v.tolist() for n, v in point.vectors.items()})
        for key, point in backend._points[collection].items()
    }
