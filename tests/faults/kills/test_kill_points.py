"""`kill -9` at every transition: whatever the moment, nothing acknowledged is lost, and both sides are equal in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kills.forks import Forks
from tests.faults.kills.points import POINTS, Point, Stir, owner_of
from tests.faults.kills.stirs import stirred
from tests.faults.kills.world import World

AT_ONCE = 8
"""Points that are tried in one world after the other."""
NIGHTLY = "VECFERRY_KILLS" in os.environ
SEED = int(os.environ.get("VECFERRY_KILL_SEED", "0"))


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_every_point_exists(point: Point) -> None:
    owner_of(point.function)


def _groups() -> Iterator[tuple[Point, ...]]:
    for stir in Stir:
        points = [point for point in POINTS if point.stir is stir]
        for first in range(0, len(points), AT_ONCE):
            yield tuple(points[first : first + AT_ONCE])


@pytest.mark.slow
@pytest.mark.parametrize("points", tuple(_groups()), ids=lambda points: f"from {points[0]}")
async def test_a_death_at_any_point_loses_nothing(tmp_path: Path, forks: Forks, points: tuple[Point, ...]) -> None:
    async with World(tmp_path, forks, SEED).running() as world:
        for point in points:
            await _die_at(world, point)
            await world.settle_up()
            await world.kill()


async def _die_at(world: World, point: Point) -> None:
    """A point that does not come lets the wait for the death fail."""
    async with world.busy(), stirred(world, point.stir):
        for nth in _times(world, point):
            world.begin(point, nth)
            await world.death()
        world.begin()


def _times(world: World, point: Point) -> tuple[int, ...]:
    """Its first, and a later one; nightly its second and a third too."""
    if point.stir is Stir.START:
        return (1,)
    return (1, 2, world.chance.randint(3, 5)) if NIGHTLY else (1, world.chance.randint(2, 3))
