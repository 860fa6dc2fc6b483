"""Rows that Milvus takes and that are hard to move: told, parked, or kept exactly."""

from __future__ import annotations

from typing import Any

import pytest

from tests.migration.shelf import Shelf
from tests.migration.world import World
from tests.servers.sidecar import Closed, wait_until

pytestmark = pytest.mark.milvus
BOOKS = Shelf("books")
OF_READS = ("recall", "tail", "latency", "errors", "violations", "reads")


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"end": 1}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_payload_that_qdrant_cannot_store_is_parked_shown_and_holds_nothing_else_up(world: World) -> None:
    world.shelf(BOOKS, 100)
    sidecar = world.sidecar()
    sidecar.copy()
    client = world.client(sidecar)
    client.upsert("books", [BOOKS.row(1, 2) | {"tags": nested(60)}])
    client.upsert("books", [BOOKS.row(2, 2) | {"tags": nested(600)}, BOOKS.row(3, 2)])
    client.upsert("books", [BOOKS.row(4, 2)])
    sidecar.drained()
    (parked,) = sidecar.get("/v1/parked")
    assert (parked["collection"], parked["id"]) == ("books", "2")
    assert "nested more than 100 levels deep" in parked["reason"]
    found = world.sides("books")
    assert sorted(name[1] for name in found.unequal) == [1, 2], "1 is kept exactly beside its payload, 2 is parked"
    with pytest.raises(Closed) as closed:
        sidecar.change("cutover", *OF_READS, patience=1)
    assert "parked" in {gate["name"] for gate in closed.value.gates}
    sidecar.post("/v1/parked/retry", numbers=[parked["number"]])
    wait_until(lambda: len(sidecar.get("/v1/parked")) == 1, 10, lambda: sidecar.get("/v1/parked"))
    client.upsert("books", [BOOKS.row(2, 3)])
    sidecar.drained()
    assert sidecar.get("/v1/parked") == []
    sidecar.change("cutover", *OF_READS)
    assert client.get("books", ids=[1], output_fields=["tags"])[0]["tags"] == nested(60)


def test_a_parked_point_that_is_discarded_has_to_be_verified(world: World) -> None:
    world.shelf(BOOKS, 10)
    sidecar = world.sidecar()
    sidecar.copy()
    client = world.client(sidecar)
    client.upsert("books", [BOOKS.row(2, 2) | {"tags": nested(300)}])
    sidecar.drained()
    sidecar.post("/v1/parked/discard", numbers=[])
    assert sidecar.get("/v1/parked") == []
    assert "discarded" in sidecar.status()["collections"]["books"]["debt"]
    assert sidecar.task("verify")["found"] == 1


def test_ids_that_an_insert_made_twice_are_told(world: World) -> None:
    world.shelf(BOOKS, 20)
    world.direct.insert("books", [BOOKS.row(5, 2)])
    sidecar = world.sidecar()
    sidecar.enter("mirror")
    sidecar.task("backfill")
    sidecar.task("verify")
    told = sidecar.status()["collections"]["books"]
    assert not told["verified"]
    assert told["debt"].startswith("1 rows of the primary have an id that another row has too")
