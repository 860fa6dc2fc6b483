"""Verify and repair beside live writes."""

import asyncio
import random
from dataclasses import replace

import numpy as np
import pytest
from fakes.mirror import Catalog, FakeMirror, FastClock, Slow, Watcher, contents, create, pair

from proxy.config import VerifyConfig
from proxy.errors import NotFound, Refused, Unavailable
from proxy.live import Roles
from proxy.model.feature import Feature, Support
from proxy.model.operation import Consistency, CreateCollection, Fetch, SetAlias
from proxy.model.place import Place
from proxy.model.point import Key, Point
from proxy.model.schema import Metric, Product, Schema, VectorField, VectorKind
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.ledger import Ledger
from proxy.store.store import Store
from proxy.store.walk import Stretch, Walk, load, save
from proxy.verify.repair import Repair
from proxy.verify.subject import Subject
from proxy.verify.verify import TASK, Verify

SCHEMA = Schema("c", {"v": VectorField("v", VectorKind.DENSE, 2, Metric.DOT)})


def point(number: int, value: int = 0, partition: str | None = None) -> Point:
    return Point(Key("c", partition, number), {"v": np.array([number, value], np.float32)}, {"value": value})


def key(number: int) -> Key:
    return Key("c", None, number)


class Rig:
    def __init__(self, store: Store, mirror: FakeMirror, catalog: Catalog) -> None:
        self.mirror, self.catalog = mirror, catalog
        self.watcher, self.clock = Watcher(), FastClock()
        self.checkpoints = Checkpoints(store)
        self.ledger, self.debts = Ledger(store, self.clock), Debts(store, self.clock)
        self.epoch, self.place = 1, Place.SOURCE
        self.subject = Subject(self.roles, mirror, catalog, self.ledger, VerifyConfig(page=4), self.clock)

    def roles(self) -> Roles:
        return Roles(self.mirror.primary, self.mirror.secondary, self.epoch, self.place)

    async def fill(self, count: int) -> None:
        for side in (self.mirror.primary, self.mirror.secondary):
            await create(side, self.catalog)
            await super(Slow, side).put([point(number) for number in range(count)])

    async def verify(self) -> dict[int, str]:
        await self._beside_the_mirror(Verify(self.subject, self.debts, self.checkpoints))
        return await self.divergences()

    async def repair(self) -> dict[int, str]:
        await self._beside_the_mirror(Repair(self.subject))
        return await self.divergences()

    async def divergences(self) -> dict[int, str]:
        return {found.key.id: found.reason for found in await self.ledger.page("c", 1000)}

    async def _beside_the_mirror(self, task: Verify | Repair) -> None:
        async with asyncio.TaskGroup() as group:
            settling = group.create_task(self.mirror.run())
            try:
                await task.run((), self.watcher)
            finally:
                settling.cancel()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
async def rig(store) -> Rig:
    catalog = Catalog(SCHEMA)
    rig = Rig(store, pair(catalog), catalog)
    await rig.fill(20)
    return rig


async def test_equal_sides_are_verified(rig):
    await rig.debts.mark("c", "shed")
    assert await rig.verify() == {}
    assert rig.debts.all() == {}
    mark = rig.debts.verified("c")
    assert (mark.epoch, mark.points) == (1, 20)
    assert (rig.watcher.done, rig.watcher.total) == (40, 40)
    assert await load(rig.checkpoints, TASK) is None


async def test_a_collection_whose_drop_the_catalog_is_not_told_yet_is_left_behind(rig):
    rig.catalog.schemas["gone"] = replace(SCHEMA, collection="gone")
    assert await rig.verify() == {}
    assert rig.debts.verified("c") is not None


async def test_a_debt_of_what_is_gone_is_paid(rig):
    """A write to a collection that was dropped meanwhile cannot be understood, and there is nothing left to compare."""
    await rig.debts.mark("dropped", "put cannot be understood")
    await rig.verify()
    assert rig.debts.all() == {}


