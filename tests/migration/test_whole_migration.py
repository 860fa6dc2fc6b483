"""From passthrough to complete, on real servers and under load."""

from __future__ import annotations

import pytest

from tests.migration.shelf import Shelf
from tests.migration.world import EASY, World
from tests.servers.sidecar import Sidecar

pytestmark = pytest.mark.milvus
ROWS = 1000
MEMORY = 300 * 2**20
SHARES = {"shadow": 1.0, "canary": 0.3}
PHASES = ["passthrough", "mirror", "shadow", "canary", "cutover", "shadow", "cutover"]


def walk(sidecar: Sidecar) -> None:
    """All phases but the last, each for a moment."""
    sidecar.copy()
    sidecar.enter("shadow")
    sidecar.enter("canary")
    sidecar.change("cutover")
    sidecar.change("rollback")
    sidecar.change("cutover")


@pytest.mark.parametrize(
    ("shelves", "workers"),
    [
        ((Shelf("plain", metric="COSINE"),), 2),
        (
            (
                Shelf("texts", metric="L2", texts=True, alias="live"),
                Shelf("parted", metric="IP", partitions=("north", "south")),
            ),
            1,
        ),
    ],
    ids=["plain, two workers", "texts, alias, partitions"],
)
def test_a_live_application_moves_there_and_back_and_there_without_an_error(
    world: World, shelves: tuple[Shelf, ...], workers: int
) -> None:
    for shelf in shelves:
        world.shelf(shelf, ROWS)
    sidecar = world.sidecar(routing=SHARES, gates=EASY, workers=workers)
    loads = [world.load(sidecar, shelf, ROWS) for shelf in shelves]
    loads[0].work_for(1)
    walk(sidecar)
    loads[0].work_for(2)
    for load in loads:
        load.stop()
    assert sidecar.resident() < MEMORY
    sidecar.drained()
    for load in loads:
        assert load.errors == []
        load.check(world.sides(load.shelf.name))
    assert [stage["phase"] for stage in reversed(sidecar.get("/v1/history"))] == PHASES
    sidecar.enter("complete")
    assert sidecar.status()["phase"] == "complete"
