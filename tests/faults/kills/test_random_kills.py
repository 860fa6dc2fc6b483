"""`kill -9` at any moment, again and again on one state directory, while applications write and the operator goes on.

`VECFERRY_KILLS=10000` for a night. A failure tells its seed: `VECFERRY_KILL_SEED` begins with it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.faults.kills.forks import Forks
from tests.faults.kills.points import Stir
from tests.faults.kills.stirs import stirred
from tests.faults.kills.world import World

KILLS = int(os.environ.get("VECFERRY_KILLS", "300"))
SEED = int(os.environ.get("VECFERRY_KILL_SEED", "0"))
WORLDS = 4
LONGEST = 0.4
"""Seconds of a life; a start takes a quarter of it."""
SETTLED_EVERY = 10
"""Deaths between two looks at what is quiet."""
STIRS = (Stir.WRITES, Stir.BACKFILL, Stir.VERIFY, Stir.CHANGE, Stir.PHASE)


@pytest.mark.slow
@pytest.mark.timeout(300 + 3 * KILLS)
@pytest.mark.parametrize("seed", range(SEED, SEED + WORLDS))
async def test_deaths_at_any_moment_lose_nothing(tmp_path: Path, forks: Forks, seed: int) -> None:
    async with World(tmp_path, forks, seed).running() as world:
        for _ in range(KILLS // WORLDS // SETTLED_EVERY):
            await _die(world, world.chance.choice(STIRS))
            await world.settle_up()
            await world.kill()


async def _die(world: World, stir: Stir) -> None:
    async with world.busy(), stirred(world, stir):
        for _ in range(SETTLED_EVERY - 1):
            world.begin()
            await asyncio.sleep(world.chance.uniform(0, LONGEST))
            await world.kill()
        world.begin()
