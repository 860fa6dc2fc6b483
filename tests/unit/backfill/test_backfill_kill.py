"""A backfill that is killed with SIGKILL, again and again, ends with every point copied, and does not begin anew each time."""

import subprocess
import sys
import time
from pathlib import Path

COUNT = 600
KILLS = 5

CHILD = f"""
import asyncio, json, pathlib, sys
sys.path.insert(0, sys.argv[2])
from fakes.mirror import Catalog, FakeMirror, Slow, Watcher, create
import numpy as np
from proxy.backfill.backfill import Backfill, BackfillSettings
from proxy.clock import SystemClock
from proxy.config import BackfillConfig
from proxy.model.point import Key, Point
from proxy.model.schema import Metric, Schema, VectorField, VectorKind
from proxy.live import Roles
from proxy.store.checkpoints import Checkpoints
from proxy.store.store import Store

folder = pathlib.Path(sys.argv[1])
catalog = Catalog(Schema("c", {{"v": VectorField("v", VectorKind.DENSE, 2, Metric.DOT)}}))

def point(number):
    return Point(Key("c", None, number), {{"v": np.array([number, 0], np.float32)}}, {{}})

class Kept(Slow):
    "What is put survives the process."
    async def put(self, points):
        await super().put(points)
        with (folder / "secondary").open("a") as file:
            file.write("".join(f"{{one.key.id}}\\n" for one in points))
        await asyncio.sleep(0.005)

async def main():
    mirror = FakeMirror(Slow(catalog), Kept(catalog))
    await create(mirror.primary, catalog)
    await super(Slow, mirror.primary).put([point(n) for n in range({COUNT})])
    roles = Roles(mirror.primary, mirror.secondary, 1)
    store = Store(folder / "state.db")
    settings = BackfillSettings(BackfillConfig(page=10, latency_limit=1000), 60.0)
    backfill = Backfill(lambda: roles, mirror, catalog, Checkpoints(store), settings, SystemClock())
    async with asyncio.TaskGroup() as group:
        settling = group.create_task(mirror.run())
        await backfill.run((), Watcher())
        settling.cancel()
    store.close()

asyncio.run(main())
"""


def copied(folder: Path) -> list[int]:
    file = folder / "secondary"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def run(folder: Path, more: int | None) -> int:
    """Until `more` points are copied, then kills it; None: to its end."""
    before = len(copied(folder))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder), str(Path(__file__).parents[2])])
    while more is not None and child.poll() is None and len(copied(folder)) < before + more:
        time.sleep(0.002)
    if more is not None:
        child.kill()
    return child.wait()


def test_a_killed_backfill_repeats_little_and_skips_nothing(tmp_path):
    for kill in range(KILLS):
        run(tmp_path, 20 + 30 * kill)
    assert run(tmp_path, None) == 0
    written = copied(tmp_path)
    assert set(written) == set(range(COUNT))
    # Each kill repeats the pages that were on their way, and settles their keys.
    assert len(written) <= COUNT + KILLS * 2 * (3 * 10)
