from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from fakes.plain_frontend import PlainFrontend, point, put, remove, request, schema_of
from fakes.plain_parts import PlainCatalog
from mirror_stage import Stage, Watched

from proxy.config import JournalConfig, MirrorConfig, WhenFull
from proxy.errors import Broken, Refused, Unavailable, Uncertain
from proxy.mirror.mirror import Listing, Mirror
from proxy.mirror.pulse import Pulse
from proxy.model.operation import CreateCollection, DropCollection, Fetch, Read, RenameCollection, SetAlias, Write
from proxy.model.point import Key, Point
from proxy.ports import Catalog, Outcome, Reply, Request


def key(number: int, collection: str = "c") -> Key:
    return Key(collection, None, number)


# ---- direct writes ----


async def test_a_full_upsert_is_written_directly_and_not_read(stage: Stage) -> None:
    await stage.write(put("c", (1, 1.0), (2, 2.0)))
    await stage.quiet()
    assert stage.target.values() == {1: 1.0, 2: 2.0}
    assert stage.source.fetched == 0


async def test_a_body_is_gone_through_once(stage: Stage) -> None:
    stage.frontend = counting = CountingFrontend()
    await stage.restart()
    await stage.write(put("c", (1, 1.0)))
    counting.passes = 0  # the stage's own
    await stage.quiet()
    assert stage.target.values() == {1: 1.0}
    assert counting.passes == 1


async def test_no_more_than_a_batch_is_decoded_before_its_time(stage: Stage, set_limit: Callable[[str, float], None]) -> None:
    set_limit("proxy.mirror.applier.BATCH_BYTES", 2 * len(put("c", (0, 1.0)).body))
    stage.frontend = counting = CountingFrontend()
    await stage.restart()
    stage.mirror.pause()
    writes = [await stage.write(put("c", (number, 1.0))) for number in range(8)]
    async with asyncio.timeout(5):
        await counting.all_named(len(writes) - 2)
    decoded = [ticket.entry.write is not None for ticket in writes]
    assert decoded == [True, True] + 6 * [False]
    stage.mirror.resume()
    await stage.quiet()
    assert len(stage.target.values()) == len(writes)


class CountingFrontend(PlainFrontend):
    """Counts how often a body is gone through."""

    def __init__(self) -> None:
        self.passes = self.named = 0
        self._pulse = Pulse()

    async def all_named(self, count: int) -> None:
        await self._pulse.until(lambda: self.named == count)

    def collection(self, request: Request, catalog: Catalog) -> str:
        self.passes += 1
        self.named += 1
        self._pulse.ring()
        return super().collection(request, catalog)

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        self.passes += 1
        return super().decode(request, catalog, reply)


async def test_small_writes_that_wait_become_one_and_the_last_wins(stage: Stage) -> None:
    stage.mirror.pause()
    for value in range(10):
        await stage.write(put("c", (value % 3, float(value))))
    await stage.write(remove("c", 0))
    stage.mirror.resume()
    await stage.quiet()
    assert stage.target.values() == stage.source.values() == {1: 7.0, 2: 8.0}
    assert stage.target.puts == [2]


async def test_ids_that_the_primary_made_come_from_its_reply(stage: Stage) -> None:
    await stage.write(put("c", (0, 5.0), path="put_auto"), Reply(200, (), json.dumps([77]).encode()))
    await stage.quiet()
    assert stage.target.values() == {77: 5.0}
    assert stage.source.fetched == 0


async def test_a_refused_write_is_never_mirrored(stage: Stage) -> None:
    stage.mirror.end(stage.begin(put("c", (1, 1.0))), Outcome.REFUSED, None)
    await stage.quiet()
    assert stage.target.values() == {}
    assert stage.mirror.status().entries == 0


# ---- settling ----


@pytest.mark.parametrize("asked", [put("c", (1, 4.0), path="patch"), put("c", (1, 4.0), (1, 4.0))])
async def test_what_does_not_hold_the_resulting_state_is_settled(stage: Stage, asked: Request) -> None:
    await stage.write(asked)
    await stage.quiet()
    assert stage.target.values() == {1: 4.0}
    assert stage.source.fetched >= 2


