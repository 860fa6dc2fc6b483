"""With a target that is gone, slow or wrong, the application's answers, errors and times are those of the source alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from statistics import median
from typing import Any, Final, TypeAlias

import pytest
from grpc import StatusCode
from pymilvus import MilvusClient, MilvusException

from tests.faults.network.ways import Place, Ways
from tests.migration.load import Load
from tests.migration.shelf import Shelf, vector
from tests.servers.moods import BLACK_HOLE, REFUSE, SLOW, Mood

Ailing: TypeAlias = Callable[[Ways], AbstractContextManager[None]]
Call: TypeAlias = Callable[[MilvusClient, Shelf], Any]
ROWS: Final = 200
ROUNDS: Final = 3
SECONDS: Final = 1.5
NOISE: Final = 1.5
"""Ratio of two medians of one run, on a busy machine."""
STEP: Final = 0.005
"""Seconds that are never more than noise."""


def network(mood: Mood) -> Ailing:
    return lambda ways: ways.failing(Place.TARGET, mood)


AILING: Final[dict[str, Ailing]] = {
    "gone": network(REFUSE),
    "slow": network(SLOW),
    "silent": network(BLACK_HOLE),
    "wrong": lambda ways: ways.wrong.answering(StatusCode.INTERNAL),
    "closed": lambda ways: ways.wrong.answering(StatusCode.PERMISSION_DENIED),
}
QUERY: Final = vector(7, 1).tolist()
CALLS: Final[dict[str, Call]] = {
    "search": lambda client, books: list(client.search(books.name, [QUERY], limit=5, output_fields=["*"])[0]),
    "filtered": lambda client, books: list(client.search(books.name, [QUERY], limit=5, filter="bucket == 3")[0]),
    "get": lambda client, books: list(client.get(books.name, [1, 2, 999_999])),
    "describe": lambda client, books: client.describe_collection(books.name),
    "upsert": lambda client, books: dict(client.upsert(books.name, [books.row(5, 2)])),
    "delete": lambda client, books: dict(client.delete(books.name, ids=[999_999])),
    "no such collection": lambda client, _: client.query("nowhere", filter="id > 1"),
    "no such field": lambda client, books: client.query(books.name, filter="colour == 3"),
    "a wrong dimension": lambda client, books: client.search(books.name, [[1.0]], limit=1),
    "half a row": lambda client, books: client.insert(books.name, [{"id": 1}]),
}


def answer(call: Call, client: MilvusClient, books: Shelf) -> Any:
    try:
        return call(client, books)
    except MilvusException as error:
        return error.code, error.message


@contextmanager
def client_of(url: str) -> Iterator[MilvusClient]:
    client = MilvusClient(uri=url)
    yield client
    client.close()


@pytest.mark.parametrize("name", AILING)
def test_answers_and_errors_are_those_of_the_source(plain: Ways, name: str) -> None:
    with plain.shelf(ROWS, mirrored=True) as books, client_of(plain.url) as client:
        plain.sidecar.drained()
        with AILING[name](plain):
            got = {kind: answer(call, client, books) for kind, call in CALLS.items()}
            expected = {kind: answer(call, plain.direct, books) for kind, call in CALLS.items()}
        plain.sidecar.drained()
    assert got == expected


@pytest.mark.alone
def test_times_are_those_with_a_healthy_target(plain: Ways) -> None:
    """One run, its conditions in turn."""
    begun: dict[str, list[tuple[float, float]]] = {}
    with plain.shelf(ROWS, mirrored=True) as books, Load(plain.url, books, ROWS) as load:
        load.work_for(1)
        for _ in range(ROUNDS):
            for name, ailing in {"healthy": network(Mood()), **AILING}.items():
                with ailing(plain):
                    start = time.monotonic()
                    load.work_for(SECONDS)
                    begun.setdefault(name, []).append((start, time.monotonic()))
        load.stop()
        plain.sidecar.drained()
        load.check(plain.sides(books.name))
    assert load.errors == []
    for kind in ("search", "upsert"):
        took = {
            name: median(c.took for c in load.calls if c.kind == kind and any(a <= c.begun < b for a, b in spans))
            for name, spans in begun.items()
        }
        assert max(took.values()) < NOISE * took["healthy"] + STEP, (kind, took)
