"""Backfill beside live writes: nothing is missed, nothing comes back, a kill repeats work and never skips it."""

import asyncio
import random
from dataclasses import replace

import numpy as np
import pytest
from fakes.mirror import Catalog, FakeMirror, FastClock, Notes, Slow, Touched, Watcher, contents, create, pair

from proxy.backfill.backfill import TASK, Backfill, BackfillSettings
from proxy.backfill.reader import read_at_once
from proxy.backfill.writer import Writer
from proxy.config import BackfillConfig
from proxy.errors import Refused, Unavailable
from proxy.live import Roles
from proxy.model.operation import Consistency, DropCollection, Page, Scan
from proxy.model.point import Key, Point
from proxy.model.schema import Metric, Schema, VectorField, VectorKind
from proxy.ports import Fit
from proxy.store.checkpoints import Checkpoints
from proxy.store.store import Store
from proxy.store.walk import Stretch, Walk, load, save

LINGER = 60.0


def schema(name: str = "c", **changes) -> Schema:
    return replace(Schema(name, {"v": VectorField("v", VectorKind.DENSE, 2, Metric.DOT)}), **changes)


def point(number: int, value: int = 0, collection: str = "c", partition: str | None = None) -> Point:
    return Point(Key(collection, partition, number), {"v": np.array([number, value], np.float32)}, {"value": value})


@pytest.fixture
def checkpoints(tmp_path):
    store = Store(tmp_path / "state.db")
    yield Checkpoints(store)
    store.close()


class Rig:
    def __init__(self, catalog: Catalog, mirror: FakeMirror, checkpoints: Checkpoints | Notes, page: int = 4) -> None:
        self.catalog, self.mirror, self.checkpoints = catalog, mirror, checkpoints
        self.watcher = Watcher()
        self.clock = FastClock()
        self.config = BackfillConfig(page=page, concurrency=2)

    async def fill(self, count: int) -> None:
        await create(self.mirror.primary, self.catalog)
        for name in self.catalog.collections():
            for number in range(count):
                await super(Slow, self.mirror.primary).put([point(number, collection=name)])

    def backfill(self) -> Backfill:
        roles = Roles(self.mirror.primary, self.mirror.secondary, 1)
        settings = BackfillSettings(self.config, LINGER)
        return Backfill(lambda: roles, self.mirror, self.catalog, self.checkpoints, settings, self.clock)

    async def run(self, *collections: str) -> None:
        """To the end, and until the mirror is at rest."""
        async with asyncio.TaskGroup() as group:
            settling = group.create_task(self.mirror.run())
            try:
                await self.backfill().run(collections, self.watcher)
            finally:
                settling.cancel()
        await self.mirror.drain()

    def equal(self, name: str = "c") -> bool:
        return contents(self.mirror.primary, name) == contents(self.mirror.secondary, name)


async def test_every_point_of_every_collection_is_copied(checkpoints):
    catalog = Catalog(schema("a"), schema("b"), aliases={"alias": "a"})
    rig = Rig(catalog, pair(catalog), checkpoints)
    await rig.fill(10)
    await rig.run()
    assert rig.equal("a")
    assert rig.equal("b")
    assert (rig.watcher.done, rig.watcher.total) == (20, 20)
    assert await rig.mirror.secondary.aliases() == {"alias": "a"}
    assert await load(checkpoints, TASK) is None


async def test_only_what_is_asked_for_is_copied(checkpoints):
    catalog = Catalog(schema("a"), schema("b"))
    rig = Rig(catalog, pair(catalog), checkpoints)
    await rig.fill(10)
    await rig.run("b")
    assert await rig.mirror.secondary.collections() == ("b",)


async def test_one_id_in_two_partitions_is_two_points(checkpoints):
    catalog = Catalog(schema(partitions=("p", "q")))
    rig = Rig(catalog, pair(catalog), checkpoints)
    await create(rig.mirror.primary, catalog)
    for name in (None, "p", "q"):
        await rig.mirror.primary.put([point(n, partition=name) for n in range(6)])
    await rig.run()
    assert len(contents(rig.mirror.secondary, "c")) == 18
    assert rig.equal()


async def clients(rig: Rig, chance: random.Random, writes: int) -> None:
    for value in range(1, writes):
        number = chance.randrange(16)
        after = point(number, value) if chance.random() < 0.5 else None
        await rig.mirror.write(Key("c", None, number), after)
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)


async def story(seed: int, *, given_up: float = 0.0) -> Rig:
    """Three clients write and delete while the backfill runs; in the end everything that can still land has landed."""
    catalog = Catalog(schema())
    rig = Rig(catalog, pair(catalog, seed, given_up=given_up), Notes(), page=3)
    await rig.fill(40)
    await create(rig.mirror.secondary, catalog)
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(clients(rig, random.Random(seed * 10 + number), 20))
        await rig.run()
    await rig.mirror.secondary.land()
    rig.mirror.linger_over()
    rig.mirror.secondary._given_up = 0
    await rig.mirror.drain()
    return rig