async def test_of_two_writes_under_way_together_the_primary_says_which_won(stage: Stage) -> None:
    one, two = stage.begin(put("c", (1, 1.0))), stage.begin(put("c", (1, 2.0)))
    await stage.execute(put("c", (1, 2.0)))
    await stage.execute(put("c", (1, 1.0)))
    stage.mirror.end(one, Outcome.ACCEPTED, None)
    stage.mirror.end(two, Outcome.ACCEPTED, None)
    await stage.quiet()
    assert stage.target.values() == {1: 1.0}


async def test_keys_that_come_while_others_are_settled_share_the_next_settle(stage: Stage) -> None:
    stage.source = gated = Gated(stage.catalog)
    await gated.apply(CreateCollection(schema_of("c")))
    mirror = await stage.restart()
    for number in range(5):
        mirror.mark_dirty([key(number)], "a test")
        await gated.asked_once()
    gated.open.set()
    await stage.quiet()
    assert gated.fetched == 4  # two settles, each of which reads before and after


class Gated(Watched):
    """Answers no read before it is opened."""

    def __init__(self, catalog: PlainCatalog) -> None:
        super().__init__(catalog)
        self.open, self._asked = asyncio.Event(), asyncio.Event()

    async def asked_once(self) -> None:
        await self._asked.wait()
        for _ in range(10):  # whoever would ask beside it has had the time
            await asyncio.sleep(0)

    async def fetch(self, fetch: Fetch, *rest: Any) -> dict[Key, Point]:
        self._asked.set()
        await self.open.wait()
        return await super().fetch(fetch, *rest)


async def test_a_settle_notices_a_change_that_came_between_its_reads(stage: Stage) -> None:
    stage.target.before_put = lambda: stage.source._points["c"].update({key(1): point("c", 1, 9.0)})
    await stage.execute(put("c", (1, 1.0)))
    stage.mirror.mark_dirty([key(1)], "test")
    await stage.quiet()
    assert stage.target.values() == {1: 9.0}


async def test_an_unknown_outcome_is_settled_now_and_when_it_can_land_no_more(stage: Stage) -> None:
    stage.mirror.end(stage.begin(put("c", (1, 1.0))), Outcome.UNKNOWN, None)
    await stage.mirror.settled([key(1)])
    assert stage.target.values() == {}
    await stage.execute(put("c", (1, 1.0)))
    await stage.quiet()
    assert stage.target.values() == {1: 1.0}


async def test_a_write_that_may_land_late_on_the_secondary_is_looked_at_again(stage: Stage) -> None:
    stage.target.fails = [Uncertain("no reply")]
    await stage.write(put("c", (1, 1.0)))
    async with asyncio.timeout(5):
        await stage.mirror._applier.moved.until(lambda: stage.target.values() == {1: 1.0})
    await stage.target.remove([key(1)])  # as if the lost one had been a removal that lands now
    await stage.quiet()
    assert stage.target.values() == {1: 1.0}


# ---- writes by filter ----


async def test_a_delete_by_filter_takes_what_was_listed_and_what_came_meanwhile(stage: Stage) -> None:
    await stage.write(put("c", (1, 3.0), (2, 4.0)))
    since = stage.mirror.position
    await stage.write(put("c", (5, 3.0)))
    await stage.source.remove([key(1), key(5)])
    asked = request("remove_where", "c", group=0)
    stage.mirror.end(stage.begin(asked, Listing((key(1),), since)), Outcome.ACCEPTED, None)
    await stage.quiet()
    assert stage.target.values() == {2: 4.0}
    assert stage.debts.owed == {}


async def test_a_delete_by_filter_without_a_list_is_a_debt(stage: Stage) -> None:
    stage.mirror.end(stage.begin(request("remove_where", "c", group=0)), Outcome.ACCEPTED, None)
    await stage.quiet()
    assert "cannot be told" in stage.debts.owed["c"]


async def test_a_delete_by_filter_beside_a_write_of_unknown_keys_is_a_debt_and_settles_what_was_listed(stage: Stage) -> None:
    await stage.write(put("c", (1, 3.0)))
    await stage.quiet()
    other = stage.begin(put("c", (8, 8.0), path="put_auto"))
    asked = request("remove_where", "c", group=0)
    ticket = stage.begin(asked, Listing((key(1),), stage.mirror.position))
    await stage.source.remove([key(1)])
    stage.mirror.end(other, Outcome.UNKNOWN, None)
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    async with asyncio.timeout(20):
        await stage.mirror._applier.moved.until(lambda: "cannot be told" in stage.debts.owed.get("c", ""))
        await stage.mirror.settled([key(1)])
    assert stage.target.values() == {}


