"""The last word on a world that has come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from faults.simulation.acts import GaveUp, carry_out, verified
from faults.simulation.clients import NAME, Attempt
from faults.simulation.story import Story
from faults.simulation.virtual_time import Stuck, run
from faults.simulation.world import World, shown

from proxy.model.point import Key


@dataclass(frozen=True, slots=True)
class Verdict:
    """`owed`: a debt was announced, so verify and repair had to run. `changes` of primary, `deaths` of processes.
    `rests`: all was settled in the end, in time."""

    findings: tuple[str, ...]
    owed: bool
    changes: int
    deaths: int
    rests: bool = True

    @property
    def good(self) -> bool:
        return not self.findings


def trial(seed: int, story: Story, trace: list[str] | None = None) -> Verdict:
    """The same for the same seed and story, in every process. `trace`: gets a line for each step."""
    try:
        return run(lambda clock: _lived(World(clock, seed, story, trace)))
    except (Stuck, TimeoutError) as error:
        return Verdict((f"it never comes to rest: {error!r}",), owed=False, changes=0, deaths=0, rests=False)


async def _lived(world: World) -> Verdict:
    await world.build()
    clients = (world.client(number) for number in range(world.story.clients))
    troubles = (world.trouble(process) for process in world.processes)
    await asyncio.gather(*clients, *troubles, world.mayflies(), carry_out(world))
    await world.quiet()
    verdict = await _judged(world)
    await world.end()
    return verdict


async def _judged(world: World) -> Verdict:
    if owed := world.owed():
        await _pay(world)
    else:
        if differing := world.differences():
            world.find(f"I3: {shown(differing)} differ and nothing says so")
        for stray in world.strays():
            world.find(f"I3: {stray}, and nothing says so")
    for attempt in world.attempts:
        if attempt.refused and attempt.value is not None and world.landed(attempt.value):
            world.find(f"I4: {attempt.value} was refused and landed")
    for number in range(world.story.hot):
        if lost := _lost(world, number):
            world.find(f"I1: {lost}")
    deaths = sum(process.deaths for process in world.processes)
    return Verdict(tuple(world.findings), owed, max(len(world.stages) - 1, 0), deaths)


async def _pay(world: World) -> None:
    """What a debt asks for."""
    try:
        await verified(world)
    except GaveUp:
        world.find("a debt cannot be paid: verify and repair never come to a clean pass")
    await world.quiet()
    if differing := world.differences():
        world.find(f"I10: verify passed over {shown(differing)}")
    for stray in world.strays():
        world.find(f"I10: {stray}, and verify passed over it")


# ---- I1: every acknowledged write is on the primary, in an order that the clients saw ----


def _lost(world: World, number: int) -> str:
    """An acknowledged write of the key that began after whatever made its last state had ended; "" where there is none."""
    found = world.points(world.primary).get(Key(NAME, None, number))
    value = found.payload["v"] if found else None
    makers = [attempt for attempt in world.attempts if _may_make(attempt, number, value)]
    if not makers or any(maker.ended is None for maker in makers):
        if value is None or value < 1000 or makers:
            return _lost_after(world, number, value, 0.0) if not makers else ""
        return f"key {number} has the value {value} that nobody wrote"
    return _lost_after(world, number, value, max(maker.ended or 0.0 for maker in makers))


def _may_make(attempt: Attempt, number: int, value: float | None) -> bool:
    touches = attempt.keys is None or number in attempt.keys
    return touches and attempt.value == value and not attempt.refused


def _lost_after(world: World, number: int, value: float | None, ended: float) -> str:
    for attempt in _sure(world, number):
        if attempt.value != value and attempt.began > ended:
            return f"key {number} is {value} though {attempt.value} was acknowledged later"
    return ""


def _sure(world: World, number: int) -> Iterator[Attempt]:
    return (found for found in world.attempts if found.ended is not None and found.keys is not None and number in found.keys)
