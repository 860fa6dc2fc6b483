"""A seeded world around the real mirror: clients, both sides with late and lost replies, crashes, an outage, a backfill.

Everything that a message may do to us happens here by chance: it takes time, it is slow, its reply is lost, it lands after it
was given up. Time is virtual, so a run of some minutes takes milliseconds and happens the same way for the same seed.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fakes.plain_frontend import PlainFrontend, point, put, remove, request, schema_of
from fakes.plain_parts import PlainCatalog, PlainDebts
from fakes.virtual_time import VirtualClock
from fakes.virtual_writer import VirtualWriter, disk

from proxy.backends.memory import MemoryBackend
from proxy.compare.points import equal
from proxy.config import JournalConfig, MirrorConfig
from proxy.errors import ProxyError, Unavailable, Uncertain
from proxy.mirror.journal import Journal, contents
from proxy.mirror.mirror import Listing, Mirror
from proxy.mirror.parts import Parts, Roles
from proxy.model.filter import Equals
from proxy.model.operation import CreateCollection, Fetch, Patch, Put, Remove, RemoveWhere, Scan, Write
from proxy.model.point import Key, Point
from proxy.ports import Outcome, Reply, Request

NAME = "c"
KEYS = range(6)
LINGER = 60.0
CLIENT_TIMEOUT = 15.0
TARGET_TIMEOUT = 8.0


@dataclass(frozen=True)
class Rules:
    """What the world does wrong on purpose, to see that it is noticed."""

    forwards_early: bool = False
    """Forwards a write before its intent is written."""
    backfills_blindly: bool = False
    """Writes its pages whatever was touched meanwhile."""
    linger: float = LINGER
    """How long the mirror believes that something given up may still land."""
    commits_a_second: float = 200.0
    """How fast the disk is."""


class Side(MemoryBackend):
    """A database at the other end of a bad network."""

    chance: random.Random
    down_until = 0.0
    timeout: float | None = None

    async def call(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The call lands after a while, its reply after another; with a timeout, Uncertain may come before either."""
        loop = asyncio.get_running_loop()
        if loop.time() < self.down_until:
            await asyncio.sleep(0.01)
            raise Unavailable("down")
        answered: asyncio.Future[Any] = loop.create_future()
        loop.call_later(_delay(self.chance), self._land, work, answered)
        try:
            return await asyncio.wait_for(answered, self.timeout)
        except TimeoutError:
            raise Uncertain("no reply in time") from None

    def _land(self, work: Callable[[], Coroutine[Any, Any, Any]], answered: asyncio.Future[Any]) -> None:
        result, error = _at_once(work)
        asyncio.get_running_loop().call_later(_delay(self.chance), _answer, answered, result, error)

    async def put(self, points: Sequence[Point]) -> None:
        await self.call(lambda: MemoryBackend.put(self, points))

    async def remove(self, keys: Sequence[Key]) -> None:
        await self.call(lambda: MemoryBackend.remove(self, keys))

    async def fetch(self, fetch: Fetch, *rest: Any) -> dict[Key, Point]:
        found: dict[Key, Point] = await self.call(lambda: MemoryBackend.fetch(self, fetch, *rest))
        return found

    def points(self) -> Mapping[Key, Point]:
        return self._points[NAME]


def _delay(chance: random.Random) -> float:
    slow = chance.uniform(2, 20) if chance.random() < 0.05 else 0.0
    return chance.expovariate(1.0) + slow


def _at_once(work: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, ProxyError | None]:
    """Runs a coroutine of the memory backend, which never waits."""
    try:
        work().send(None)
    except StopIteration as end:
        return end.value, None
    except ProxyError as error:
        return None, error
    raise AssertionError("the memory backend waited")


def _answer(answered: asyncio.Future[Any], result: Any, error: ProxyError | None) -> None:
    if answered.done():
        return
    if error is None:
        answered.set_result(result)
    else:
        answered.set_exception(error)


