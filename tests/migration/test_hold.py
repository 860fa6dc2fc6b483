"""The change of primary under load: how long writes wait, and what the application sees of it."""

from __future__ import annotations

import pytest

from tests.migration.shelf import Shelf
from tests.migration.world import World

pytestmark = [pytest.mark.milvus, pytest.mark.alone]
ROWS = 1000
CHANGES = 10
OF_READS = ("recall", "tail", "latency", "errors", "violations", "reads")
"""Gates of the shadow: how good the answers are is not the question here."""


def test_ten_changes_of_primary_under_load_hold_writes_shortly_and_fail_none(world: World) -> None:
    books = world.shelf(Shelf("books"), ROWS)
    sidecar = world.sidecar()
    sidecar.copy()
    load = world.load(sidecar, books, ROWS)
    held = []
    for number in range(CHANGES):
        load.work_for(0.5)
        command, force = ("rollback", ()) if number % 2 else ("cutover", OF_READS)
        held.append(sidecar.change(command, *force)["held_seconds"])
    load.stop()
    sidecar.drained()
    print(f"held {sorted(held)}; longest write {max(load.took('upsert') + load.took('delete')):.2f} s")
    assert load.errors == []
    load.check(world.sides(books.name))
    assert max(held) < 1.0, held
