"""A source that dies under load and comes back with its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.faults.network.ways import Ways
from tests.migration.load import Load
from tests.servers.sidecar import Sidecar

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

pytestmark = pytest.mark.milvus
ROWS: Final = 300


def test_a_source_that_is_killed_under_load_and_started_again_has_all_that_was_acknowledged(
    milvus: MilvusServer, tmp_path: Path
) -> None:
    with Ways(milvus.url, tmp_path, mirror={"linger": "2s"}) as world, world.shelf(ROWS, mirrored=True) as books:
        with Load(world.url, books, ROWS) as load:
            load.work_for(2)
            milvus.kill()
            milvus.start()
            load.recover()
            load.work_for(1)
        world.sidecar.drained()
        found = world.sides(books.name)
        if found.missing or found.extra or found.unequal:
            _pay(world.sidecar, books.name)
        load.check(world.sides(books.name))


def _pay(sidecar: Sidecar, collection: str) -> None:
    """A delete by filter that Milvus keeps waiting until the collection is loaded again, and then accepts, touches keys that
    could not be listed before it: the sides may differ, and it must have been said."""
    assert sidecar.status()["debts"][collection] == "the keys that a write by filter touched cannot be told"
    sidecar.task("verify")
    sidecar.task("repair")
    assert sidecar.task("verify")["found"] == 0
    assert sidecar.status()["debts"] == {}
