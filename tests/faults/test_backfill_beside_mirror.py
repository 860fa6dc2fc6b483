"""Backfill, verify and repair beside the real mirror, its journal on disk, and clients that never stop."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.mirror import Slow, Watcher, contents
from fakes.plain_frontend import ROUTES, PlainFrontend, point, put, remove, request, schema_of
from fakes.plain_parts import PlainCatalog, PlainDebts, PlainUnlanded

from proxy.backfill.backfill import Backfill, BackfillSettings
from proxy.clock import SystemClock
from proxy.config import BackfillConfig, Fsync, JournalConfig, MirrorConfig, VerifyConfig
from proxy.live import Roles
from proxy.mirror.journal import Journal
from proxy.mirror.mirror import Listing, Mirror
from proxy.mirror.parts import Parts
from proxy.mirror.parts import Roles as MirrorRoles
from proxy.model.filter import Equals
from proxy.model.operation import CreateCollection, Scan
from proxy.model.point import Key
from proxy.ports import Outcome, Request
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.ledger import Ledger
from proxy.store.store import Store
from proxy.verify.repair import Repair
from proxy.verify.subject import Subject
from proxy.verify.verify import Verify

KEYS = 60
LINGER = 0.3


class Timed(Slow):
    async def _wait(self, longest: int = 20) -> None:
        await asyncio.sleep(self._chance.choice((0, 0, 0.001, longest / 10_000)))

    async def land_late(self) -> None:
        """What is given up lands after all, well before the linger is over."""
        while True:
            await asyncio.sleep(LINGER / 3)
            await self.land()


class World:
    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.catalog = PlainCatalog([schema_of("c")])
        self.source = Timed(self.catalog, self.chance)
        self.target = Timed(self.catalog, self.chance, given_up=0.03)
        self.journal = Journal.open(folder, JournalConfig(fsync=Fsync.OFF))
        self.store = Store(folder / "state.db")
        self.clock = SystemClock()
        config = MirrorConfig(linger=LINGER)
        roles = MirrorRoles(self.source, self.target, 1)
        books = PlainDebts(), PlainUnlanded()
        self.mirror = Mirror(Parts(self.journal, PlainFrontend(), self.catalog, *books, roles, config, self.clock))
        self.checkpoints, self.ledger = Checkpoints(self.store), Ledger(self.store, self.clock)
        self.debts = Debts(self.store, self.clock)
        self.subject = Subject(
            self.roles, self.mirror, self.catalog, self.ledger, VerifyConfig(page=8, recheck_delay=0.01), self.clock
        )

    def roles(self) -> Roles:
        return Roles(self.source, self.target, 1)

    async def fill(self) -> None:
        await self.source.apply(CreateCollection(schema_of("c")))
        await self.target.apply(CreateCollection(schema_of("c")))
        await super(Slow, self.source).put([point("c", number, 0) for number in range(KEYS)])

    async def client(self) -> None:
        for value in range(1, 80):
            number, kind = self.chance.randrange(KEYS), self.chance.random()
            if kind < 0.5:
                await self.write(put("c", (number, value)), self.source.put([point("c", number, value)]))
            elif kind < 0.9:
                await self.write(remove("c", number), self.source.remove([Key("c", None, number)]))
            else:
                await self.remove_where(value % 3)

    async def remove_where(self, group: int) -> None:
        since = self.mirror.position
        page = await self.source.scan(Scan("c", KEYS, filter=Equals(("group",), group)))
        keys = tuple(found.key for found in page.points[:3])
        filtered = request("remove_where", "c", group=group)
        await self.write(filtered, self.source.remove(keys), Listing(keys, since))

    async def write(self, body: Request, call, listing: Listing | None = None) -> None:
        ticket = self.mirror.begin(body, ROUTES[body.path], "rest", listing=listing)
        written = asyncio.get_running_loop().create_future()
        ticket.when_written(lambda error: written.set_result(error))
        assert await written is None
        await call
        self.mirror.end(ticket, Outcome.ACCEPTED, None)

    async def backfill(self) -> None:
        settings = BackfillSettings(BackfillConfig(page=2, latency_limit=100), LINGER)
        backfill = Backfill(self.roles, self.mirror, self.catalog, self.checkpoints, settings, self.clock)
        await backfill.run((), Watcher())

    async def verify(self) -> dict[object, str]:
        await Verify(self.subject, self.debts, self.checkpoints).run((), Watcher())
        return {found.key.id: found.reason for found in await self.ledger.page("c", 1000)}

    def equal(self) -> bool:
        return contents(self.source, "c") == contents(self.target, "c")


@pytest.fixture
async def world(tmp_path, seed):
    world = World(tmp_path, seed)
    await world.fill()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(world.mirror.run())
        landing = group.create_task(world.target.land_late())
        yield world
        running.cancel()
        landing.cancel()
    world.journal.close()
    world.store.close()


@pytest.mark.parametrize("seed", range(12))
async def test_both_sides_are_equal_after_a_backfill_beside_live_writes(world):
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(world.client())
        await world.backfill()
    await world.mirror.drained()
    assert world.equal()
    assert await world.verify() == {}
    assert world.debts.verified("c") is not None


@pytest.mark.parametrize("seed", [1])
async def test_a_write_around_the_proxy_is_found_and_mended_beside_live_writes(world):
    await world.backfill()
    await super(Slow, world.source).put([replace(point("c", 1000, 1), payload={})])
    await super(Slow, world.target).put([replace(point("c", 2000, 1), payload={})])
    async with asyncio.TaskGroup() as group:
        group.create_task(world.client())
        assert await world.verify() == {1000: "missing", 2000: "extra"}
        await Repair(world.subject).run((), Watcher())
        assert await world.verify() == {}
    assert world.debts.verified("c") is not None