async def test_a_debt_of_an_alias_that_nobody_told_of_becomes_its_collections(rig):
    await rig.mirror.primary.apply(SetAlias("other", "c"))
    await rig.debts.mark("other", "put cannot be understood")
    await rig.verify()
    assert rig.debts.all() == {}
    assert rig.debts.verified("c") is not None
    await rig.mirror.primary.put([point(7, value=9)])
    await rig.debts.mark("other", "put cannot be understood")
    assert await rig.verify() == {7: "stale"}
    assert set(rig.debts.all()) == {"c"}


@pytest.mark.parametrize(("says", "debts"), [((75, 75, 0), []), ((3, 75, 3, 75, 75), ["3 rows"]), ((0, 75), [])])
async def test_only_rows_that_every_look_finds_are_hidden_ones(rig, says, debts):
    """Beside writes Milvus 2.3 counts more than there is, now and then."""
    rig.mirror.primary.miscounts = iter(says)
    await rig.verify()
    assert [why[:6] for why in rig.debts.all().values()] == debts
    assert (rig.debts.verified("c") is None) == bool(debts)


UNKNOWN = replace(SCHEMA, collection="unknown")
CANNOT = "put cannot be understood"


async def appears(rig: Rig, *points: int) -> None:
    """A collection at the primary that nobody told of, with an alias."""
    await rig.mirror.primary.apply(CreateCollection(UNKNOWN))
    await rig.mirror.primary.apply(SetAlias("other", "unknown"))
    await rig.mirror.primary.put([Point(Key("unknown", None, n), {"v": np.zeros(2, np.float32)}, {}) for n in points])


@pytest.mark.parametrize("owed", ["", "unknown", "other"])
async def test_a_collection_that_nobody_told_of_is_taken_over_and_its_debt_can_be_paid(rig, owed):
    await appears(rig, 1, 2)
    if owed:
        await rig.debts.mark(owed, CANNOT)

    await rig.verify()
    assert list(rig.debts.all()) == ["unknown"]
    assert "`vecferry backfill unknown`" in rig.debts.all()["unknown"]
    assert await rig.mirror.secondary.aliases() == rig.catalog.aliases() == {"other": "unknown"}
    await rig.repair()
    await rig.verify()
    assert rig.debts.all() == {}
    assert contents(rig.mirror.primary, "unknown") == contents(rig.mirror.secondary, "unknown")


async def test_one_that_is_empty_is_verified_in_the_same_pass(rig):
    await appears(rig)
    await rig.debts.mark("unknown", CANNOT)
    await rig.verify()
    assert rig.debts.all() == {}
    assert rig.debts.verified("unknown") is not None


async def test_one_that_the_secondary_refuses_is_told_with_what_to_do(rig):
    class Refusing(Slow):
        async def apply(self, change):
            raise Refused("no such type")

    await appears(rig)
    rig.mirror.secondary = Refusing(rig.catalog)
    await create(super(Slow, rig.mirror.secondary), rig.catalog)
    await rig.verify()
    assert "routing.collections.unknown.phase" in rig.debts.all()["unknown"]


async def test_a_resumed_pass_looks_at_what_it_takes_over_too(rig):
    await appears(rig)
    await save(rig.checkpoints, TASK, Walk(1, (), (), 40))
    await rig.verify()
    assert rig.debts.verified("unknown") is not None


async def test_after_a_cutover_to_the_same_product_only_what_is_owed_is_taken_over(rig):
    rig.place = Place.TARGET
    await appears(rig)
    await rig.verify()
    assert "unknown" not in rig.catalog.collections()
    await rig.debts.mark("unknown", CANNOT)
    await rig.verify()
    assert "unknown" in rig.catalog.collections()
    assert rig.debts.all() == {}


