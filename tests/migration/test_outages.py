"""Deaths and outages under load: nothing acknowledged is lost, and both sides are equal in the end."""

from __future__ import annotations

import os
import time
from statistics import median

import pytest

from tests.migration.load import Call
from tests.migration.shelf import Shelf
from tests.migration.world import EASY, World
from tests.servers.fault_proxy import FaultProxy
from tests.servers.moods import REFUSE, SILENT, Mood
from tests.servers.sidecar import wait_until

pytestmark = pytest.mark.milvus
ROWS = 1000
BOOKS = Shelf("books")
TARGET_DOWN = float(os.environ.get("VECFERRY_OUTAGE_SECONDS", "15"))
"""Nightly: 60 and more."""
READS = ("search", "get")
SHORT_LINGER = {"linger": "2s"}


def outside(errors: list[Call], outages: list[tuple[float, float]]) -> list[Call]:
    """Those that no outage explains."""
    return [call for call in errors if not any(call.begun < end and call.begun + call.took > begin for begin, end in outages)]


def test_a_sidecar_that_is_killed_twice_under_load_and_once_after_cutover_loses_nothing(world: World) -> None:
    world.shelf(BOOKS, ROWS)
    sidecar = world.sidecar(mirror=SHORT_LINGER, gates=EASY, routing={"shadow": 1.0})
    load = world.load(sidecar, BOOKS, ROWS)
    outages = []

    def kill() -> None:
        load.work_for(2)
        begin = time.monotonic()
        sidecar.kill()
        sidecar.start()
        load.recover()
        outages.append((begin, time.monotonic()))

    sidecar.copy()
    kill()
    kill()
    # A delete by filter in flight makes a debt where nobody can tell any more what was beside it.
    assert sidecar.task("verify")["found"] == 0
    sidecar.enter("shadow")
    sidecar.change("cutover")
    kill()
    assert sidecar.status()["primary"] == "target"
    load.work_for(1)
    load.stop()
    sidecar.drained()
    assert outside(load.errors, outages) == []
    load.check(world.sides(BOOKS.name))


@pytest.mark.alone
def test_a_target_that_is_down_under_load_is_noticed_by_nobody_and_catches_up(world: World) -> None:
    world.shelf(BOOKS, ROWS)
    sidecar = world.sidecar()
    sidecar.copy()
    load = world.load(sidecar, BOOKS, ROWS)
    load.work_for(4)
    down = time.monotonic()
    world.target.kill()
    load.work_for(TARGET_DOWN)
    waiting = sidecar.journal
    assert waiting["entries"] > 100, waiting
    assert waiting["last_error"], waiting
    world.target.start()
    load.work_for(2)
    load.stop()
    sidecar.drained()
    assert load.errors == []
    load.check(world.sides(BOOKS.name))
    before = median(took for call in load.calls if call.kind == "upsert" and call.begun < down for took in (call.took,))
    assert median(load.took("upsert", down)) < 1.5 * before + 0.005


def test_nothing_owed_is_forgotten_when_the_target_is_down_and_the_sidecar_dies(world: World) -> None:
    world.shelf(BOOKS, ROWS)
    sidecar = world.sidecar(mirror=SHORT_LINGER)
    sidecar.copy()
    load = world.load(sidecar, BOOKS, ROWS, readers=0)
    world.target.kill()
    load.work_for(2)
    load.stop()
    waiting = sidecar.journal["entries"]
    sidecar.kill()
    sidecar.start()
    assert sidecar.journal["entries"] == waiting
    world.target.start()
    sidecar.drained()
    load.check(world.sides(BOOKS.name))
    wait_until(lambda: not sidecar.status()["preparing"], 10, sidecar.status)


@pytest.mark.parametrize("mood", [REFUSE, SILENT], ids=["refuse", "silent"])
def test_a_source_that_is_away_for_five_seconds_is_bridged(world: World, mood: Mood) -> None:
    """Only a write whose last bytes had left and whose reply was lost may be told as failed: nobody knows how it ended."""
    world.shelf(BOOKS, ROWS)
    proxy = world.enter(FaultProxy(world.source_url))
    sidecar = world.sidecar(proxy.url, mirror=SHORT_LINGER)
    sidecar.copy()
    load = world.load(sidecar, BOOKS, ROWS)
    load.work_for(2)
    away = time.monotonic()
    with proxy.failing(mood):
        load.work_for(5)
    load.work_for(3)
    load.stop()
    sidecar.drained()
    lost = [call for call in load.errors if call.kind not in READS and call.begun < away < call.begun + call.took]
    assert [call for call in load.errors if call not in lost] == []
    assert len(lost) <= (2 if mood is REFUSE else 0)
    load.check(world.sides(BOOKS.name))
