from __future__ import annotations

import asyncio

from proxy.mirror.pulse import Pulse


async def test_a_ring_wakes_only_those_for_whom_it_holds() -> None:
    pulse, asked, there = Pulse(), [0], [False]

    def holds() -> bool:
        asked[0] += 1
        return there[0]

    waiting = asyncio.ensure_future(pulse.until(holds))
    await asyncio.sleep(0)
    pulse.ring()
    assert asked == [2]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asked == [2]  # had it been woken, it would have asked again
    there[0] = True
    pulse.ring()
    async with asyncio.timeout(5):
        await waiting


async def test_what_no_longer_holds_when_its_turn_comes_is_waited_for_again() -> None:
    pulse, room = Pulse(), [0]

    async def take() -> None:
        await pulse.until(lambda: room[0] > 0)
        room[0] -= 1

    both = [asyncio.ensure_future(take()) for _ in range(2)]
    await asyncio.sleep(0)
    room[0] = 1
    pulse.ring()
    done, _ = await asyncio.wait(both, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), room) == (1, [0])
    room[0] = 1
    pulse.ring()
    async with asyncio.timeout(5):
        await asyncio.gather(*both)
    assert room == [0]


async def test_one_who_gave_up_is_asked_no_more() -> None:
    pulse, asked = Pulse(), [0]

    def holds() -> bool:
        asked[0] += 1
        return False

    waiting = asyncio.ensure_future(pulse.until(holds))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    before = asked[0]
    pulse.ring()
    assert asked[0] == before