@pytest.mark.parametrize("given_up", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(50))
async def test_deletes_and_changes_during_a_backfill_are_never_undone(seed, given_up):
    assert (await story(seed, given_up=given_up)).equal()


async def diverges(*, given_up: float = 0.0) -> bool:
    for seed in range(100):
        if not (await story(seed, given_up=given_up)).equal():
            return True
    return False


# Each part of the rule taken away must be caught, or the story proves nothing.


async def test_without_the_window_the_story_ends_wrong(monkeypatch):
    monkeypatch.setattr(FakeMirror, "touched", lambda *_: Touched(frozenset()))
    assert await diverges()


async def test_without_settling_what_overtook_a_page_the_story_ends_wrong(monkeypatch):
    monkeypatch.setattr(FakeMirror, "mark_dirty", lambda *_, **__: None)
    assert await diverges()


async def test_without_the_look_after_the_linger_the_story_ends_wrong(monkeypatch):
    monkeypatch.setattr(Writer, "_abandon", lambda *_: None)
    assert await diverges(given_up=0.1)


async def test_a_page_is_read_again_when_nobody_knows_what_was_touched(checkpoints):
    catalog = Catalog(schema())
    rig = Rig(catalog, pair(catalog), checkpoints)
    await rig.fill(10)
    rig.mirror.blind = 5
    await rig.run()
    assert rig.equal()


async def test_a_write_given_up_is_tried_again_and_looked_at_after_the_linger(checkpoints):
    catalog = Catalog(schema())
    mirror = FakeMirror(Slow(catalog), GivesUpOnce(catalog))
    rig = Rig(catalog, mirror, checkpoints)
    await rig.fill(4)
    await rig.run()
    assert rig.equal()
    assert rig.watcher.troubles == ["no answer"]
    assert {key.id for key, _, after in mirror.marks if after == LINGER} == {0, 1, 2, 3}


class GivesUpOnce(Slow):
    async def put(self, points):
        self._given_up = 0.0 if self.late else 1.1
        await super().put(points)


class Picky(Slow):
    """Refuses any batch with an odd value."""

    async def put(self, points):
        if any(p.key.id % 2 for p in points):
            raise Refused("odd")
        await super().put(points)


async def test_points_that_are_refused_are_left_to_the_mirror(checkpoints):
    catalog = Catalog(schema())
    rig = Rig(catalog, FakeMirror(Slow(catalog), Picky(catalog)), checkpoints, page=1)
    await rig.fill(4)
    rig.mirror.settled = settled_at_once
    await rig.backfill().run((), rig.watcher)
    assert [(key.id, why) for key, why, _ in rig.mirror.marks] == [(n, "refused in a backfill: odd") for n in (1, 3)]
    assert rig.watcher.done == 4


async def test_a_secondary_that_refuses_everything_ends_the_backfill(checkpoints):
    catalog = Catalog(schema())
    rig = Rig(catalog, FakeMirror(Slow(catalog), Picky(catalog)), checkpoints, page=2)
    await rig.fill(100)
    rig.mirror.settled = settled_at_once
    with pytest.raises(Refused, match="page after page: odd"):
        await rig.backfill().run((), rig.watcher)


async def settled_at_once(keys):
    await asyncio.sleep(0)


class Small(Slow):
    def fit(self, schema):
        return Fit(schema.collection, {}, refusals=(f"no room for {schema.collection}",))


async def test_every_refusal_is_told_before_anything_is_made(checkpoints):
    catalog = Catalog(schema("a"), schema("b"))
    rig = Rig(catalog, FakeMirror(Slow(catalog), Small(catalog)), checkpoints)
    await rig.fill(1)
    with pytest.raises(Refused, match="a: no room for a; b: no room for b"):
        await rig.backfill().run((), rig.watcher)
    assert await rig.mirror.secondary.collections() == ()


class Flaky(Slow):
    """Fails every other scan."""

    failing = True

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        self.failing = not self.failing
        if self.failing:
            raise Unavailable("down")
        return await super().scan(scan, consistency)


async def test_a_source_that_is_down_is_waited_for(checkpoints):
    catalog = Catalog(schema())
    rig = Rig(catalog, FakeMirror(Flaky(catalog), Slow(catalog)), checkpoints)
    await rig.fill(40)
    await rig.run()
    assert rig.equal()
    assert set(rig.watcher.troubles) == {"down"}


class Vanishing(Slow):
    """The collection is dropped before its second scan."""

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        if scan.after is not None:
            self._drop("c")
        return await super().scan(scan, consistency)


