"""Requests as large as Milvus takes them, and requests whose client goes away."""

from __future__ import annotations

import grpc
import psutil
import pytest

from tests.migration.raw import leave_behind, send, upsert
from tests.migration.shelf import Shelf
from tests.migration.world import World
from tests.servers.sidecar import wait_until

pytestmark = pytest.mark.milvus
ROWS = 200
BOOKS = Shelf("books")
WIDE = Shelf("wide", dim=1024)
MIB = 2**20
LARGEST = 64 * MIB
MEMORY = 1024 * MIB
"""What a single body of 64 MiB may make of the sidecar's ordinary 200 MiB."""


def test_a_batch_of_almost_64_mib_is_taken_and_mirrored_and_a_larger_one_is_refused_as_milvus_does(world: World) -> None:
    world.shelf(WIDE, 1)
    sidecar = world.sidecar()
    sidecar.copy()
    taken, refused = upsert(WIDE, range(16_000), 2), upsert(WIDE, range(16_500), 3)
    assert 60 * MIB < len(taken) < LARGEST < len(refused)
    assert send(sidecar.url, taken).upsert_cnt == 16_000
    codes = []
    for url in (world.source_url, sidecar.url):
        with pytest.raises(grpc.RpcError) as told:
            send(url, refused)
        codes.append(told.value.code())
    assert codes[0] is codes[1] is grpc.StatusCode.RESOURCE_EXHAUSTED
    sidecar.drained()
    assert len(world.sides(WIDE.name).source) == 16_000
    world.sides(WIDE.name).check()
    assert psutil.Process(sidecar.pid).memory_info().rss < MEMORY


@pytest.mark.parametrize("share", [0.2, 0.9, 1.0], ids=["early", "late", "before the reply"])
def test_a_client_that_goes_away_in_mid_request_leaves_nothing_half_done(world: World, share: float) -> None:
    world.shelf(BOOKS, ROWS)
    sidecar = world.sidecar(mirror={"linger": "2s"})
    sidecar.copy()
    for version in range(2, 12):
        leave_behind(sidecar.port, "Upsert", upsert(BOOKS, range(ROWS), version), share)
    wait_until(lambda: sidecar.journal["lingering"] == 0, 10, lambda: sidecar.journal)
    sidecar.drained()
    found = world.sides(BOOKS.name)
    found.check()
    versions = {row["version"] for row in found.source.values()}
    assert versions == {1} if share < 1 else versions <= set(range(1, 12))
