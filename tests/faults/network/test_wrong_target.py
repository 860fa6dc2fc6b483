"""A target that answers every call with an error: the application notices nothing, its writes are kept, status says why."""

from __future__ import annotations

import os
from typing import Final

import grpc
import pytest
from grpc import StatusCode

from tests.faults.network.ways import Ways
from tests.migration.load import Load
from tests.servers.sidecar import wait_until
from tests.servers.wrong_grpc import WORDS

ROWS: Final = 100
TELLING: Final = (StatusCode.UNIMPLEMENTED, StatusCode.PERMISSION_DENIED, StatusCode.INTERNAL)
OTHERS: Final = (StatusCode.UNAUTHENTICATED, StatusCode.UNKNOWN, StatusCode.RESOURCE_EXHAUSTED, StatusCode.ABORTED)
OF_NO_POINT: Final = TELLING + OTHERS if os.environ.get("VECFERRY_NIGHTLY") else TELLING
"""When they pass, nothing is left of them."""


@pytest.mark.parametrize("code", OF_NO_POINT, ids=lambda code: code.name.lower())
def test_a_wrong_target_is_waited_for(plain: Ways, code: grpc.StatusCode) -> None:
    with plain.shelf(ROWS, mirrored=True) as books:
        plain.sidecar.drained()
        with Load(plain.url, books, ROWS) as load, plain.wrong.answering(code):
            wait_until(lambda: WORDS in plain.sidecar.journal["last_error"], 30, lambda: plain.sidecar.journal)
            load.work_for(1)
            kept = plain.sidecar.journal
        plain.sidecar.drained()
        assert load.errors == []
        assert kept["entries"] + kept["dirty_keys"] > 0
        assert plain.sidecar.journal["parked"] == 0
        assert plain.sidecar.status()["debts"] == {}
        load.check(plain.sides(books.name))


def test_what_a_target_refuses_of_the_points_is_parked_until_it_is_tried_again(plain: Ways) -> None:
    with plain.shelf(ROWS, mirrored=True) as books:
        plain.sidecar.drained()
        with Load(plain.url, books, ROWS) as load, plain.wrong.answering(StatusCode.INVALID_ARGUMENT):
            load.work_for(1)
            wait_until(lambda: plain.sidecar.journal["parked"] > 0, 30, lambda: plain.sidecar.journal)
        plain.sidecar.drained()
        assert load.errors == []
        parked = plain.sidecar.get("/v1/parked")
        assert parked
        assert all(WORDS in item["reason"] for item in parked)
        plain.sidecar.post("/v1/parked/retry")
        plain.sidecar.drained()
        assert plain.sidecar.get("/v1/parked") == []
        load.check(plain.sides(books.name))


def test_a_target_that_knows_the_collection_no_more_leaves_a_debt_that_verify_pays(plain: Ways) -> None:
    with plain.shelf(ROWS, mirrored=True) as books:
        plain.sidecar.drained()
        with Load(plain.url, books, ROWS) as load, plain.wrong.answering(StatusCode.NOT_FOUND):
            load.work_for(1)
        plain.sidecar.drained()
        assert load.errors == []
        assert any(WORDS in why for why in plain.sidecar.status()["debts"].values())
        plain.sidecar.task("verify")
        plain.sidecar.task("repair")
        assert plain.sidecar.task("verify")["found"] == 0
        assert plain.sidecar.status()["debts"] == {}
        load.check(plain.sides(books.name))
