"""A source that dies under load and comes back with its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.faults.network.ways import Ways
from tests.migration.load import Load

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

pytestmark = pytest.mark.milvus
ROWS: Final = 300


def test_a_source_that_is_killed_under_load_and_started_again_has_all_that_was_acknowledged(
    milvus: MilvusServer, tmp_path: Path
) -> None:
    # What Milvus had in its log when it died, it executes some time after it is back: until then a linger must last.
    with Ways(milvus.url, tmp_path, mirror={"linger": "30s"}) as world, world.shelf(ROWS, mirrored=True) as books:
        with Load(world.url, books, ROWS) as load:
            load.work_for(2)
            milvus.kill()
            milvus.start()
            load.recover()
            load.work_for(1)
        world.sidecar.drained(patience=150)
        load.check(world.sides(books.name))
