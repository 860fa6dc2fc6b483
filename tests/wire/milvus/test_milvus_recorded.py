"""What each pymilvus version really sent (record.py), and the operation that each request means."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from milvus_facade import Facade
from recording import meanings, request_of

from proxy.mirror.record import Intent, decode_head, encode_head
from proxy.ports import Outcome

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_requests_keep_their_meaning(path: Path) -> None:
    rows = rows_of(path)
    assert [_sorted(text) for text in meanings(rows)] == [_sorted(row["means"]) for row in rows]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_requests_mean_the_same_when_they_come_out_of_the_journal(path: Path) -> None:
    rows = rows_of(path)
    kept = [{**row, "headers": headers_kept(row)} for row in rows]
    assert meanings(kept) == meanings(rows)


def headers_kept(row: dict[str, Any]) -> list[list[str]]:
    request = request_of(row)
    head = encode_head(Intent(1, "", "grpc", request, 0.0))
    return [[name.decode(), value.decode()] for name, value in decode_head(head, request.body).request.headers]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_requests_are_all_answered(path: Path) -> None:
    facade = Facade()

    async def answered() -> list[Outcome]:
        requests = [request_of(row) for row in rows_of(path)]
        return [facade.frontend.outcome(request, await facade.reply(request)) for request in requests]

    assert set(asyncio.run(answered())) == {Outcome.ACCEPTED}


def test_every_client_version_sends_the_same_writes() -> None:
    assert len(RECORDED) == 4
    writes = [
        [_sorted(r["means"]) for r in rows_of(path) if r["means"].startswith(("Insert", "Upsert", "Delete"))]
        for path in RECORDED
    ]
    assert all(each == writes[0] for each in writes)


def _sorted(text: str) -> list[str]:
    """Sets have no order in their text."""
    return sorted(text.replace("(", " ").replace(")", " ").replace("{", " ").replace("}", " ").replace(",", " ").split())