async def test_a_collection_whose_drop_the_catalog_is_not_told_yet_is_left_behind(checkpoints):
    rig = Rig(catalog := Catalog(schema("c"), schema("gone")), pair(catalog), checkpoints)
    await rig.fill(10)
    await rig.mirror.primary.apply(DropCollection("gone"))
    await rig.run()
    assert rig.equal("c")


async def test_a_collection_dropped_meanwhile_is_left_behind(checkpoints):
    catalog = Catalog(schema("c"), schema("d"))
    rig = Rig(catalog, FakeMirror(Vanishing(catalog), Slow(catalog)), checkpoints)
    await rig.fill(40)
    await rig.run()
    assert rig.equal("d")


class MadeAgain(Slow):
    """The catalog learns before the second scan that the collection was dropped, and not yet that it was made again."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._known = catalog

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        if scan.after is not None and scan.collection == "c":
            self._known.schemas.pop("c", None)
            raise Refused("there is no collection c")
        return await super().scan(scan, consistency)


async def test_a_collection_that_only_the_catalog_lacks_is_left_behind(checkpoints):
    catalog = Catalog(schema("c"), schema("d"))
    rig = Rig(catalog, FakeMirror(MadeAgain(catalog), Slow(catalog)), checkpoints)
    await rig.fill(40)
    await rig.run()
    assert rig.equal("d")


async def test_a_resumed_backfill_goes_on_behind_its_checkpoint_and_settles_what_was_on_its_way(checkpoints):
    catalog = Catalog(schema("b"), schema("c"))
    rig = Rig(catalog, pair(catalog), checkpoints)
    await rig.fill(12)
    await create(rig.mirror.secondary, catalog)
    begun = Walk(1, (), ("c",), 24).begin([Stretch()]).advance(Key("c", None, 7), 8)
    await save(checkpoints, TASK, replace(begun, done=20, claims=("[null,8]", "[null,99]")))
    await rig.run()
    assert [n for n in range(12) if Key("c", None, n) in contents(rig.mirror.secondary, "c")] == [8, 9, 10, 11]
    assert {(key.id, after) for key, _, after in rig.mirror.marks} == {(8, 0.0), (99, 0.0), (8, LINGER), (99, LINGER)}
    assert (rig.watcher.done, rig.watcher.total) == (24, 24)


class Settling(Slow):
    """The process ends while it waits for `dying` to be at rest."""

    dying = ""

    async def quiesce(self, collection):
        if collection == self.dying:
            raise Killed
        await super().quiesce(collection)


class Killed(Exception):
    pass


async def test_what_was_copied_is_not_copied_again_after_a_kill_while_the_secondary_comes_to_rest(checkpoints):
    catalog = Catalog(schema("a"), schema("b"))
    rig = Rig(catalog, FakeMirror(Slow(catalog), Settling(catalog)), checkpoints, page=4)
    await rig.fill(10)
    rig.mirror.settled = settled_at_once
    rig.mirror.secondary.dying = "a"
    with pytest.raises(Killed):
        await rig.backfill().run((), rig.watcher)
    assert rig.equal("a")
    copied = rig.mirror.secondary.puts
    rig.mirror.secondary.dying = ""
    await rig.run()
    assert rig.mirror.secondary.puts - copied == 10
    assert rig.equal("b")
    assert (rig.watcher.done, rig.watcher.total) == (20, 20)


@pytest.mark.parametrize(("asked", "epoch"), [(("c",), 1), ((), 7)])
async def test_another_errand_or_another_epoch_starts_from_the_beginning(checkpoints, asked, epoch):
    catalog = Catalog(schema())
    rig = Rig(catalog, pair(catalog), checkpoints)
    await rig.fill(12)
    begun = Walk(epoch, (), ("c",)).begin([Stretch()]).advance(Key("c", None, 7), 8)
    await save(checkpoints, TASK, begun)
    await rig.run(*asked)
    assert rig.equal()


class Busy(Slow):
    """Counts the scans that end while another is being written."""

    writing = overlaps = 0

    async def put(self, points):
        Busy.writing += 1
        await super().put(points)
        Busy.writing -= 1

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        page = await super().scan(scan, consistency)
        Busy.overlaps += bool(Busy.writing)
        return page


@pytest.mark.parametrize(("dim", "page", "limit"), [(128, 1000, 4000), (1536, 1000, 2000), (8192, 1000, 1000), (0, 10, 40)])
def test_wide_vectors_are_read_in_fewer_pages_at_once(dim, page, limit):
    wanted = Schema("c", {"v": VectorField("v", VectorKind.DENSE, dim, None)})
    assert read_at_once(wanted, page) == limit


async def test_reading_and_writing_overlap():
    catalog = Catalog(schema())
    rig = Rig(catalog, FakeMirror(Busy(catalog), Busy(catalog)), Notes())
    await rig.fill(200)
    Busy.overlaps = 0
    await rig.run()
    assert Busy.overlaps >= 10  # of 13
