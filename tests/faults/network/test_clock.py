"""Nothing that matters looks at the wall clock: a whole migration under load while it jumps by hours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.faults.network.ways import Place, Ways
from tests.migration.load import Load
from tests.migration.world import EASY
from tests.servers.facade import MilvusFacade
from tests.servers.moods import REFUSE
from tests.servers.sidecar import wait_until

ROWS: Final = 200
WANDERING: Final = [sys.executable, "-m", "tests.faults.network.wandering"]


@pytest.mark.slow
def test_a_migration_succeeds_while_the_clock_jumps(tmp_path: Path) -> None:
    with (
        MilvusFacade() as source,
        Ways(source.url, tmp_path, program=WANDERING, gates=EASY, mirror={"linger": "1s"}) as world,
        world.shelf(ROWS, mirrored=True) as books,
    ):
        sidecar = world.sidecar
        sidecar.drained()
        with Load(world.url, books, ROWS) as load:
            sidecar.task("backfill")
            with world.failing(Place.TARGET, REFUSE):
                load.work_for(1)
            wait_until(lambda: not sidecar.journal["last_error"], 30, lambda: sidecar.journal)
            assert sidecar.task("verify")["found"] == 0
            sidecar.enter("shadow")
            load.work_for(1)
            sidecar.change("cutover")
            load.work_for(1)
            sidecar.kill()
            sidecar.start()
            load.recover()
            sidecar.task("verify")
            sidecar.change("rollback")
            load.work_for(1)
        sidecar.drained()
        assert sidecar.status()["primary"] == "source"
        load.check(world.sides(books.name))
