from __future__ import annotations

import asyncio

import pytest

from proxy.errors import Unavailable
from proxy.routing.hold import Hold
from proxy.routing.turnstile import Turnstile


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def held() -> Hold:
    hold = Hold(max_requests=3, max_bytes=100)
    hold.begin()
    return hold


async def test_what_is_not_held_passes_at_once() -> None:
    await asyncio.wait_for(Hold(0, 0).passed(10**9), 1)


async def test_what_waited_is_released_in_order() -> None:
    hold, order = held(), []

    async def write(number: int) -> None:
        await hold.passed(1)
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(write(number))
        await settle()
        assert order == []
        hold.release()
    assert order == [0, 1, 2]


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (60, 60)])
async def test_above_a_bound_the_last_one_is_told_to_come_again(sizes) -> None:
    hold = held()
    waiting = [asyncio.ensure_future(hold.passed(size)) for size in sizes[:-1]]
    await settle()
    with pytest.raises(Unavailable):
        await hold.passed(sizes[-1])
    hold.release()
    await asyncio.gather(*waiting)


async def test_a_client_that_leaves_makes_room() -> None:
    hold = held()
    gone = [asyncio.ensure_future(hold.passed(30)) for _ in range(3)]
    await settle()
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    stays = asyncio.ensure_future(hold.passed(100))
    await settle()
    assert hold.waiting == 1
    hold.release()
    await stays


async def test_a_hold_that_begins_before_the_turn_came_holds_on() -> None:
    hold, passed = held(), asyncio.Event()

    async def write() -> None:
        await hold.passed(1)
        passed.set()

    task = asyncio.ensure_future(write())
    await settle()
    hold.release()
    hold.begin()
    await settle()
    assert not passed.is_set()
    hold.release()
    await task


async def test_all_landed_waits_for_the_last_one() -> None:
    hold = Hold(1, 1)
    hold.take_off()
    hold.take_off()
    landed = asyncio.ensure_future(hold.all_landed())
    hold.land()
    await settle()
    assert not landed.done()
    hold.land()
    await asyncio.wait_for(landed, 1)


async def test_one_alone_waits_for_those_inside_and_keeps_others_out() -> None:
    turnstile, log = Turnstile(), []
    leave = asyncio.Event()

    async def together(name: str, until: asyncio.Event | None = None) -> None:
        async with turnstile.together():
            log.append(name)
            if until is not None:
                await until.wait()

    async def alone() -> None:
        async with turnstile.alone():
            log.append("alone")

    async with asyncio.TaskGroup() as group:
        group.create_task(together("first", leave))
        group.create_task(together("second"))
        await settle()
        group.create_task(alone())
        await settle()
        group.create_task(together("third"))
        await settle()
        assert log == ["first", "second"]
        leave.set()
    assert log == ["first", "second", "alone", "third"]


async def test_one_that_is_cancelled_inside_lets_the_others_go_on() -> None:
    turnstile = Turnstile()
    inside = asyncio.ensure_future(_stay(turnstile))
    await settle()
    alone = asyncio.ensure_future(_pass_alone(turnstile))
    await settle()
    inside.cancel()
    await asyncio.wait_for(alone, 1)
    with pytest.raises(asyncio.CancelledError):
        await inside


async def _stay(turnstile: Turnstile) -> None:
    async with turnstile.together():
        await asyncio.Event().wait()


async def _pass_alone(turnstile: Turnstile) -> None:
    async with turnstile.alone():
        pass


async def test_writes_by_filter_may_wait_first_while_the_others_go_on() -> None:
    hold = Hold(max_requests=3, max_bytes=100)
    hold.calm()
    await asyncio.wait_for(hold.passed(1), 1)
    waiting = asyncio.ensure_future(hold.passed(1, by_filter=True))
    await settle()
    assert not waiting.done()
    hold.release()
    await waiting


async def test_writes_by_filter_are_counted_among_the_others() -> None:
    hold = Hold(max_requests=3, max_bytes=100)
    hold.take_off()
    hold.take_off(by_filter=True)
    assert (hold.flying, hold.flying_by_filter) == (2, 1)
    hold.land(by_filter=True)
    assert (hold.flying, hold.flying_by_filter) == (1, 0)
