"""What the operator of the first sidecar does: tasks, changes of primary; what a death or a gate stopped he tries again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from faults.simulation.clients import NAME
from faults.simulation.network import at_once
from faults.simulation.process import Process
from faults.simulation.world import COLD, World, cold_point

from proxy.errors import AlreadyExists, ProxyError, Refused
from proxy.model.place import Place
from proxy.model.point import Key
from proxy.tasks.task import TaskState

SHADOW_GATES = ("recall", "tail", "latency", "violations", "reads", "errors", "unanswerable")
"""Nobody searches here."""
TRIES = 40
PATIENCE = 10.0
"""Seconds before a closed gate is tried again."""


class GaveUp(Exception):
    """The world did not come to rest for so long that the operator left: the rest of the wishes is not carried out."""


async def carry_out(world: World) -> None:
    await asyncio.sleep(world.chance.uniform(0, world.story.begin))
    try:
        for wish in world.story.wishes:
            world.tell(f"operator: {wish}")
            await _WISHES[wish](world)
    except GaveUp:
        world.tell("operator: gives up")


async def _backfill(world: World) -> None:
    await _task(world, "backfill")


async def verified(world: World) -> None:
    """Verify and repair until a pass was clean."""
    for _ in range(TRIES):
        await _task(world, "verify")
        parts = world.processes[0].parts
        if parts.debts.verified(NAME) is not None and not parts.debts.all():
            return
        if parts.ledger.counts():
            await _task(world, "repair")
        else:
            await asyncio.sleep(PATIENCE)
    raise GaveUp


async def _task(world: World, name: str) -> None:
    process = world.processes[0]
    for _ in range(TRIES):
        if await process.within(_run(process, name)) is TaskState.DONE:
            return
        await asyncio.sleep(1.0)
    raise GaveUp


async def _run(process: Process, name: str) -> TaskState:
    with suppress(AlreadyExists):  # resumed after a death
        await process.operator.start_task(name, ())
    return (await process.parts.tasks.wait(name)).state


async def _around(world: World) -> None:
    """Writes that go around the proxy: a point too many, one too few, one that differs."""
    first, second, _, third, *_ = COLD
    world.tell(f"around the proxy: {first}, {second}, {third}, 90")
    at_once(world.target.put([cold_point(90, 90.0), cold_point(third, 0.5)]))
    at_once(world.target.remove([Key(NAME, None, first)]))
    at_once(world.source.remove([Key(NAME, None, second)]))


async def _cutover(world: World) -> None:
    await _change(world, lambda operator: operator.cutover("operator", "it is time", SHADOW_GATES), Place.TARGET)


async def _rollback(world: World) -> None:
    await _change(world, lambda operator: operator.rollback("operator", "it was too early", ()), Place.SOURCE)


async def _change(world: World, command: Callable[[Any], Awaitable[Any]], wanted: Place) -> None:
    process = world.processes[0]
    for _ in range(TRIES):
        if world.chance.random() < world.story.assassin / 2:
            world.kill_later(process, world.chance.uniform(0, 8))
        try:
            await process.within(command(process.operator))
        except Refused as error:
            world.tell(f"operator: {error}")
        except ProxyError as error:
            world.find(f"a change of primary broke: {error!r}")
        if process.parts.migration.primary is wanted:
            return
        await asyncio.sleep(PATIENCE)
        if process.parts.debts.verified(NAME) is None:
            await verified(world)
    raise GaveUp


_WISHES: Mapping[str, Callable[[World], Awaitable[None]]] = {
    "backfill": _backfill,
    "verified": verified,
    "around": _around,
    "cutover": _cutover,
    "rollback": _rollback,
}