async def test_a_delete_by_filter_of_too_many_is_a_debt(stage: Stage) -> None:
    await stage.stop()
    stage.config = stage.config.model_copy(update={"filter_expand_limit": 2})
    stage.start()
    asked = request("remove_where", "c", group=0)
    stage.mirror.end(stage.begin(asked, Listing((key(1), key(2), key(3)), 0)), Outcome.ACCEPTED, None)
    await stage.quiet()
    assert "more than 2" in stage.debts.owed["c"]


async def test_an_opaque_write_is_a_debt(stage: Stage) -> None:
    await stage.write(request("opaque", "c"))
    await stage.quiet()
    assert stage.debts.owed == {"c": "nobody knows"}


async def test_what_cannot_be_understood_is_a_debt_of_every_collection(stage: Stage) -> None:
    stage.mirror.end(stage.begin(Request(b"POST", b"/put", (), b'{"c": "c"}')), Outcome.REFUSED, None)
    ticket = stage.begin(request("put", "", points=[]))
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    await stage.quiet()
    assert "cannot be understood" in stage.debts.owed["c"]


# ---- trouble with the secondary ----


async def test_an_outage_of_the_secondary_is_waited_out(stage: Stage) -> None:
    stage.target.fails = [Unavailable("down")] * 100_000
    ticket = await stage.write(put("c", (1, 1.0)))
    assert isinstance(await ticket.applied(0.01), Unavailable)
    while stage.mirror.status().last_error != "down":  # noqa: ASYNC110  the status has no event
        await asyncio.sleep(0.001)
    stage.target.fails.clear()
    assert await ticket.applied(5) is None
    await stage.quiet()
    assert stage.target.values() == {1: 1.0}
    assert stage.mirror.status().last_error == ""


async def test_a_point_that_the_secondary_refuses_is_parked_and_the_others_go_on(stage: Stage) -> None:
    stage.target.refuses = lambda each: Refused("too odd") if each.payload["v"] == 13.0 else None
    ticket = await stage.write(put("c", *((number, float(number)) for number in range(20))))
    fault = await ticket.applied(5)
    await stage.quiet()
    assert isinstance(fault, Refused)
    assert set(stage.target.values()) == {*range(20)} - {13}
    assert [(parked.key, parked.reason) for parked in stage.mirror.parked()] == [(key(13), "too odd")]
    assert key(13) not in stage.mirror.touched("c", stage.mirror.position).keys


@pytest.mark.parametrize("path", ["put", "patch"])  # written directly, and settled
async def test_what_is_refused_beyond_the_room_for_parked_keys_is_a_debt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("proxy.mirror.dirty.PARKED_LIMIT", 2)
    stage.target.refuses = lambda each: Refused("too odd")
    await stage.write(put("c", *((number, float(number)) for number in range(5)), path=path))
    await stage.quiet()
    assert len(stage.mirror.parked()) == 2
    assert "more points were refused than can be parked: too odd" in stage.debts.owed["c"]


async def test_a_parked_key_is_tried_again_when_asked_and_when_written(stage: Stage) -> None:
    stage.target.refuses = lambda each: Refused("too odd")
    await stage.write(put("c", (1, 1.0), (2, 2.0)))
    await stage.quiet()
    stage.target.refuses = lambda each: None
    await stage.write(put("c", (1, 3.0)))
    await stage.quiet()
    assert stage.target.values() == {1: 3.0}
    assert stage.mirror.retry([parked.id for parked in stage.mirror.parked()]) == 1
    await stage.quiet()
    assert stage.target.values() == {1: 3.0, 2: 2.0}
    assert stage.mirror.parked() == []


async def test_a_discarded_key_leaves_a_debt(stage: Stage) -> None:
    stage.target.refuses = lambda each: Refused("too odd")
    await stage.write(put("c", (1, 1.0)))
    await stage.quiet()
    assert await stage.mirror.discard([parked.id for parked in stage.mirror.parked()]) == 1
    assert "discarded" in stage.debts.owed["c"]


