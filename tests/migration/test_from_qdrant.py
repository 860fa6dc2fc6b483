"""Live Qdrant applications, REST and gRPC at once, move to Milvus and to another Qdrant, on real servers and under load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymilvus import MilvusClient

from demo.compare import ROWS
from tests.migration.qdrant_load import NAME, QdrantLoad, create, equal
from tests.migration.test_odd_data import OF_READS
from tests.migration.world import EASY
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import QdrantSidecar, Server

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

pytestmark = [pytest.mark.milvus, pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")]
NUMBERS = 400
SHARES = {"shadow": 0.5, "canary": 0.3}


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path / "source") as server:
        client = server.client(prefer_grpc=False)
        create(client, range(NUMBERS))
        client.close()
        yield server


@pytest.fixture(params=["milvus", "qdrant"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with ExitStack() as stack:
        if request.param == "milvus":
            server: MilvusServer = request.getfixturevalue("milvus")
            stack.callback(_clear, server.url)
            _clear(server.url)
            yield server
        else:
            yield stack.enter_context(QdrantServer(tmp_path / "target", api_key="of-the-target"))


def _clear(url: str) -> None:
    client = MilvusClient(uri=url)
    for name in client.list_collections():
        client.drop_collection(name)
    client.close()


def sidecar_of(qdrant: QdrantServer, target: Server, folder: Path, **settings: Any) -> QdrantSidecar:
    return QdrantSidecar(folder / "sidecar", qdrant, target, routing=SHARES, gates=EASY, **settings)


def test_a_live_application_moves_there_and_back_and_there_without_an_error(
    qdrant: QdrantServer, target: Server, tmp_path: Path
) -> None:
    with sidecar_of(qdrant, target, tmp_path) as sidecar, QdrantLoad(sidecar.url, sidecar.grpc_port, NUMBERS) as load:
        load.work_for(1)
        sidecar.copy()
        sidecar.enter("shadow")
        sidecar.enter("canary")
        load.work_for(2)
        sidecar.change("cutover", *OF_READS)
        load.work_for(2)
        sidecar.change("rollback")
        load.work_for(1)
        sidecar.change("cutover", *OF_READS)
        load.work_for(1)
        load.stop()
        assert load.errors == [], sidecar.log[-3000:]
        sidecar.drained()
        check(load, qdrant, target)


def test_a_sidecar_that_is_killed_under_load_loses_nothing(qdrant: QdrantServer, target: Server, tmp_path: Path) -> None:
    made = sidecar_of(qdrant, target, tmp_path, mirror={"linger": "2s"})
    with made as sidecar, QdrantLoad(sidecar.url, sidecar.grpc_port, NUMBERS) as load:
        sidecar.copy()
        load.work_for(1.5)
        sidecar.kill()
        sidecar.start()
        load.recover()
        load.stop()
        sidecar.drained()
        if sidecar.status()["debts"]:  # a delete by filter in flight: nobody can tell what was beside it
            sidecar.task("verify")
            sidecar.task("repair")
            sidecar.drained()
        check(load, qdrant, target)


def check(load: QdrantLoad, qdrant: QdrantServer, target: Server) -> None:
    sides = [ROWS[side["product"]](side["url"], NAME, side.get("api_key")) for side in (qdrant.settings, target.settings)]
    ours, theirs = sides
    assert ours, "nothing was compared"
    assert ours.keys() == theirs.keys()
    unequal = {key: (ours[key], theirs[key]) for key in ours if not equal(ours[key], theirs[key])}
    assert not unequal, f"{len(unequal)} of {len(ours)} points differ: {list(unequal.items())[:3]}"
    assert not load.books.wrong(ours)