@pytest.mark.parametrize("left_behind", [False, True])
async def test_after_a_cutover_to_another_product_what_nobody_can_reach_is_not_owed_unless_the_source_has_it(rig, left_behind):
    rig.place, rig.mirror.secondary.product = Place.TARGET, Product.MILVUS
    await appears(rig)
    if left_behind:
        await rig.mirror.secondary.apply(CreateCollection(UNKNOWN))
    await rig.debts.mark("unknown", CANNOT)
    await rig.verify()
    assert "unknown" not in rig.catalog.collections()
    assert [("roll back" in why) for why in rig.debts.all().values()] == [True] * left_behind


async def around_the_proxy(rig: Rig) -> None:
    """Writes that the mirror never saw: on the primary 3 changes and 4 vanishes, 30 comes; 5 changes its vector."""
    source = rig.mirror.primary
    await source.put([replace(point(3), payload={"value": 1}), replace(point(5), vectors={"v": np.array([9, 9], np.float32)})])
    await source.put([point(30), point(6, value=7)])
    await source.remove([key(4)])


FOUND = {3: "payload", 4: "extra", 5: "vector", 6: "stale", 30: "missing"}


async def test_writes_that_went_around_the_proxy_are_found(rig):
    await rig.debts.settle("c", since=0, epoch=1, points=20)
    await around_the_proxy(rig)
    assert await rig.verify() == FOUND


@pytest.mark.parametrize("support", [Support.NATIVE, Support.ABSENT])
async def test_doubles_a_unit_apart_differ_unless_a_side_reads_its_own_so(rig, support):
    sent, read = 3.6426079273223877, 3.642607927322388
    await rig.mirror.primary.put([replace(point(3), payload={"value": sent})])
    await rig.mirror.secondary.put([replace(point(3), payload={"value": read})])
    rig.mirror.secondary.features = Slow.features | {Feature.EXACT_DOUBLES: support}
    assert await rig.verify() == ({3: "payload"} if support is Support.NATIVE else {})


async def test_a_pass_begins_when_no_write_of_unknown_outcome_can_leave_a_debt_any_more(rig):
    async def landed_until(position: int) -> None:
        assert "mirror.linger" in rig.watcher.troubles[-1]
        await rig.debts.mark("c", "one that landed late")

    rig.mirror.lingering, rig.mirror.landed_until = 1, landed_until
    assert await rig.verify() == {}
    assert rig.debts.all() == {}


async def test_a_collection_with_divergences_keeps_its_debt(rig):
    await rig.debts.mark("c", "shed")
    await around_the_proxy(rig)
    await rig.verify()
    assert rig.debts.all() == {"c": "shed"}
    assert rig.debts.verified("c") is None


async def test_repair_mends_and_the_next_pass_is_clean(rig):
    await around_the_proxy(rig)
    await rig.verify()
    assert await rig.repair() == {}
    assert contents(rig.mirror.primary, "c") == contents(rig.mirror.secondary, "c")
    assert rig.debts.verified("c") is None
    assert await rig.verify() == {}
    assert rig.debts.verified("c") is not None


async def test_what_mended_itself_leaves_the_ledger_at_the_next_pass(rig):
    await around_the_proxy(rig)
    await rig.verify()
    rig.mirror.mark_dirty([key(n) for n in FOUND], "test")
    await rig.mirror.drain()
    assert await rig.verify() == {}
    assert rig.debts.verified("c") is not None


class Stubborn(Slow):
    """Takes puts of key 3 without doing them."""

    async def put(self, points):
        await super().put([one for one in points if one.key.id != 3])


async def test_what_cannot_be_mended_stays_with_its_reason(store):
    catalog = Catalog(SCHEMA)
    rig = Rig(store, FakeMirror(Slow(catalog), Stubborn(catalog)), catalog)
    await rig.fill(20)
    await around_the_proxy(rig)
    await rig.verify()
    assert await rig.repair() == {3: "payload"}


async def test_a_debt_that_arises_during_the_pass_stands(rig):
    class Indebted(Watcher):
        async def turn(self) -> None:
            await rig.debts.mark("c", "opaque write")

    rig.watcher = Indebted()
    assert await rig.verify() == {}
    assert rig.debts.all() == {"c": "opaque write"}
    assert rig.debts.verified("c") is None


