"""The real command under attack, while an ordinary client goes on with its work."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymilvus import MilvusClient, MilvusException

from proxy.net.limits import HEAD_TIMEOUT
from tests.faults.hostile.attacks import ATTACKS, PATIENCE
from tests.servers.facade import MilvusFacade
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar, wait_until

CALM: Final = {11}
"""ENHANCE_YOUR_CALM."""
ENDS: Final = {
    "giant frame": {6},  # FRAME_SIZE_ERROR
    "giant head": {b"431"},
    "two lengths": {b"400"},
    "a length and a coding": {b"400"},
    "a coding in disguise": {b"400"},
    "another coding": {b"400"},
    "a length that is none": {b"400"},
    "endless body": b"413",
    "unread answers": "left",
    "many large heads": "left",
}
"""Of the attacks that do not end with CALM, or after some time."""
RESETTING: Final = 6
"""Connections for each kind of reset."""
SLOW: Final = ("slow heads", "slow heads in HTTP/2", "no SETTINGS")
LEAST_IDLE: Final = 1000
MOST: Final = 150 * 2**20
"""Bytes of memory that all attacks together may cost."""


@pytest.fixture
def idle_clients() -> int:
    """As many as the sidecar takes, where this machine allows so many files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(LEAST_IDLE, min(10_000, hard - 2_000))


@pytest.fixture
def sidecar(tmp_path: Path, idle_clients: int) -> Iterator[Sidecar]:
    with MilvusFacade() as source:
        relay = {"max_connections": idle_clients}
        made = Sidecar(tmp_path / "sidecar", source.url, QdrantServer(tmp_path), relay=relay)
        made.settings["target"] = None
        with made:
            yield made


class Ordinary:
    """A client that writes and reads without pause; `errors` are those it saw."""

    def __init__(self, url: str) -> None:
        self.calls = 0
        self.errors: list[MilvusException] = []
        self._client = MilvusClient(url)
        self._client.create_collection("books", dimension=4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        self._client.close()

    def works(self) -> None:
        goal = self.calls + 10
        wait_until(lambda: self.calls >= goal, 60, lambda: f"the client stands still: {self.errors}")

    def _work(self) -> None:
        while not self._stop.wait(0.01):
            try:
                self._client.upsert("books", [{"id": self.calls, "vector": [1.0, 2.0, 3.0, 4.0]}])
                assert self._client.get("books", [self.calls])
            except MilvusException as error:
                self.errors.append(error)
            self.calls += 1


class Memory:
    """The most that the sidecar had while this was open."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self.before = self.most = sidecar.resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cost(self) -> int:
        return self.most - self.before

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.most = max(self.most, self._sidecar.resident())


@pytest.mark.slow
def test_hostile_clients_cost_bounded_memory_and_no_call_of_an_ordinary_one(sidecar: Sidecar, idle_clients: int) -> None:
    with Ordinary(sidecar.url) as client, Memory(sidecar) as memory:
        client.works()
        ends = asyncio.run(_all_at_once(sidecar.port))
        slow = {name: ends.pop(name) for name in SLOW}
        assert ends == {name: ENDS.get(name, CALM) for name in ends}
        for name, (first, last) in slow.items():
            assert HEAD_TIMEOUT - 1 <= first <= last < PATIENCE, name
        client.works()
        wait_until(lambda: _connections(sidecar) <= 3, 30, lambda: f"{_connections(sidecar)} connections are left")
        asyncio.run(_idle(sidecar, idle_clients, client))
        client.works()
    print(f"attacks cost {memory.cost / 2**20:.0f} MiB over {memory.before / 2**20:.0f} MiB; {client.calls} calls meanwhile")
    assert client.errors == []
    assert memory.cost < MOST
    sidecar.stop()


@pytest.mark.slow
def test_clients_that_reset_together_cost_an_ordinary_one_no_call(sidecar: Sidecar) -> None:
    """Each stays below what a connection may reset, or is ended for it; the source counts those of all together."""
    with Ordinary(sidecar.url) as client:
        client.works()
        for _ in range(2):
            ends = asyncio.run(_together(sidecar.port, "rapid reset", "resets that we are made to send"))
            assert ends == [CALM] * 2 * RESETTING
            client.works()
    assert client.errors == []


async def _together(port: int, *names: str) -> list[object]:
    return await asyncio.gather(*(ATTACKS[name](port) for name in names for _ in range(RESETTING)))


async def _all_at_once(port: int) -> dict[str, object]:
    ends = await asyncio.gather(*(attack(port) for attack in ATTACKS.values()))
    return dict(zip(ATTACKS, ends, strict=True))


async def _idle(sidecar: Sidecar, count: int, client: Ordinary) -> None:
    """One client more than is allowed is turned away; those that are there stay."""
    writers: list[asyncio.StreamWriter] = []
    try:
        while _connections(sidecar) < count:
            for _ in range(min(500, count - _connections(sidecar))):
                writers.append((await asyncio.open_connection("127.0.0.1", sidecar.port))[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
        writers.append(writer)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        await asyncio.to_thread(client.works)
        assert _connections(sidecar) == count
    finally:
        for writer in writers:
            writer.transport.abort()


def _connections(sidecar: Sidecar) -> int:
    for family in text_string_to_metric_families(sidecar.admin.get("/metrics").text):
        if family.name == "vecferry_connections":
            return int(sum(sample.value for sample in family.samples))
    raise AssertionError("no such metric")
