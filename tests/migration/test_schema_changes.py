"""Collections, aliases and partitions that change while they move, and that are made after the change of primary."""

from __future__ import annotations

import pytest
from qdrant_client.models import Distance, VectorParams

from tests.migration.judge import qdrant_rows
from tests.migration.shelf import DEFAULT, Shelf
from tests.migration.world import World

pytestmark = pytest.mark.milvus
BOOKS = Shelf("books")
OF_READS = ("recall", "tail", "latency", "errors", "violations", "reads")


def test_what_is_dropped_made_again_and_aliased_while_it_is_mirrored_arrives(world: World) -> None:
    world.shelf(BOOKS, 300)
    sidecar = world.sidecar()
    client = world.client(sidecar)
    sidecar.copy()
    client.drop_collection("books")
    again = Shelf("books", metric="L2", dim=4)
    again.create(client)
    again.fill(client, range(50), version=2)
    films = Shelf("films", partitions=("old",), alias="live")
    films.create(client)
    films.fill(client, range(60))
    client.upsert("live", [films.row(1, 7)], partition_name="old")
    films_too = Shelf("films_too")
    films_too.create(client)
    client.alter_alias("films_too", "live")
    client.upsert("live", [films_too.row(5, 5)])
    client.create_partition("films", "fresh")
    client.insert("films", [films.row(3, 9)], partition_name="fresh")
    sidecar.drained()
    for shelf in (again, films, films_too):
        world.sides(shelf.name).check()
    assert {(each.alias_name, each.collection_name) for each in world.qdrant().get_aliases().aliases} == {("live", "films_too")}
    assert sidecar.task("verify")["found"] == 0


def test_what_is_made_after_cutover_comes_to_the_source_too(world: World) -> None:
    world.shelf(BOOKS, 100)
    sidecar = world.sidecar()
    client = world.client(sidecar)
    sidecar.copy()
    sidecar.change("cutover", *OF_READS)
    films = Shelf("films", metric="IP", partitions=("old",))
    films.create(client)
    films.fill(client, range(60))
    client.delete("films", filter="bucket < 10", partition_name="old")
    client.create_alias("films", "live")
    client.upsert("live", [films.row(7, 7)], partition_name="old")
    sidecar.drained()
    found = world.sides("films")
    found.check()
    assert found.source["old", 7]["version"] == 7
    assert world.direct.describe_alias("live")["collection_name"] == "films"
    client.drop_collection("books")
    sidecar.drained()
    assert not world.direct.has_collection("books")


def test_a_rename_that_the_target_cannot_follow_is_a_debt_that_is_shown(world: World) -> None:
    world.shelf(BOOKS, 100)
    sidecar = world.sidecar()
    sidecar.copy()
    world.client(sidecar).rename_collection("books", "novels")
    sidecar.drained()
    assert "rename" in sidecar.status()["debts"]["novels"].lower()


def test_a_collection_that_stands_on_the_target_with_another_schema_stops_the_mirror_before_it_starts(world: World) -> None:
    world.shelf(BOOKS, 10)
    world.qdrant().create_collection("books", {"v": VectorParams(size=4, distance=Distance.DOT)})
    sidecar = world.sidecar()
    with pytest.raises(RuntimeError, match=r"409.*books exists on the target and differs"):
        sidecar.enter("mirror")
    assert sidecar.status()["phase"] == "passthrough"
    assert world.client(sidecar).query("books", filter="id == 1", output_fields=["version"])[0]["version"] == 1


def test_ids_that_the_source_makes_arrive_and_after_cutover_such_an_insert_is_refused_by_name(world: World) -> None:
    world.direct.create_collection("auto", 4, auto_id=True)
    sidecar = world.sidecar()
    client = world.client(sidecar)
    sidecar.copy()
    ids = client.insert("auto", [{"vector": [1.0, 2.0, 3.0, float(number)], "n": number} for number in range(20)])["ids"]
    sidecar.drained()
    rows = qdrant_rows(world.qdrant(), "auto")
    assert {name[1] for name in rows} == set(ids)
    assert {rows[DEFAULT, each]["n"] for each in ids} == set(range(20))
