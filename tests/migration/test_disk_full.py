"""A disk without room under the state directory: writes are refused clearly, reads go on, nothing acknowledged is lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from tests.migration.raw import send, upsert
from tests.migration.shelf import Shelf
from tests.migration.world import World
from tests.servers.sidecar import wait_until

pytestmark = pytest.mark.milvus
ROWS = 500
SIZE = "48m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_refuses_writes_lets_reads_through_and_loses_nothing(world: World, small_disk: Path) -> None:
    """pymilvus tries again by itself, so the application only sees slow writes as long as the disk is full. A longer log
    has room for what comes and goes."""
    books = world.shelf(Shelf("books"), ROWS)
    sidecar = world.sidecar(state=str(small_disk / "state"), journal={"block_timeout": "1s", "log_bytes": "64KiB"})
    sidecar.copy()
    load = world.load(sidecar, books, ROWS)
    load.work_for(1)
    filler = small_disk / "filler"
    _fill(filler)
    wait_until(lambda: "disk is full" in sidecar.journal["last_error"], 30, lambda: sidecar.journal)
    full = time.monotonic()
    with pytest.raises(grpc.RpcError) as told:
        send(sidecar.url, upsert(books, range(ROWS, ROWS + 10), 2))
    assert told.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "disk is full" in told.value.details()
    load.work_for(2)
    filler.unlink()
    load.work_for(5)
    load.stop()
    sidecar.drained()
    assert load.errors == []
    assert min(len(load.took(kind, full)) for kind in ("search", "upsert")) > 0
    load.check(world.sides(books.name))


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
