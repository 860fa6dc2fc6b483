"""Changes of schema that land late at the secondary: what was given up, and what a killed process had sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from fakes.plain_frontend import point, put, request, schema_of
from mirror_stage import Stage

from proxy.backfill.target import create_collections
from proxy.config import MirrorConfig
from proxy.errors import Unavailable, Uncertain
from proxy.mirror.turns import names_of
from proxy.model.operation import (
    ChangeAliases,
    CreateCollection,
    DropAlias,
    DropCollection,
    RenameCollection,
    SchemaWrite,
    SetAlias,
)
from proxy.ports import Outcome, Request


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    """Where what is tried again does not come after all that was given up has landed."""
    stage.config = MirrorConfig(linger=0.25, retry_max=0.05)
    await stage.restart()
    return stage


async def change(stage: Stage, *asked: Request) -> None:
    """Each accepted by the primary."""
    for each in asked:
        ticket = stage.begin(each)
        operation = stage.parts.frontend.decode(each, stage.catalog)
        await stage.source.apply(operation)  # type: ignore[arg-type]
        stage.mirror.end(ticket, Outcome.ACCEPTED, None)


async def put_at_once(stage: Stage, value: float) -> None:
    """Whatever the catalog knows by now."""
    ticket = stage.begin(put("d", (1, value)))
    await stage.source.put([point("d", 1, value)])
    stage.mirror.end(ticket, Outcome.ACCEPTED, None)


async def land(stage: Stage) -> None:
    """When whoever does not wait would have gone on."""
    await asyncio.sleep(0.05)
    await stage.target.land()


CREATE, DROP = request("create", "d"), request("drop", "d")


async def equal(stage: Stage) -> None:
    await stage.quiet()
    assert set(await stage.target.collections()) == set(await stage.source.collections())
    assert await stage.target.aliases() == await stage.source.aliases()
    assert stage.target.values("d") == stage.source.values("d")
    assert (stage.debts.owed, stage.unlanded.names) == ({}, set())


async def until_sent(stage: Stage, *changes: type[SchemaWrite]) -> None:
    async with asyncio.timeout(5):
        while tuple(map(type, stage.target.applied)) != changes:  # noqa: ASYNC110  the secondary tells nobody
            await asyncio.sleep(0.001)


async def test_a_drop_that_was_given_up_takes_nothing_that_is_made_again(stage: Stage) -> None:
    await change(stage, CREATE)
    await put_at_once(stage, 1.0)
    await stage.quiet()
    stage.target.silent, stage.target.applied = 1, []
    await change(stage, DROP, CREATE)
    await put_at_once(stage, 2.0)
    await until_sent(stage, DropCollection)
    await land(stage)
    await equal(stage)
    assert stage.target.values("d") == {1: 2.0}


async def test_a_creation_that_was_given_up_brings_nothing_back(stage: Stage) -> None:
    stage.target.silent, stage.target.applied = 1, []
    await change(stage, CREATE)
    await until_sent(stage, CreateCollection)
    await change(stage, DROP)
    await land(stage)
    await equal(stage)


async def test_a_drop_that_a_killed_process_had_sent_takes_nothing_that_is_made_again(stage: Stage) -> None:
    await change(stage, CREATE)
    await stage.quiet()
    stage.target.silent = 10**6
    await change(stage, DROP)
    await given_up(stage)
    await stage.stop()
    del stage.target.late[1:]
    stage.target.silent, stage.target.applied = 0, []
    stage.start()
    await until_sent(stage, DropCollection)
    await change(stage, CREATE)
    await put_at_once(stage, 2.0)
    await stage.restart()  # and once more, before the wait is over
    await land(stage)
    await equal(stage)
    assert stage.target.values("d") == {1: 2.0}


async def given_up(stage: Stage) -> None:
    async with asyncio.timeout(5):
        while not stage.target.late:  # noqa: ASYNC110  the secondary tells nobody
            await asyncio.sleep(0.001)


async def test_a_collection_that_a_killed_task_was_making_is_dropped_again(stage: Stage) -> None:
    """No entry of the journal tells of that creation."""
    await change(stage, CREATE)
    await stage.quiet()
    stage.target.silent = 1
    with pytest.raises(Uncertain):
        await create_collections(stage.target, stage.catalog, ["d"], stage.mirror)
    await stage.restart()
    stage.target.applied.clear()
    await change(stage, DROP)
    await until_sent(stage, DropCollection)
    await land(stage)
    await equal(stage)


async def test_what_is_dropped_while_a_task_makes_collections_is_not_made(stage: Stage) -> None:
    await change(stage, CREATE)
    await stage.quiet()
    making = asyncio.ensure_future(create_collections(stage.target, stage.catalog, ["c", "d"], stage.mirror))
    async with stage.mirror.sending("c"):
        await asyncio.sleep(0)
        await change(stage, DROP)
        async with asyncio.timeout(5):
            while stage.journal_entries():  # noqa: ASYNC110  read from outside
                await asyncio.sleep(0.001)
    await making
    await equal(stage)


async def test_an_alias_that_was_given_up_does_not_come_back(stage: Stage) -> None:
    stage.target.silent, stage.target.applied = 1, []
    await change(stage, request("alias", "c", alias="a"))
    await until_sent(stage, SetAlias)
    await change(stage, request("drop_alias", "", alias="a"))
    await land(stage)
    await equal(stage)


async def test_a_drop_that_may_have_come_before_the_like_was_made_again_is_a_debt(stage: Stage) -> None:
    """Nobody answered for it; the source has the collection now, and another one than the secondary."""
    await change(stage, CREATE)
    await put_at_once(stage, 1.0)
    await stage.quiet()
    dropped = stage.begin(DROP)
    await stage.source.apply(DropCollection("d"))
    await change(stage, CREATE)
    stage.mirror.end(dropped, Outcome.UNKNOWN, None)
    await stage.quiet()
    assert stage.target.values("d") == {1: 1.0} != stage.source.values("d")
    assert "drop took effect" in stage.debts.owed["d"]


async def test_only_what_may_land_late_is_waited_for(stage: Stage) -> None:
    await change(stage, CREATE, DROP, CREATE)
    await stage.quiet()
    assert tuple(map(type, stage.target.applied[-3:])) == (CreateCollection, DropCollection, CreateCollection)
    assert stage.mirror.status().lingering == 0


async def test_the_primary_does_not_change_while_a_change_of_schema_may_land(stage: Stage) -> None:
    with pytest.raises(Unavailable):
        async with stage.mirror.sending("d"):
            raise Uncertain("no answer")
    assert stage.mirror.status().lingering == 1
    drained = asyncio.ensure_future(stage.mirror.drained())
    await asyncio.sleep(0.01)
    assert not drained.done()
    await drained
    assert (stage.mirror.status().lingering, stage.unlanded.names) == (0, set())


async def test_what_is_refused_or_was_not_sent_lands_no_more(stage: Stage) -> None:
    with pytest.raises(Unavailable):
        async with stage.mirror.sending("d"):
            raise Unavailable("not sent")
    assert (stage.mirror.status().lingering, stage.unlanded.names) == (0, set())


@pytest.mark.parametrize(
    ("write", "names"),
    [
        (CreateCollection(schema_of("c")), ("c",)),
        (RenameCollection("c", "d"), ("c", "d")),
        (ChangeAliases((SetAlias("a", "c"), DropAlias("b"))), ("a", "c", "b")),
    ],
)
def test_a_change_concerns_all_that_it_names(write: SchemaWrite, names: Sequence[str]) -> None:
    assert names_of(write) == names