async def test_a_collection_that_the_secondary_lacks_is_a_debt_and_blocks_nobody(stage: Stage) -> None:
    await stage.source.apply(CreateCollection(schema_of("d")))
    await stage.catalog.apply(CreateCollection(schema_of("d")))
    await stage.write(put("d", (1, 1.0)))
    await stage.write(put("d", (2, 1.0), path="patch"))
    await stage.write(put("c", (1, 1.0)))
    await stage.quiet()
    assert "no such collection" in stage.debts.owed["d"]
    assert stage.target.values() == {1: 1.0}


async def test_keys_of_a_collection_that_is_gone_from_the_primary_beside_the_mirror_are_a_debt(stage: Stage) -> None:
    await stage.write(put("c", (1, 1.0)))
    await stage.quiet()
    await stage.source.apply(DropCollection("c"))
    stage.mirror.mark_dirty([key(1)], "test")
    await stage.quiet()
    assert "the primary has no such collection" in stage.debts.owed["c"]


async def test_keys_of_a_collection_that_is_on_its_way_to_another_name_wait_for_it(stage: Stage) -> None:
    await stage.write(put("c", (1, 1.0)))
    await stage.quiet()
    asked = request("rename", "c", to="e")
    ticket = stage.begin(asked)
    await stage.source.apply(stage.parts.frontend.decode(asked, stage.catalog))  # type: ignore[arg-type]
    stage.mirror.mark_dirty([key(1)], "test")
    fetched = stage.source.fetched
    async with asyncio.timeout(5):
        while stage.source.fetched < fetched + 3:  # noqa: ASYNC110  reads are counted, not told
            await asyncio.sleep(0.01)
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    await stage.quiet()
    assert (stage.debts.owed, stage.target.values("e")) == ({}, {1: 1.0})


async def test_a_collection_that_is_left_out_is_left_alone(stage: Stage) -> None:
    stage.catalog.left_out = frozenset({"c"})
    await stage.write(put("c", (1, 1.0)))
    await stage.write(put("c", (1, 1.0), path="patch"))
    await stage.write(request("opaque", "c"))
    await stage.quiet()
    assert (stage.target.values(), stage.debts.owed) == ({}, {})


# ---- changes of schema ----


async def schema_change(stage: Stage, asked: Request, outcome: Outcome = Outcome.ACCEPTED) -> None:
    ticket = stage.begin(asked)
    operation = stage.parts.frontend.decode(asked, stage.catalog)
    await stage.source.apply(operation)  # type: ignore[arg-type]
    stage.mirror.end(ticket, outcome, None)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNKNOWN])
async def test_a_new_collection_comes_before_its_points(stage: Stage, outcome: Outcome) -> None:
    await schema_change(stage, request("create", "d"), outcome)
    ticket = stage.begin(put("d", (1, 1.0)))
    await stage.source.put([point("d", 1, 1.0)])
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    await stage.quiet()
    assert stage.target.values("d") == {1: 1.0}
    assert ("d" in stage.debts.owed) is (outcome is Outcome.UNKNOWN)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNKNOWN])
async def test_a_change_that_its_client_saw_already_reaches_only_the_secondary(stage: Stage, outcome: Outcome) -> None:
    ticket = stage.begin(request("create", "d"))
    await stage.source.apply(CreateCollection(schema_of("d")))
    stage.catalog.ahead.add(ticket.seq)  # and a later change has taken it away again
    stage.mirror.end(ticket, outcome, None)
    await stage.quiet()
    assert (stage.catalog.collections(), stage.catalog.ahead) == (("c",), set())
    assert set(await stage.target.collections()) == {"c", "d"}


async def test_a_write_whose_name_means_another_collection_by_now_is_a_debt(stage: Stage) -> None:
    for side in (stage.source, stage.target, stage.catalog):
        await side.apply(CreateCollection(schema_of("d")))
    await stage.catalog.apply(SetAlias("alias", "d"))
    asked = put("alias", (1, 1.0))
    ticket = stage.mirror.begin(asked, stage.parts.frontend.route(asked.method, asked.path, "rest"), "rest", collection="c")
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    await stage.quiet()
    assert "meant another collection" in stage.debts.owed["c"]
    assert (stage.target.values("c"), stage.target.values("d")) == ({}, {})


