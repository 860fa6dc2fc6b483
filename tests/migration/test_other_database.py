"""A collection in a database of Milvus that is not the default one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from pymilvus import MilvusClient

from tests.migration.judge import Sides, milvus_rows, qdrant_rows
from tests.migration.shelf import Shelf
from tests.migration.test_odd_data import OF_READS
from tests.migration.world import World

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

pytestmark = pytest.mark.milvus
BOOKS = Shelf("books")


@pytest.fixture
def team(milvus: MilvusServer, source: MilvusClient) -> Iterator[MilvusClient]:
    source.create_database("team")
    client = MilvusClient(uri=milvus.url, db_name="team")
    try:
        yield client
    finally:
        client.drop_collection("books")
        client.close()
        source.drop_database("team")


def test_it_moves_under_both_names_and_answers_there(world: World, team: MilvusClient) -> None:
    BOOKS.create(team)
    BOOKS.fill(team, range(50))
    sidecar = world.sidecar()
    sidecar.copy()
    with_database = MilvusClient(uri=sidecar.url, db_name="team")
    with_database.upsert("books", [BOOKS.row(3, 2)])
    sidecar.change("cutover", *OF_READS)
    with_database.upsert("books", [BOOKS.row(4, 2)])
    assert [row["version"] for row in with_database.get("books", ids=[2, 3, 4])] == [1, 2, 2]
    assert world.client(sidecar).list_collections() == []
    with_database.close()
    sidecar.drained()
    found = Sides(milvus_rows(team, "books"), qdrant_rows(world.qdrant(), "team%2Fbooks"), by_direction=True)
    found.check()
    assert len(found.source) == 50
