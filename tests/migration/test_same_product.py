"""From one Milvus to another that knows other credentials: the client's bytes go to either, ours show at the target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pymilvus import MilvusClient

from tests.migration.judge import Sides, milvus_rows
from tests.migration.load import Load
from tests.migration.shelf import Shelf
from tests.migration.world import EASY
from tests.servers.sidecar import Sidecar

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

pytestmark = pytest.mark.milvus
ROWS = 300


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[MilvusServer]:
    from servers.milvus import MilvusServer

    with MilvusServer(tmp_path / "target", authorization=True) as server:
        yield server


def test_a_live_application_moves_to_another_milvus_and_back_without_an_error(
    milvus: MilvusServer, source: MilvusClient, guarded: MilvusServer, tmp_path: Path
) -> None:
    shelf = Shelf("plain", metric="COSINE")
    shelf.create(source)
    shelf.fill(source, range(ROWS))
    direct = MilvusClient(uri=guarded.url, token="root:Milvus")
    routing = {"shadow": 1.0, "canary": 0.5}
    with (
        Sidecar(tmp_path / "sidecar", milvus.url, guarded, routing=routing, gates=EASY) as sidecar,
        Load(sidecar.url, shelf, ROWS) as load,
    ):
        sidecar.copy()
        client = MilvusClient(uri=sidecar.url)
        client.list_users()  # no meaning in our model, but Milvus knows it on either side
        sidecar.enter("canary")
        load.work_for(3)
        guarded.kill()
        load.work_for(2)
        guarded.start()
        load.work_for(1)
        sidecar.change("cutover", "errors:plain")  # of the shadow reads, while it was gone
        assert client.list_users() == ["root"]  # the target's answer, with our token
        load.work_for(1)
        sidecar.change("rollback")
        load.work_for(1)
        load.stop()
        client.close()
        sidecar.drained()
        assert load.errors == []
        assert sidecar.get("/v1/assess")["unanswerable"] == {}
        load.check(Sides(milvus_rows(source, shelf.name), milvus_rows(direct, shelf.name), by_direction=False))
    direct.close()
