"""`vecferry run` dies at the moments that matter, between a real Milvus and Qdrant, while an application works.

`VECFERRY_WHOLE_KILLS=1`, nightly: at every point, one after the other.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import pytest
from pymilvus import MilvusClient, MilvusException

from tests.faults.kills.points import POINTS, Point, Stir
from tests.migration.shelf import Shelf
from tests.migration.world import World
from tests.servers.sidecar import Sidecar, wait_until

pytestmark = pytest.mark.milvus

ROWS: Final = 500
BOOKS: Final = Shelf("books")
MAYFLY: Final = Shelf("mayfly")
TELLING: Final = (
    ("after mirror.tail.Tail.write of APPEND", 5),  # the intent is written, the request not forwarded
    ("before mirror.tail.Tail.write of END", 5),  # the primary has replied, and its outcome is not written
    ("before mirror.tail.Tail.write of REMOVE_ENTRY", 5),  # the secondary has it, and the entry is still there
    ("after backfill.writer.Writer.write", 2),  # a page is written, its checkpoint is not
    ("before store.migration.Migration.commit_epoch", 1),  # all waits, nothing has changed
    ("after store.migration.Migration.commit_epoch", 1),  # it has changed, and nobody acts on it yet
)
AT: Final = {str(point): point for point in POINTS}
NIGHTLY: Final = tuple((str(point), 1 if point.stir is Stir.START else 2) for point in POINTS)


def test_the_whole_sidecar_dies_at_the_telling_moments_and_loses_nothing(world: World) -> None:
    with at_work(world) as sidecar:
        for name, nth in TELLING:
            die(world, sidecar, AT[name], nth)


@pytest.mark.skipif("VECFERRY_WHOLE_KILLS" not in os.environ, reason="takes half an hour: VECFERRY_WHOLE_KILLS=1")
@pytest.mark.timeout(7200)
def test_the_whole_sidecar_dies_at_every_point_and_loses_nothing(world: World) -> None:
    with at_work(world) as sidecar, _schemas_changing(sidecar):
        for name, nth in NIGHTLY:
            die(world, sidecar, AT[name], nth)


@contextmanager
def at_work(world: World) -> Iterator[Sidecar]:
    """A mirrored, copied and verified collection under load; in the end both sides are judged by their own SDKs."""
    world.shelf(BOOKS, ROWS)
    page = {"page": 100}
    sidecar = world.sidecar(mirror={"linger": "1s"}, backfill=page, verify=page | {"recheck_delay": "50ms"})
    load = world.load(sidecar, BOOKS, ROWS)
    sidecar.copy()
    yield sidecar
    load.recover()
    load.stop()
    sidecar.drained()
    if sidecar.status()["debts"]:  # a delete by filter that nobody saw the end of
        for task in ("verify", "repair", "verify"):
            sidecar.task(task)
    assert sidecar.status()["debts"] == {}
    load.check(world.sides(BOOKS.name))


def die(world: World, sidecar: Sidecar, point: Point, nth: int) -> None:
    """At that point, and begins a life without it."""
    ordinary = sidecar.program
    sidecar.kill()
    sidecar.program = [sys.executable, "-m", "tests.faults.kills.launch", str(point), str(nth)]
    with suppress(RuntimeError):  # it may die before it is ready, and while it is asked
        sidecar.start()
        _STIRS[point.stir](world, sidecar)
    try:
        sidecar.killed()
    except RuntimeError as error:
        raise AssertionError(f"{point} has not come {nth} times: {error}") from error
    sidecar.program = ordinary
    sidecar.start()
    _tell_how_it_stands(sidecar, point)


def _tell_how_it_stands(sidecar: Sidecar, point: Point) -> None:
    """Who is primary says whether the death came before or after the commit; the next point wants the source to be."""
    if point.function.endswith("commit_epoch"):
        assert sidecar.status()["primary"] == ("source" if point.moment == "before" else "target")
    _rest(sidecar)
    if sidecar.status()["primary"] == "target":
        _change(sidecar)
    if sidecar.status()["phase"] == "passthrough":
        sidecar.copy()


# ---- what lets a point come ----


def _nothing(world: World, sidecar: Sidecar) -> None:
    return


def _rest(sidecar: Sidecar) -> None:
    """A task that was running goes on by itself."""
    wait_until(lambda: all(task["state"] != "running" for task in sidecar.status()["tasks"]), 60, sidecar.status)


def _backfill(world: World, sidecar: Sidecar) -> None:
    for _ in range(2):
        sidecar.task("backfill")


def _verify(world: World, sidecar: Sidecar) -> None:
    for _ in range(2):
        world.qdrant().delete(
            BOOKS.name, points_selector=[record.id for record in world.qdrant().scroll(BOOKS.name, limit=3)[0]]
        )
        sidecar.task("verify")
        sidecar.task("repair")


def _change(sidecar: Sidecar) -> None:
    status = sidecar.status()
    closed = [gate["name"] for gate in status["gates"] if gate["ok"] is not True]
    sidecar.change("cutover" if status["primary"] == "source" else "rollback", *closed)


def _changes(world: World, sidecar: Sidecar) -> None:
    for _ in range(2):
        _change(sidecar)


def _phases(world: World, sidecar: Sidecar) -> None:
    for phase in ("passthrough", "mirror", "passthrough", "mirror"):
        sidecar.enter(phase)


_STIRS: Final[Mapping[Stir, Callable[[World, Sidecar], None]]] = {
    Stir.WRITES: _nothing,
    Stir.BACKFILL: _backfill,
    Stir.VERIFY: _verify,
    Stir.CHANGE: _changes,
    Stir.PHASE: _phases,
    Stir.START: _nothing,
}


@contextmanager
def _schemas_changing(sidecar: Sidecar) -> Iterator[None]:
    """An application that makes a collection and drops it, over all deaths."""
    stop = threading.Event()

    def work() -> None:
        client = MilvusClient(uri=sidecar.url)
        while not stop.wait(0.05):
            with suppress(MilvusException):
                MAYFLY.create(client)
            with suppress(MilvusException):
                client.drop_collection(MAYFLY.name)
        client.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
