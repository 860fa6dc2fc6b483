"""What an operator does without end, so that a certain kind of point comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from tests.faults.kills.points import Stir
from tests.faults.kills.world import World


@asynccontextmanager
async def stirred(world: World, stir: Stir) -> AsyncIterator[None]:
    """A life must be there at the end, to answer the last act: one that nobody waits for would come at any time later."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_until(stop, _STIRS[stir], world))
        try:
            yield
        finally:
            stop.set()


async def _until(stop: asyncio.Event, act: Callable[[World], Awaitable[None]], world: World) -> None:
    while not stop.is_set():
        await act(world)


async def _nothing(world: World) -> None:
    await asyncio.sleep(0.01)


async def _backfill(world: World) -> None:
    if not world.emptied:
        world.empty()
    await world.fill()


async def _verify(world: World) -> None:
    if not world.spoiled:
        await world.spoil()
    await world.mend()


async def _change(world: World) -> None:
    primary = (await world.persist("status"))["primary"]
    await world.attempt("change", "cutover" if primary == "source" else "shadow")


async def _phase(world: World) -> None:
    phase = (await world.persist("status"))["phase"]
    await world.attempt("enter", "mirror" if phase == "passthrough" else "passthrough", "test", "test")


_STIRS: Final[Mapping[Stir, Callable[[World], Awaitable[None]]]] = {
    Stir.WRITES: _nothing,
    Stir.BACKFILL: _backfill,
    Stir.VERIFY: _verify,
    Stir.CHANGE: _change,
    Stir.PHASE: _phase,
    Stir.START: _nothing,
}