async def test_a_dropped_collection_takes_its_dirty_keys_and_debts_along(stage: Stage) -> None:
    await stage.write(put("c", (1, 1.0)))
    await stage.write(request("opaque", "c"))
    stage.mirror.mark_dirty([key(1)], "test", after=0.02)
    await schema_change(stage, request("drop", "c"))
    await stage.quiet()
    assert await stage.target.collections() == ()
    assert (stage.debts.owed, stage.catalog.collections()) == ({}, ())


async def test_a_renamed_collection_takes_its_dirty_keys_along(stage: Stage) -> None:
    await stage.write(put("c", (1, 1.0)))
    await stage.quiet()
    stage.mirror.pause()
    await stage.execute(put("c", (1, 2.0)))
    stage.mirror.mark_dirty([key(1)], "test")
    await schema_change(stage, request("rename", "c", to="d"))
    stage.mirror.resume()
    await stage.quiet()
    assert stage.target.values("d") == {1: 2.0}


async def test_a_change_that_the_secondary_refuses_is_a_debt(stage: Stage) -> None:
    await stage.target.apply(RenameCollection("c", "d"))
    await stage.target.apply(CreateCollection(schema_of("c", dim=7)))
    await stage.catalog.apply(CreateCollection(schema_of("c")))
    await schema_change(stage, request("create", "c"))
    await stage.quiet()
    assert "refuses CreateCollection" in stage.debts.owed["c"]


async def test_a_change_of_another_collection_that_is_finished_troubles_no_write_beside_it(stage: Stage) -> None:
    await stage.write(put("c", (1, 3.0), (2, 4.0)))
    filtered = stage.begin(request("remove_where", "c", group=0), Listing((key(1),), stage.mirror.position))
    slow = stage.begin(put("c", (3, 3.0)))
    await schema_change(stage, request("create", "d"))
    async with asyncio.timeout(20):
        await stage.mirror._applier.moved.until(lambda: "d" in stage.target._points)
    await stage.source.remove([key(1)])
    await stage.execute(put("c", (3, 3.0)))
    for ticket in (filtered, slow):
        stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    await stage.quiet()
    assert stage.debts.owed == {}
    assert stage.target.values() == {2: 4.0, 3: 3.0}


# ---- restart ----


async def test_what_waits_at_a_stop_is_applied_after_it(stage: Stage) -> None:
    stage.mirror.pause()
    await stage.write(put("c", (1, 1.0), (2, 2.0)))
    await stage.write(put("c", (1, 3.0), path="patch"))
    stage.mirror.end(stage.begin(put("c", (7, 7.0))), Outcome.UNKNOWN, None)
    open_write = stage.begin(put("c", (5, 5.0)))
    await stage.execute(put("c", (5, 5.0)))
    assert open_write.seq > 0
    await stage.restart()
    await stage.quiet()
    assert stage.target.values() == stage.source.values() == {1: 3.0, 2: 2.0, 5: 5.0}


async def test_what_was_beside_a_delete_by_filter_before_a_restart_cannot_be_told(stage: Stage) -> None:
    since = stage.mirror.position
    await stage.write(put("c", (1, 3.0)))
    await stage.quiet()
    ticket = stage.begin(request("remove_where", "c", group=0), Listing((), since))
    await stage.mirror._journal.written(ticket.entry.step)
    await stage.restart()
    await stage.quiet()
    assert "cannot be told" in stage.debts.owed["c"]


async def test_a_long_backlog_is_read_back_in_order(stage: Stage, set_limit: Callable[[str, float], None]) -> None:
    set_limit("proxy.mirror.backlog.HELD_ENTRIES", 3)
    set_limit("proxy.mirror.journal.PAGE_ENTRIES", 4)
    stage.mirror.pause()
    for value in range(40):
        await stage.write(put("c", (value % 7, float(value))))
    stage.mirror.resume()
    await stage.quiet()
    assert stage.target.values() == stage.source.values()
    assert stage.source.fetched == 0