@pytest.mark.parametrize("seed", range(20))
async def test_live_writes_are_no_divergences(store, seed):
    catalog = Catalog(SCHEMA)
    rig = Rig(store, pair(catalog, seed), catalog)
    await rig.fill(20)
    chance = random.Random(seed)

    async def client() -> None:
        for value in range(1, 30):
            number = chance.randrange(24)
            await rig.mirror.write(key(number), point(number, value) if chance.random() < 0.6 else None)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(client())
        found = await rig.verify()
    assert found == {}
    assert rig.debts.verified("c") is not None


async def test_a_divergence_beside_live_writes_is_still_found(rig):
    await around_the_proxy(rig)

    async def client() -> None:
        for value in range(1, 30):
            await rig.mirror.write(key(value % 3), point(value % 3, value))

    async with asyncio.TaskGroup() as group:
        group.create_task(client())
        found = await rig.verify()
    assert found == FOUND


async def test_where_nobody_can_tell_what_is_written_nobody_is_vouched_for(rig):
    await around_the_proxy(rig)
    rig.mirror.blind = 10**6
    assert await rig.verify() == FOUND


async def test_points_of_partitions_are_compared_and_leftovers_of_a_dropped_one_found(store):
    catalog = Catalog(replace(SCHEMA, partitions=("p",)))
    rig = Rig(store, pair(catalog), catalog)
    await rig.fill(5)
    await rig.mirror.primary.put([point(1, partition="p")])
    await rig.mirror.secondary.put([point(1, partition="p"), point(2, partition="gone")])
    await rig.verify()
    assert [(d.key.partition, d.reason) for d in await rig.ledger.page("c", 10)] == [("gone", "extra")]


async def test_a_collection_that_the_secondary_lacks_is_told(store):
    catalog = Catalog(SCHEMA)
    rig = Rig(store, pair(catalog), catalog)
    await create(rig.mirror.primary, catalog)
    await rig.mirror.primary.put([point(1)])
    with pytest.raises(NotFound):
        await Verify(rig.subject, rig.debts, rig.checkpoints).run((), rig.watcher)


async def test_a_pass_over_two_epochs_vouches_for_nothing(rig):
    class Turning(Watcher):
        async def turn(self) -> None:
            rig.epoch = 2

    with pytest.raises(Refused, match="the primary changed"):
        await Verify(rig.subject, rig.debts, rig.checkpoints).run((), Turning())
    assert rig.debts.verified("c") is None


async def test_a_resumed_pass_goes_on_behind_its_checkpoint(rig):
    await around_the_proxy(rig)
    begun = Walk(1, (), ("c",), 40).begin([Stretch(), Stretch(on_primary=False)], rig.debts.number())
    await save(rig.checkpoints, TASK, begun.advance(key(4), 5))
    assert await rig.verify() == {n: FOUND[n] for n in (4, 5, 6, 30)}
    assert (rig.watcher.done, rig.watcher.total) == (5 + 16 + 20, 40)


async def test_the_checkpoint_stays_before_suspects_that_are_not_recorded(rig):
    await around_the_proxy(rig)

    class Dies(Watcher):
        def report(self, done: int, total: int) -> None:
            if done >= 8:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await Verify(rig.subject, rig.debts, rig.checkpoints).run((), Dies())
    assert await rig.verify() == FOUND


class Flaky(Slow):
    failing = True

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST):
        self.failing = not self.failing
        if self.failing:
            raise Unavailable("down")
        return await super().fetch(fetch, consistency)


async def test_a_side_that_is_down_is_waited_for(store):
    catalog = Catalog(SCHEMA)
    rig = Rig(store, FakeMirror(Slow(catalog), Flaky(catalog)), catalog)
    await rig.fill(20)
    assert await rig.verify() == {}
    assert set(rig.watcher.troubles) == {"down"}