@dataclass
class World:
    clock: VirtualClock
    chance: random.Random
    rules: Rules
    catalog: PlainCatalog = field(default_factory=lambda: PlainCatalog([schema_of(NAME)]))
    debts: PlainDebts = field(default_factory=PlainDebts)
    value: float = 1000.0
    ids: int = 100
    repeats_page: bool = False

    async def build(self) -> None:
        self.source, self.target = Side(self.catalog), Side(self.catalog)
        for side in (self.source, self.target):
            side.chance = self.chance
            await MemoryBackend.apply(side, CreateCollection(schema_of(NAME)))
        self.target.timeout = TARGET_TIMEOUT
        await MemoryBackend.put(self.source, [point(NAME, number, float(number)) for number in KEYS if number % 2])
        self.disk = disk()
        self.start()

    # ---- the process ----

    def start(self) -> None:
        self.writer = VirtualWriter(self.disk, self.chance, self.rules.commits_a_second)
        journal = Journal(self.writer, contents(self.disk), JournalConfig())
        config = MirrorConfig(linger=self.rules.linger, batch_points=4, retry_max=2.0)
        roles = Roles(self.source, self.target, 1)
        self.mirror = Mirror(Parts(journal, PlainFrontend(), self.catalog, self.debts, roles, config, self.clock))
        self.working = asyncio.ensure_future(self.mirror.run())
        self.inside: set[asyncio.Task[Any]] = set()

    async def crash(self) -> None:
        """Nothing of the process remains but what is on the disk; what is on the network goes on."""
        self.writer.die()
        dying = [self.working, *self.inside]
        for task in dying:
            task.cancel()
        self.start()
        self.repeats_page = True
        await asyncio.gather(*dying, return_exceptions=True)

    async def within(self, work: Coroutine[Any, Any, Any]) -> None:
        """Runs inside the process, and dies with it."""
        task = asyncio.ensure_future(work)
        self.inside.add(task)
        try:
            await asyncio.wait([task])
        finally:
            self.inside.discard(task)
        if not task.cancelled():
            task.result()

    # ---- clients ----

    async def client(self, writes: int) -> None:
        for _ in range(writes):
            await self.within(self.write(self.some_write()))
            await asyncio.sleep(self.chance.expovariate(1 / 3))

    def some_write(self) -> Request:
        self.value += 1
        some = self.chance.sample(KEYS, 2)
        kinds: list[tuple[float, Callable[[], Request]]] = [
            (0.35, lambda: put(NAME, (some[0], self.value))),
            (0.15, lambda: put(NAME, *((number, self.value) for number in some))),
            (0.10, lambda: put(NAME, (some[0], self.value), path="patch")),
            (0.20, lambda: remove(NAME, some[0])),
            (0.10, lambda: put(NAME, (0, self.value), path="put_auto")),
            (0.10, lambda: request("remove_where", NAME, group=self.chance.randrange(3))),
        ]
        return self.chance.choices([make for _, make in kinds], [weight for weight, _ in kinds])[0]()

    async def write(self, asked: Request) -> None:
        frontend = PlainFrontend()
        route = frontend.route(asked.method, asked.path, "rest")
        listing = await self.listing(asked) if route.by_filter else None
        ticket = self.mirror.begin(asked, route, "rest", listing=listing)
        if not self.rules.forwards_early:
            await _reached(ticket.when_written)
        if self.chance.random() < 0.05:
            self.mirror.end(ticket, Outcome.REFUSED, None)
            return
        reply = self.reply_to(asked)
        operation = frontend.decode(asked, self.catalog, reply)
        assert isinstance(operation, Write)
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT):
                await self.source.call(lambda: self.execute(operation))
        except TimeoutError:
            self.mirror.end(ticket, Outcome.UNKNOWN, None)
        else:
            self.mirror.end(ticket, Outcome.ACCEPTED, reply)
            await _reached(ticket.when_durable)

    async def listing(self, asked: Request) -> Listing:
        since = self.mirror.position
        where = Scan(NAME, 100, filter=Equals(("group",), json.loads(asked.body)["group"]))
        page = await self.source.call(lambda: MemoryBackend.scan(self.source, where))
        return Listing(tuple(found.key for found in page.points), since)

    def reply_to(self, asked: Request) -> Reply:
        self.ids += 1
        return Reply(200, (), json.dumps([self.ids]).encode())

    async def execute(self, operation: Write) -> None:
        """What the source does with it, at one instant."""
        match operation:
            case Put(points=points) | Patch(points=points):
                await MemoryBackend.put(self.source, points)
            case Remove(keys=keys):
                await MemoryBackend.remove(self.source, tuple(keys))
            case RemoveWhere(filter=condition):
                page = await MemoryBackend.scan(self.source, Scan(NAME, 1000, filter=condition))
                await MemoryBackend.remove(self.source, [found.key for found in page.points])
            case _:
                raise AssertionError(operation)

    # ---- what else goes on ----

    async def backfill(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, 20))
        after: list[Key | None] = [None]
        while after:
            await self.within(self.page(after))

    async def page(self, after: list[Key | None]) -> None:
        """The next page; `after` is its checkpoint, empty at the end."""
        while True:
            position = self.mirror.position
            await self.mirror.known_until(position)
            asked = Scan(NAME, 2, after=after[0])
            page = await self.source.call(functools.partial(MemoryBackend.scan, self.source, asked))
            touched = self.mirror.touched(NAME, position)
            if self.rules.backfills_blindly or not touched.all:
                break
            await asyncio.sleep(0.5)
        since = self.mirror.position
        skip = frozenset() if self.rules.backfills_blindly else touched.keys
        points = [found for found in page.points if found.key not in skip]
        if points:
            await self.put_page(points, since)
        if self.repeats_page:
            # The process that died may have sent this page too.
            self.mirror.mark_dirty([found.key for found in page.points], "repeated", after=LINGER)
        self.repeats_page = False
        after[:] = [] if page.end else [page.points[-1].key]

    async def put_page(self, points: list[Point], since: int) -> None:
        keys = [found.key for found in points]
        while True:
            try:
                await self.target.put(points)
                break
            except Uncertain:
                self.mirror.mark_dirty(keys, "backfill", after=LINGER)
            except Unavailable:
                await asyncio.sleep(0.5)
        if not self.rules.backfills_blindly:
            touched = self.mirror.touched(NAME, since)
            self.mirror.mark_dirty([key for key in keys if touched.all or key in touched.keys], "overtaken")

    async def trouble(self) -> None:
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            await asyncio.sleep(self.chance.uniform(1, 30))
            await self.crash()
        if self.chance.random() < 0.3:
            self.target.down_until = asyncio.get_running_loop().time() + self.chance.uniform(1, 40)

    # ---- the end ----

    async def quiet(self) -> None:
        """Every message has landed, the mirror is drained."""
        await asyncio.sleep(3 * LINGER)
        async with asyncio.timeout(20 * LINGER):
            await self.mirror.drained()

    async def repair(self) -> None:
        """What verify and repair do about a debt, shortly."""
        keys = {*self.source.points(), *self.target.points()}
        self.mirror.mark_dirty(keys, "repair")
        await self.quiet()

    def differences(self) -> list[Key]:
        schema = schema_of(NAME)
        source, target = self.source.points(), self.target.points()
        keys = {*source, *target}
        return [key for key in keys if not equal(source.get(key), target.get(key), schema, 0.0)]

    async def end(self) -> None:
        self.working.cancel()
        with suppress(asyncio.CancelledError):
            await self.working


async def _reached(register: Callable[[Callable[[ProxyError | None], None]], None]) -> None:
    reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    register(lambda error: reached.done() or reached.set_result(None))
    await reached


@dataclass(frozen=True)
class Verdict:
    """`differing` keys at the end; `owed`: whether that was announced, and `left` after the repair that a debt asks for."""

    differing: int
    owed: bool
    left: int

    @property
    def good(self) -> bool:
        return self.left == 0 and (self.owed or self.differing == 0)


RIGHT = Rules()


def trial(seed: int, rules: Rules = RIGHT) -> Callable[[VirtualClock], Awaitable[Verdict]]:
    async def run(clock: VirtualClock) -> Verdict:
        world = World(clock, random.Random(seed), rules)
        await world.build()
        clients = [world.client(10) for _ in range(3)]
        await asyncio.gather(*clients, world.backfill(), world.trouble())
        await world.quiet()
        owed, differing = bool(world.debts.owed), len(world.differences())
        if owed:
            await world.repair()
        left = len(world.differences())
        await world.end()
        return Verdict(differing, owed, left)

    return run
