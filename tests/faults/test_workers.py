"""The real command with `workers: 2` under load: a worker hangs, is killed, the core is killed. A takeover: test_life.py."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from pymilvus import MilvusClient

from tests.faults.test_life import OPEN_GATES, Application, Collector
from tests.servers.facade import MilvusFacade
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Closed, Sidecar, wait_until

TOKEN = "root:wi11ow-rustle"
UNSEEN = ("recall", "tail", "latency", "violations", "errors")
"""Gates that wait for shadow reads."""
GET_VERSION = "/milvus.proto.milvus.MilvusService/GetVersion"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Sidecar]:
    """In phase mirror, over the verified collection `books`."""
    folder = tmp_path_factory.mktemp("workers")
    with MilvusFacade(token=TOKEN) as source, QdrantServer(folder / "qdrant") as target:
        made = Sidecar(folder / "sidecar", source.url, target, routing={"phase": "mirror"}, gates=OPEN_GATES, workers=2)
        made.settings["source"]["token"] = TOKEN
        made.settings["mirror"] = {"linger": "500ms"}
        made.settings["telemetry"] |= {"otlp_endpoint": collector.url, "trace_share": 1.0}
        with made:
            client = MilvusClient(made.url, token=TOKEN)
            client.create_collection("books", dimension=4)
            client.close()
            made.drained()
            made.task("verify")
            yield made


def pids(sidecar: Sidecar) -> list[int]:
    return [worker["pid"] for worker in sidecar.status()["workers"]]


def both_sides_are_equal(sidecar: Sidecar) -> None:
    sidecar.drained()
    assert sidecar.task("verify")["found"] == 0
    assert sidecar.status()["collections"]["books"]["verified"]


def test_the_admin_api_speaks_for_all(sidecar: Sidecar) -> None:
    before = sum(worker["connections"] for worker in sidecar.status()["workers"])
    # Of channels to one address gRPC makes one connection, unless told otherwise.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(sidecar.url.removeprefix("http://"), options) for _ in range(6)]
    for channel in channels:
        for _ in range(5):
            channel.unary_unary(GET_VERSION)(b"", metadata=(("authorization", base64.b64encode(TOKEN.encode())),))
    wait_until(lambda: count(sidecar, "GetVersion") == 30, 10, lambda: sidecar.get("/v1/assess"))
    workers = sidecar.status()["workers"]
    assert len({worker["pid"] for worker in workers} | {sidecar.pid}) == 3
    assert sum(worker["connections"] for worker in workers) == before + 6
    metrics = sidecar.admin.get("/metrics").text.splitlines()
    assert {f'vecferry_connections{{role="grpc"}} {before + 6}.0', "vecferry_workers 2.0"} <= set(metrics)
    assert 'vecferry_requests_total{action="relay",call="GetVersion"} 30.0' in metrics
    for channel in channels:
        channel.close()


def test_calls_that_a_worker_relays_by_itself_are_traced_there(sidecar: Sidecar, collector: Collector) -> None:
    with grpc.insecure_channel(sidecar.url.removeprefix("http://")) as channel:
        channel.unary_unary(GET_VERSION)(b"", metadata=(("authorization", base64.b64encode(TOKEN.encode())),))
    wait_until(lambda: "GetVersion" in collector.spans, 30, lambda: collector.spans)


def count(sidecar: Sidecar, call: str) -> int:
    return sum(seen["count"] for seen in sidecar.get("/v1/assess")["calls"] if seen["call"] == call)


def test_a_worker_that_hangs_calls_a_cutover_off(sidecar: Sidecar) -> None:
    hanging = pids(sidecar)[0]
    os.kill(hanging, signal.SIGSTOP)
    try:
        with pytest.raises(Closed, match=rf"pid {hanging} did not acknowledge .* nothing has changed"):
            sidecar.change("cutover", *UNSEEN, patience=0)
        wait_until(lambda: sidecar.admin.get("/readyz").status_code == 503, 10, sidecar.status)
    finally:
        os.kill(hanging, signal.SIGCONT)
    assert (sidecar.status()["phase"], sidecar.status()["epoch"]) == ("mirror", 1)
    wait_until(lambda: sidecar.admin.get("/readyz").is_success, 10, sidecar.status)


def test_a_worker_that_is_killed_comes_back_and_what_was_acknowledged_is_mirrored(sidecar: Sidecar) -> None:
    with Application(sidecar.url) as application:
        for pid in pids(sidecar):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not sidecar.admin.get("/readyz").is_success, 10, sidecar.status)
        wait_until(lambda: sidecar.admin.get("/readyz").is_success, 30, lambda: sidecar.log[-3000:])
        assert [worker["restarts"] for worker in sidecar.status()["workers"]] == [1, 1]
        application.works()
    both_sides_are_equal(sidecar)


def test_a_core_that_is_killed_takes_its_workers_along(sidecar: Sidecar) -> None:
    with Application(sidecar.url) as application:
        before = pids(sidecar)
        sidecar.kill()
        wait_until(lambda: not any(map(psutil.pid_exists, before)), 5, lambda: before)
        assert len(sockets(sidecar)) == 2
        sidecar.start()
        assert len(sockets(sidecar)) == 2
        application.works()
    both_sides_are_equal(sidecar)


def test_a_stop_under_load_finishes_what_is_under_way(sidecar: Sidecar) -> None:
    with Application(sidecar.url) as application:
        before = pids(sidecar)
        sidecar.stop()
        wait_until(lambda: bool(application.errors), 30, lambda: "the application saw no end")
    # Nobody listens any more, which is the only thing that may be told.
    assert all("onnect" in str(error) for error in application.errors), application.errors
    assert not any(map(psutil.pid_exists, before))
    assert sockets(sidecar) == []


def sockets(sidecar: Sidecar) -> list[Path]:
    return list(sidecar.state.glob("*.sock"))
