"""The real command over its life: stopped, replaced, killed, edited while a client works; what it tells and what it hides."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Self

import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from pymilvus import MilvusClient, MilvusException

from proxy.telemetry.metrics import REGISTRY
from tests.servers.facade import MilvusFacade
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar, wait_until

TOKEN = "root:wi11ow-rustle"
KEY = "k3y-of-target"
ADMIN = "adm1n-token"
PAYLOAD = "a text that belongs to the application"
FAR = 1000
"""An id that no search finds among its nearest."""
OPEN_GATES = {"min_samples": 1, "recall": 0.1, "tail_share": 1.0, "latency_ratio": 1e6, "journal_lag": 60}

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MilvusFacade, QdrantServer]]:
    with MilvusFacade(token=TOKEN) as source, QdrantServer(tmp_path_factory.mktemp("qdrant"), api_key=KEY) as target:
        yield source, target


@pytest.fixture
def sides(servers: tuple[MilvusFacade, QdrantServer]) -> Iterator[tuple[MilvusFacade, QdrantServer]]:
    """Empty."""
    yield servers
    source, target = servers
    with closing(MilvusClient(source.url, token=TOKEN)) as client:
        for name in client.list_collections():
            client.drop_collection(name)
    target.clear()


@pytest.fixture
def sidecar(sides: tuple[MilvusFacade, QdrantServer], tmp_path: Path) -> Iterator[Sidecar]:
    """In phase mirror, over the collection `books`, which is on both sides."""
    source, target = sides
    made = Sidecar(
        tmp_path / "sidecar",
        source.url,
        target,
        routing={"phase": "mirror", "shadow": 1.0},
        gates=OPEN_GATES,
        telemetry={"log_format": "json", "log_level": "debug"},
    )
    made.settings["source"]["token"] = TOKEN
    made.settings["target"]["api_key"] = KEY
    made.settings["admin"]["token"] = ADMIN
    made.admin.headers["authorization"] = f"Bearer {ADMIN}"
    with made:
        client = MilvusClient(made.url, token=TOKEN)
        client.create_collection("books", dimension=4)
        client.close()
        made.drained()
        yield made


class Application:
    """Writes, searches and reads without pause; `errors` are those it saw."""

    def __init__(self, url: str) -> None:
        self.calls = 0
        self.errors: list[MilvusException] = []
        self._client = MilvusClient(url, token=TOKEN)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        self.works()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        self._client.close()

    def works(self) -> None:
        """Returns when some more calls were answered."""
        goal = self.calls + 10
        wait_until(lambda: self.calls >= goal, 30, lambda: f"the application stands still: {self.errors}")

    def _work(self) -> None:
        while not self._stop.is_set():
            n = self.calls % 100
            try:
                self._client.upsert("books", [{"id": n, "vector": [float(n), 1.0, 2.0, 3.0], "text": PAYLOAD}])
                self._client.search("books", [[1.0, 1.0, 2.0, 3.0]], limit=3)
                self._client.query("books", filter=f"id == {n}")
                if n % 10 == 0:
                    self._client.upsert("books", [{"id": FAR, "vector": [-1.0, -1.0, -2.0, -3.0], "text": PAYLOAD}])
                    self._client.delete("books", filter=f"id >= {FAR}")
            except MilvusException as error:
                self.errors.append(error)
                time.sleep(0.05)
            self.calls += 1


def test_a_takeover_under_load_is_seen_by_nobody(sidecar: Sidecar) -> None:
    """By one that has workers; then by another, from them."""
    sidecar.settings |= {"workers": 2, "mirror": {"linger": "2s"}}
    with Application(sidecar.url) as application:
        for _ in range(2):
            before = {sidecar.pid, *(worker["pid"] for worker in sidecar.status()["workers"])}
            sidecar.take_over()
            application.works()
            assert not any(map(psutil.pid_exists, before))
        assert len(sidecar.status()["workers"]) == 2
        assert application.errors == []
    sidecar.drained()
    sidecar.task("verify")
    assert sidecar.status()["collections"]["books"]["verified"]


def test_a_stop_under_load_finishes_what_is_under_way(sidecar: Sidecar) -> None:
    with Application(sidecar.url) as application:
        sidecar.stop()
        wait_until(lambda: bool(application.errors), 30, lambda: "the application saw no end")
    # Nobody listens any more, which is the only thing that may be told.
    assert all("onnect" in str(error) for error in application.errors), application.errors


@pytest.mark.parametrize("phase", ["mirror", "shadow", "canary", "cutover", "complete"])
def test_a_kill_comes_back_to_the_same_phase(sidecar: Sidecar, phase: str) -> None:
    with Application(sidecar.url) as application:
        enter(sidecar, phase)
        application.works()
        before = {name: sidecar.status()[name] for name in ("phase", "epoch", "primary")}
        assert before["phase"] == phase
        sidecar.kill()
        sidecar.start()
        assert {name: sidecar.status()[name] for name in before} == before
        application.works()


def enter(sidecar: Sidecar, phase: str) -> None:
    if phase in ("mirror", "shadow", "canary"):
        sidecar.enter(phase)
        return
    sidecar.enter("shadow")
    sidecar.task("verify")
    sidecar.change("cutover")
    if phase == "complete":
        sidecar.enter("complete")


def test_an_edit_of_the_file_is_followed(sidecar: Sidecar) -> None:
    def edited(**groups: dict[str, Any]) -> None:
        for group, keys in groups.items():
            sidecar.settings[group] = sidecar.settings.get(group, {}) | keys
        sidecar._file.write_text(json.dumps(sidecar.settings))

    def says(text: str) -> None:
        wait_until(lambda: text in sidecar.status()["config_error"], 10, lambda: sidecar.status()["config_error"])

    edited(routing={"phase": "canary", "canary": 0.5})
    wait_until(lambda: sidecar.status()["phase"] == "canary", 10, lambda: sidecar.log)
    edited(routing={"canari": 0.5})
    says("routing.canari: unknown key; did you mean canary?")
    del sidecar.settings["routing"]["canari"]
    edited(cutover={"max_hold": "1s"})
    says("needs a restart: cutover.max_hold")


def test_metrics_and_logs_hold_what_is_declared_and_nothing_secret(sidecar: Sidecar) -> None:
    with Application(sidecar.url) as application:
        enter(sidecar, "canary")
        application.works()
        sidecar.task("verify")
        sidecar.change("cutover")
        application.works()
    parsed = {family.name for family in text_string_to_metric_families(sidecar.admin.get("/metrics").text)}
    assert {family.name for family in REGISTRY.collect()} <= parsed
    sidecar.stop()
    lines = [json.loads(line) for line in sidecar.log.splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    for secret in (TOKEN, TOKEN.partition(":")[2], KEY, ADMIN):
        assert secret not in sidecar.log
        assert [path for path in sidecar.state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()] == []
    assert PAYLOAD not in sidecar.log


class Collector:
    """An OTLP receiver: the names of the spans that came."""

    def __init__(self) -> None:
        self.spans: set[str] = set()
        spans = self.spans

        class Receive(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    spans.update(span.name for scope in resource.scope_spans for span in scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Receive)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_traces_reach_the_collector(sidecar: Sidecar) -> None:
    sidecar.stop()
    with Collector() as collector:
        sidecar.settings["telemetry"] |= {"otlp_endpoint": collector.url, "trace_share": 1.0}
        sidecar.start()
        with Application(sidecar.url) as application:
            sidecar.task("backfill")
            enter(sidecar, "cutover")
            application.works()
        sidecar.stop()
        wanted = {"Upsert", "Search", "Query", "mirror", "settle", "backfill page", "change of primary"}
        assert wanted <= collector.spans, collector.spans


def test_a_collector_that_is_away_delays_no_stop(sidecar: Sidecar) -> None:
    sidecar.stop()
    sidecar.settings["telemetry"] |= {"otlp_endpoint": "http://127.0.0.1:1", "trace_share": 1.0}
    sidecar.start()
    with Application(sidecar.url) as application:
        assert application.errors == []
    sidecar.stop()
