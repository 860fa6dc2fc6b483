from __future__ import annotations

import asyncio

import pytest
from fakes.plain_frontend import put, remove, request
from fakes.sidecar import Sidecar

from proxy.errors import Broken, Refused, Unavailable
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.net.form import COMPILED, form
from proxy.ports import Reply


def stands(sidecar: Sidecar) -> tuple[Place, int, bool]:
    migration = sidecar.parts.migration
    return migration.primary, migration.epoch, sidecar.parts.router.hold.holding


AS_BEFORE = (Place.SOURCE, 1, False)


async def test_there_and_back_under_load_loses_nothing(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        wanted: dict[int, float] = {}
        stop = asyncio.Event()

        async def client(first: int) -> None:
            """Writes its own keys, one after the other, as an application does."""
            n = 0
            while not stop.is_set():
                n += 1
                key = first + n % 7
                reply = await sidecar.ask(remove("c", key) if n % 5 == 0 else put("c", (key, float(n))))
                assert reply.status == 200, reply.body
                wanted.pop(key, None)
                if n % 5:
                    wanted[key] = float(n)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for first in range(0, 40, 10):
                group.create_task(client(first))
            for phase in (Phase.CUTOVER, Phase.SHADOW, Phase.CUTOVER):
                await asyncio.sleep(0.1)
                await sidecar.change(phase)
            await asyncio.sleep(0.1)
            stop.set()
        await sidecar.drained()
        assert await sidecar.both() == (wanted, wanted)
        assert stands(sidecar) == (Place.TARGET, 4, False)
        assert sidecar.parts.router.hold.flying == 0


async def test_writes_issued_in_the_hold_go_late_and_in_order_to_the_new_primary(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        release = asyncio.Event()

        async def slow(_) -> None:
            await release.wait()

        sidecar.upstream.before = slow
        first = asyncio.ensure_future(sidecar.ask(put("c", (1, 1.0))))
        await sidecar.until(lambda: bool(sidecar.upstream.asked))
        change = asyncio.ensure_future(sidecar.change(Phase.CUTOVER))
        await sidecar.until(lambda: sidecar.parts.router.hold.holding)
        late = [asyncio.ensure_future(sidecar.ask(put("c", (2, float(n))))) for n in range(5)]
        await sidecar.until(lambda: sidecar.parts.router.hold.waiting == 5)
        release.set()
        await asyncio.gather(first, change, *late)
        assert len(sidecar.upstream.asked) == 1
        assert (await sidecar.both())[1] == {1: 1.0, 2: 4.0}


async def test_the_hold_begins_when_no_write_by_filter_is_under_way(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        hold, release = sidecar.parts.router.hold, asyncio.Event()

        async def slow(_) -> None:
            await release.wait()

        sidecar.upstream.before = slow
        first = asyncio.ensure_future(sidecar.ask(request("remove_where", "c", group=1)))
        await sidecar.until(lambda: bool(sidecar.upstream.asked))
        change = asyncio.ensure_future(sidecar.change(Phase.CUTOVER))
        second = asyncio.ensure_future(sidecar.ask(request("remove_where", "c", group=2)))
        await sidecar.until(lambda: hold.waiting == 1)
        assert (hold.holding, hold.flying_by_filter) == (False, 1)
        release.set()
        await asyncio.gather(first, change, second)
        assert (hold.flying, hold.flying_by_filter) == (0, 0)
        assert len(sidecar.upstream.asked) == 1


async def test_reads_go_on_in_the_hold(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        sidecar.parts.router.hold.begin()
        assert await sidecar.get(1) == {}


async def test_a_journal_that_stays_behind_calls_it_off(tmp_path) -> None:
    async with Sidecar(tmp_path, cutover={"max_hold": 0.3}) as sidecar:
        sidecar.parts.mirror.pause()
        await sidecar.ask(put("c", (1, 1.0)))
        with pytest.raises(Refused, match="nothing has changed"):
            await sidecar.change(Phase.CUTOVER)
        assert stands(sidecar) == AS_BEFORE


async def test_a_write_that_does_not_finish_calls_it_off_and_the_held_ones_go_on(tmp_path) -> None:
    async with Sidecar(tmp_path, cutover={"max_hold": 0.1}) as sidecar:
        never = asyncio.Event()

        async def stuck(asked) -> None:
            if asked is blocked:
                await never.wait()

        blocked = put("c", (1, 1.0))
        sidecar.upstream.before = stuck
        first = asyncio.ensure_future(sidecar.ask(blocked))
        await sidecar.until(lambda: bool(sidecar.upstream.asked))
        change = asyncio.ensure_future(sidecar.change(Phase.CUTOVER))
        await sidecar.until(lambda: sidecar.parts.router.hold.holding)
        held = asyncio.ensure_future(sidecar.ask(put("c", (2, 2.0))))
        with pytest.raises(Refused, match="did not finish within"):
            await change
        assert (await held).status == 200
        assert stands(sidecar) == AS_BEFORE
        never.set()
        await first
        await sidecar.drained()
        assert await sidecar.both() == ({1: 1.0, 2: 2.0}, {1: 1.0, 2: 2.0})


async def test_a_disk_that_refuses_the_epoch_calls_it_off(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        sidecar.parts.migration.commit_epoch = _raising(Unavailable("disk full"))
        with pytest.raises(Unavailable):
            await sidecar.change(Phase.CUTOVER)
        assert stands(sidecar) == AS_BEFORE
        assert (await sidecar.ask(put("c", (1, 1.0)))).status == 200


@pytest.mark.skipif(
    form("proxy.mirror.mirror") == COMPILED, reason="the mirror is part of the machine code, and keeps its methods"
)
async def test_a_fault_behind_the_commit_releases_nothing(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        sidecar.parts.mirror.turn = _raising(Broken("it was busy"))
        with pytest.raises(Broken):
            await sidecar.change(Phase.CUTOVER)
        assert stands(sidecar) == (Place.TARGET, 2, True)
        assert sidecar.upstream.asked == []


async def test_a_commit_that_was_interrupted_releases_nothing(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        committing = asyncio.Event()

        async def forever(*_) -> None:
            committing.set()
            await asyncio.Event().wait()

        sidecar.parts.migration.commit_epoch = forever
        change = asyncio.ensure_future(sidecar.change(Phase.CUTOVER))
        await committing.wait()
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)
        assert sidecar.parts.router.hold.holding


async def test_a_change_that_is_interrupted_before_the_commit_releases(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        sidecar.parts.router.hold.take_off()
        change = asyncio.ensure_future(sidecar.change(Phase.CUTOVER))
        await sidecar.until(lambda: sidecar.parts.router.hold.holding)
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)
        assert stands(sidecar) == AS_BEFORE


async def test_after_a_restart_the_new_epoch_holds(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        await sidecar.change(Phase.CUTOVER)
    async with Sidecar(tmp_path) as sidecar:
        assert stands(sidecar) == (Place.TARGET, 2, False)
        assert (await sidecar.ask(put("c", (1, 1.0)))).status == 200
        assert (await sidecar.both())[1] == {1: 1.0}


async def test_too_many_held_writes_are_told_to_come_again(tmp_path) -> None:
    async with Sidecar(tmp_path, cutover={"hold_requests": 1}) as sidecar:
        sidecar.parts.router.hold.begin()
        waiting = asyncio.ensure_future(sidecar.ask(put("c", (1, 1.0))))
        await asyncio.sleep(0)
        refused: Reply = await sidecar.ask(put("c", (2, 2.0)))
        assert refused.status == 503
        sidecar.parts.router.hold.release()
        assert (await waiting).status == 200


def _raising(error):
    async def call(*_):
        raise error

    return call
