"""A journal at its limit while the target is away, in both policies, as an application and an operator see it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from tests.faults.network.ways import Place, Ways
from tests.migration.load import Load
from tests.migration.raw import send, upsert
from tests.servers.facade import MilvusFacade
from tests.servers.moods import REFUSE
from tests.servers.sidecar import wait_until

ROWS: Final = 100
LIMITS: Final = {"entries": {"max_entries": 10}, "bytes": {"max_bytes": 20_000}}
CHOSEN: Final = LIMITS if os.environ.get("VECFERRY_NIGHTLY") else {"entries": LIMITS["entries"]}


def ways(source: MilvusFacade, folder: Path, **journal: Any) -> Ways:
    return Ways(source.url, folder, mirror={"linger": "1s", "retry_max": "1s"}, journal=journal)


@pytest.mark.parametrize("limit", CHOSEN.values(), ids=CHOSEN)
def test_a_full_journal_that_blocks_refuses_writes_lets_reads_through_and_loses_nothing(
    tmp_path: Path, limit: dict[str, int]
) -> None:
    with (
        MilvusFacade() as source,
        ways(source, tmp_path, when_full="block", block_timeout="500ms", **limit) as world,
        world.shelf(ROWS, mirrored=True) as books,
    ):
        world.sidecar.drained()
        with Load(world.url, books, ROWS) as load:
            with world.failing(Place.TARGET, REFUSE):
                wait_until(lambda: _is_full(world, limit), 30, lambda: world.sidecar.journal)
                with pytest.raises(grpc.RpcError) as told:
                    send(world.url, upsert(books, range(ROWS, ROWS + 5), 2))
                reads = len(load.took("search"))
                load.work_for(1)
                assert len(load.took("search")) > reads
            load.recover()
        assert told.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "the journal had no room for this write within 0.5 s" in told.value.details()
        assert {call.kind for call in load.errors} <= {"upsert", "delete", "delete by filter"}
        world.sidecar.drained()
        assert world.sidecar.status()["debts"] == {}
        found = world.sides(books.name)
        load.check(found)
        assert ("_default", ROWS) not in found.source


def _is_full(world: Ways, limit: dict[str, int]) -> bool:
    journal = world.sidecar.journal
    return bool(journal["entries"] >= limit.get("max_entries", 10**9) or journal["bytes"] >= limit.get("max_bytes", 10**9))


@pytest.mark.parametrize("limit", CHOSEN.values(), ids=CHOSEN)
def test_a_full_journal_that_sheds_owes_what_it_did_not_keep_until_verify_and_repair(
    tmp_path: Path, limit: dict[str, int]
) -> None:
    with (
        MilvusFacade() as source,
        ways(source, tmp_path, when_full="shed", **limit) as world,
        world.shelf(ROWS, mirrored=True) as books,
    ):
        world.sidecar.drained()
        world.sidecar.task("verify")
        with Load(world.url, books, ROWS) as load, world.failing(Place.TARGET, REFUSE):
            wait_until(lambda: _is_full(world, limit), 30, lambda: world.sidecar.journal)
            load.work_for(1)
        assert load.errors == []
        world.sidecar.drained()
        if "max_entries" in limit:
            assert "the journal was full" in world.sidecar.status()["debts"][books.name]
            assert not world.sidecar.status()["collections"][books.name]["verified"]
            assert world.sidecar.task("verify")["found"] > 0
            world.sidecar.task("repair")
        assert world.sidecar.task("verify")["found"] == 0
        assert world.sidecar.status()["debts"] == {}
        load.check(world.sides(books.name))