async def test_of_a_long_backlog_only_so_many_bytes_are_in_memory(
    stage: Stage, set_limit: Callable[[str, float], None]
) -> None:
    size = len(put("c", (0, 0.0)).body)
    for name in ("applier.HANDED_BYTES", "journal.PAGE_BYTES", "backlog.HELD_BYTES"):
        set_limit(f"proxy.mirror.{name}", 3 * size)
    stage.mirror.pause()
    held: list[int] = []
    stage.target.before_put = lambda: held.append(stage.mirror._backlog._held_bytes)
    for value in range(40):
        await stage.write(put("c", (value % 7, float(value % 10))))
    stage.mirror.resume()
    await stage.quiet()
    assert stage.target.values() == stage.source.values()
    assert max(held) <= 8 * size  # what lanes hold, a page, and the last one of each


async def test_one_write_to_the_secondary_carries_only_so_many_bytes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.mirror.applier.BATCH_BYTES", 2 * len(put("c", (0, 0.0)).body))
    stage.mirror.pause()
    for value in range(6):
        await stage.write(put("c", (value, 0.0)))
    stage.mirror.resume()
    await stage.quiet()
    assert stage.target.values() == stage.source.values()
    assert stage.target.puts == [2, 2, 2]


# ---- limits ----


async def full(stage: Stage, when_full: WhenFull, **limits: int) -> None:
    await stage.stop()
    stage.journal_config = JournalConfig(when_full=when_full, block_timeout=0.05, **limits)
    stage.start()
    stage.mirror.pause()
    await stage.write(put("c", (1, 1.0)))


async def test_a_full_journal_makes_writes_wait_and_then_refuses_them(stage: Stage) -> None:
    await full(stage, WhenFull.BLOCK, max_bytes=10)
    assert not stage.mirror.has_room()
    with pytest.raises(Unavailable, match="no room"):
        await stage.mirror.room()
    stage.mirror.resume()
    await stage.quiet()
    await stage.mirror.room()


async def test_of_writes_that_were_told_of_room_together_the_last_are_refused_where_there_is_none(stage: Stage) -> None:
    await full(stage, WhenFull.BLOCK, max_entries=2)
    await stage.mirror.room()
    await stage.mirror.room()
    await stage.write(put("c", (2, 2.0)))
    with pytest.raises(Unavailable, match="no room"):
        stage.begin(put("c", (3, 3.0)))
    stage.mirror.resume()
    await stage.quiet()
    assert stage.target.values() == {1: 1.0, 2: 2.0}
    assert stage.debts.owed == {}


async def test_a_full_journal_that_sheds_keeps_the_keys(stage: Stage) -> None:
    await full(stage, WhenFull.SHED, max_bytes=10)
    before = stage.mirror.status().bytes
    await stage.write(put("c", (2, 2.0)))
    assert (stage.mirror.has_room(), stage.mirror.status().bytes) == (True, before)
    await stage.restart()
    await stage.quiet()
    assert stage.target.values() == {1: 1.0, 2: 2.0}
    assert stage.debts.owed == {}


async def test_a_journal_without_place_for_keys_makes_a_debt_before_the_write_goes_on(stage: Stage) -> None:
    await full(stage, WhenFull.SHED, max_entries=1)
    ticket = stage.begin(put("c", (2, 2.0)))
    written: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
    ticket.when_written(lambda error: written.set_result(dict(stage.debts.owed)))
    assert "did not keep" in (await written)["c"]
    stage.debts.owed.clear()
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    stage.mirror.resume()
    await stage.quiet()
    assert "did not keep" in stage.debts.owed["c"]


async def test_a_body_above_the_limit_is_kept_by_its_keys(stage: Stage) -> None:
    await stage.stop()
    stage.journal_config = JournalConfig(body_limit=100)
    stage.start()
    pairs = [(number, float(number)) for number in range(50)]
    await stage.write(put("c", *pairs))
    assert stage.mirror.status().bytes == 0
    await stage.quiet()
    assert stage.target.values() == dict(pairs)


# ---- questions ----


