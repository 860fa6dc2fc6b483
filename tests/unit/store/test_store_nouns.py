"""The nouns of the store: what they keep, and that a reopened store still has it."""

from uuid import UUID

import pytest

from proxy.errors import Broken, Unavailable
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.model.point import Key
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.keys import dump_key, load_key
from proxy.store.ledger import Divergence, Ledger
from proxy.store.migration import Decision, Migration
from proxy.store.unlanded import Unlanded

IDS = [1, -(2**63), 2**64 - 1, "1", "ä\n", '{"uuid":"x"}', UUID(int=1), str(UUID(int=1))]


@pytest.mark.parametrize("identity", IDS, ids=repr)
@pytest.mark.parametrize("partition", [None, "", "p"])
def test_a_key_comes_back_as_it_was(identity, partition):
    key = Key("c", partition, identity)
    back = load_key("c", dump_key(key))
    assert back == key
    assert type(back.id) is type(identity)


def test_different_keys_have_different_texts():
    assert len({dump_key(Key("c", p, i)) for p in (None, "", "p") for i in IDS}) == 3 * len(IDS)


@pytest.mark.parametrize("text", ["", "[1]", "[null,1.5]", "[null,true]", "[null,[1]]"])
def test_a_damaged_key_is_told(text):
    with pytest.raises(Broken):
        load_key("c", text)


async def test_a_debt_survives_and_falls_with_a_clean_pass(shelf):
    debts = Debts(shelf.store, shelf.clock)
    await debts.mark("c", "shed")
    debts = Debts(shelf.reopen(), shelf.clock)
    assert debts.all() == {"c": "shed"}
    assert await debts.settle("c", since=debts.number(), epoch=1, points=7)
    assert debts.all() == {}
    debts = Debts(shelf.reopen(), shelf.clock)
    found = debts.verified("c")
    assert found is not None
    assert (found.epoch, found.points) == (1, 7)


async def test_what_may_still_land_is_known_after_a_death(shelf):
    unlanded = Unlanded(shelf.store)
    await unlanded.begin(["a", "b"])
    await unlanded.begin(["b", "c"])
    await unlanded.end(["a", "never begun"])
    assert unlanded.all() == Unlanded(shelf.reopen()).all() == {"b", "c"}


async def test_a_debt_that_arose_during_the_pass_stands(shelf):
    debts = Debts(shelf.store, shelf.clock)
    await debts.mark("c", "shed")
    since = debts.number()
    await debts.mark("c", "opaque write")
    assert not await debts.settle("c", since=since, epoch=1, points=7)
    assert debts.all() == {"c": "opaque write"}
    assert debts.verified("c") is None


async def test_a_debt_of_before_the_restart_is_younger_than_none(shelf):
    debts = Debts(shelf.store, shelf.clock)
    await debts.mark("c", "shed")
    await debts.clear("c")
    since = debts.number()
    debts = Debts(shelf.reopen(), shelf.clock)
    assert debts.number() == since
    await debts.mark("c", "again")
    assert not await debts.settle("c", since=since, epoch=1, points=0)


async def test_a_debt_ends_the_mark_of_equality(shelf):
    debts = Debts(shelf.store, shelf.clock)
    await debts.settle("c", since=debts.number(), epoch=1, points=7)
    await debts.mark("c", "power loss")
    assert debts.verified("c") is None
    assert Debts(shelf.reopen(), shelf.clock).verified("c") is None


async def test_a_checkpoint_is_replaced_and_dropped(shelf):
    checkpoints = Checkpoints(shelf.store)
    assert await checkpoints.load("backfill") is None
    await checkpoints.save("backfill", {"done": 1})
    await checkpoints.save("backfill", {"done": 2, "collections": {"ä": ["x"]}})
    checkpoints = Checkpoints(shelf.reopen())
    assert await checkpoints.load("backfill") == {"done": 2, "collections": {"ä": ["x"]}}
    await checkpoints.drop("backfill")
    assert await checkpoints.load("backfill") is None


async def test_a_divergence_keeps_when_it_was_first_seen(shelf):
    ledger = Ledger(shelf.store, shelf.clock)
    key = Key("c", None, 1)
    await ledger.record([Divergence(key, "missing")])
    [first] = await ledger.page("c", 10)
    await ledger.record([Divergence(key, "payload", "field a")])
    [again] = await Ledger(shelf.reopen(), shelf.clock).page("c", 10)
    assert (again.reason, again.detail, again.first_seen) == ("payload", "field a", first.first_seen)
    assert again.last_seen > first.last_seen


async def test_the_ledger_is_paged_and_counted(shelf):
    ledger = Ledger(shelf.store, shelf.clock)
    keys = [Key("c", None, n) for n in range(25)]
    await ledger.record([Divergence(key, "missing") for key in keys] + [Divergence(Key("d", None, 1), "extra")])
    seen: list[Key] = []
    while page := await ledger.page("c", 10, seen[-1] if seen else None):
        seen += [found.key for found in page]
    assert sorted(seen, key=lambda key: key.id) == keys
    await ledger.resolve(keys[:5])
    assert ledger.counts() == {"c": 20, "d": 1}
    await ledger.forget("c")
    assert Ledger(shelf.reopen(), shelf.clock).counts() == {"d": 1}


async def test_the_migration_stays_where_it_was(shelf):
    migration = Migration(shelf.store, shelf.clock, Phase.MIRROR)
    await migration.enter(Phase.SHADOW, Decision("ann", "looks good"))
    await migration.commit_epoch(2, Place.TARGET, Phase.CUTOVER, Decision("ben", "", ("recall",)))
    migration = Migration(shelf.reopen(), shelf.clock, Phase.PASSTHROUGH)
    assert (migration.phase, migration.epoch, migration.primary) == (Phase.CUTOVER, 2, Place.TARGET)
    history = await migration.history()
    assert [(stage.phase, stage.epoch) for stage in history] == [(Phase.CUTOVER, 2), (Phase.SHADOW, 1), (Phase.MIRROR, 1)]
    assert history[0].decision == Decision("ben", "", ("recall",))


@pytest.mark.parametrize(("epoch", "primary"), [(1, Place.TARGET), (3, Place.TARGET), (2, Place.SOURCE)])
async def test_an_epoch_follows_from_the_last(shelf, epoch, primary):
    migration = Migration(shelf.store, shelf.clock, Phase.MIRROR)
    with pytest.raises(Broken, match="cannot follow"):
        await migration.commit_epoch(epoch, primary, Phase.CUTOVER, Decision("ann"))
    assert migration.epoch == 1


async def test_no_cursor_leaves_the_stores_thread(shelf):
    """Freed by the loop, it would reset a statement that the thread may be using: SQLite then calls that a misuse."""
    with pytest.raises(TypeError, match="cursor"):
        await shelf.store.run(lambda db: db.execute("select 1"))
    await Checkpoints(shelf.store).clear()


async def test_a_name_that_the_disk_refused_once_is_written_by_the_next_try(shelf):
    unlanded = Unlanded(shelf.store)
    await shelf.store.run(lambda db: db.execute("alter table unlanded rename to away").fetchall())
    with pytest.raises(Unavailable):
        await unlanded.begin(["c"])
    await shelf.store.run(lambda db: db.execute("alter table away rename to unlanded").fetchall())
    await unlanded.begin(["c"])
    assert Unlanded(shelf.reopen()).all() == {"c"}