async def test_touched_tells_writes_since_a_position_and_dirty_keys(stage: Stage) -> None:
    await stage.write(put("c", (1, 1.0)))
    await stage.quiet()
    position = stage.mirror.position
    assert stage.mirror.touched("c", position).keys == frozenset()
    stage.begin(put("c", (2, 1.0)))
    await stage.write(remove("c", 3))
    stage.mirror.mark_dirty([key(4)], "test", after=5)
    touched = stage.mirror.touched("c", position)
    assert (touched.keys, touched.all) == ({key(2), key(3), key(4)}, False)
    assert stage.mirror.touched("c", 0).keys >= {key(1)} or stage.mirror.touched("c", 0).all


async def test_touched_cannot_tell_beside_a_write_whose_keys_only_the_reply_knows(stage: Stage) -> None:
    position = stage.mirror.position
    stage.begin(put("c", (1, 1.0), path="put_auto"))
    assert stage.mirror.touched("c", position).all
    assert not stage.mirror.touched("c", position, until=position).all


async def test_known_until_waits_for_outcomes(stage: Stage) -> None:
    ticket = stage.begin(put("c", (1, 1.0)))
    waiting = asyncio.ensure_future(stage.mirror.known_until(stage.mirror.position))
    await asyncio.sleep(0)
    assert not waiting.done()
    stage.mirror.end(ticket, Outcome.REFUSED, None)
    await asyncio.wait_for(waiting, 5)


async def test_keys_that_are_never_clean_together_are_waited_for_one_by_one(stage: Stage) -> None:
    stage.config = MirrorConfig(linger=0.05, retry_max=0.05, batch_points=1, concurrency=1)
    mirror = await stage.restart()
    hot = asyncio.ensure_future(_always_one_dirty(mirror, key(1), key(2)))
    await asyncio.sleep(0)
    await asyncio.wait_for(mirror.settled([key(1), key(2)]), 5)
    assert not hot.done()
    hot.cancel()


async def _always_one_dirty(mirror: Mirror, one: Key, other: Key) -> None:
    mirror.mark_dirty([one], "hot")
    while True:
        mirror.mark_dirty([other], "hot")
        await mirror._dirty.changed.until(lambda: not mirror._dirty.at_work(one))  # noqa: B023  read at once
        one, other = other, one


async def test_landed_until_waits_for_the_linger_of_a_write_whose_outcome_nobody_knows(stage: Stage) -> None:
    stage.config = MirrorConfig(linger=0.5, retry_max=0.05)
    mirror = await stage.restart()
    mirror.end(stage.begin(put("c", (1, 1.0))), Outcome.UNKNOWN, None)
    assert mirror.lingering == mirror.status().lingering == 1
    waiting = asyncio.ensure_future(mirror.landed_until(mirror.position))
    await mirror.settled([key(1)])
    assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
    assert mirror.lingering == 0
    assert mirror.touched("c", mirror.position).keys == set()


async def test_writes_that_linger_hide_no_batch_that_was_on_its_way_at_a_death(stage: Stage) -> None:
    stage.config = MirrorConfig(linger=60, retry_max=0.05, batch_points=2)
    mirror = await stage.restart()
    for number in (1, 2, 3):
        mirror.end(stage.begin(put("c", (number, 1.0))), Outcome.UNKNOWN, None)
    await mirror.settled([key(1), key(2), key(3)])
    mirror.pause()
    await stage.write(put("c", (9, 9.0)))
    mirror = await stage.restart()
    await mirror.settled([key(9)])
    assert key(9) in mirror.touched("c", mirror.position).keys


async def test_the_mirror_turns_only_when_it_is_drained(stage: Stage) -> None:
    stage.mirror.pause()
    await stage.write(put("c", (1, 1.0)))
    with pytest.raises(Broken, match="on their way"):
        await stage.mirror.turn(stage.target, stage.source, 2)
    stage.mirror.resume()
    await stage.quiet()
    await stage.mirror.turn(stage.target, stage.source, 2)
    ticket = stage.begin(put("c", (9, 9.0)))
    await stage.target.put([point("c", 9, 9.0)])
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)
    await stage.quiet()
    assert stage.source.values()[9] == 9.0


async def test_a_write_that_ends_twice_is_our_mistake(stage: Stage) -> None:
    ticket = await stage.write(put("c", (1, 1.0)))
    with pytest.raises(Broken):
        stage.mirror.end(ticket, Outcome.ACCEPTED, None)
