"""The real command: what stops its start, in one line that names the key, and what it survives."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from pymilvus import MilvusClient

from tests.servers.facade import MilvusFacade
from tests.servers.process import dying_with_parent
from tests.servers.qdrant import QdrantServer

VECFERRY = str(Path(sys.executable).parent / "vecferry")
TOKEN = "root:wi11ow-rustle"


@pytest.fixture(scope="module")
def source() -> Iterator[MilvusFacade]:
    with MilvusFacade(token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant"), api_key="k3y-of-target") as server:
        yield server


@pytest.fixture
def settings(source: MilvusFacade, target: QdrantServer, tmp_path: Path) -> dict[str, Any]:
    """Of a sidecar that starts."""
    return {
        "source": {"product": "milvus", "url": source.url, "token": TOKEN},
        "target": {"product": "qdrant", "url": target.url, "grpc_url": target.grpc_url, "api_key": target.api_key},
        "listen": {"grpc": f"127.0.0.1:{free_port()}"},
        "admin": {"address": f"127.0.0.1:{free_port()}"},
        "state": str(tmp_path / "state"),
        "routing": {"phase": "mirror"},
        "relay": {"bridge": "200ms"},
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start(tmp_path: Path, settings: dict[str, Any]) -> subprocess.Popen[str]:
    file = tmp_path / "vecferry.yaml"
    file.write_text(json.dumps(settings))
    command = [VECFERRY, "run", "--config", str(file)]
    return subprocess.Popen(dying_with_parent(command), stderr=subprocess.PIPE, text=True)


def failed_start(tmp_path: Path, settings: dict[str, Any]) -> tuple[int, str]:
    """Exit code and the last line; the others are the log, in JSON."""
    process = start(tmp_path, settings)
    _, output = process.communicate(timeout=60)
    assert "Traceback" not in output
    *log, last = output.strip().splitlines()
    assert all(json.loads(line) for line in log)
    return process.returncode, last


@contextmanager
def _stranger() -> Iterator[str]:
    """A web server that is no database, and knows no page."""
    with HTTPServer(("127.0.0.1", 0), _Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _Quiet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None: ...


def with_(settings: dict[str, Any], group: str, **keys: Any) -> dict[str, Any]:
    return settings | {group: settings[group] | keys}


@pytest.mark.parametrize("place", ["source", "target"])
def test_a_rest_address_that_is_not_qdrants_stops_the_start_though_grpc_answers(
    target: QdrantServer, settings: dict[str, Any], tmp_path: Path, place: str
) -> None:
    other = QdrantServer(tmp_path / "other", api_key="k3y-of-target")
    with other, _stranger() as url:
        sides = {"source": target.settings, "target": other.settings}
        sides[place] = sides[place] | {"url": url}
        code, last = failed_start(tmp_path, settings | sides | {"listen": {"rest": f"127.0.0.1:{free_port()}"}})
    assert code == 2
    assert f"{place}: {url} is not qdrant: GET / was answered with 404" in last


def ready(process: subprocess.Popen[str]) -> str:
    """What it logged until then."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if '"message":"ready"' in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def end(process: subprocess.Popen[str]) -> str:
    """By SIGTERM; what it said since."""
    process.terminate()
    _, output = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    return output


WRONG = {
    "no such host": (("source", {"url": "http://no-such-host.invalid:19530"}), "source.url", "no such host"),
    "nothing listens": (("source", {"url": "http://127.0.0.1:1"}), "source.url", "nothing listens there"),
    "wrong password": (("source", {"token": "root:wrong"}), "source", "check `token`"),
    "wrong key of the target": (("target", {"api_key": "wrong"}), "target", "api_key"),
    "a secret that is not there": (("source", {"token": {"env": "NO_SUCH"}}), "source.token", "NO_SUCH is not set"),
    "a secret that cannot be read": (("source", {"token": {"file": "/no/such"}}), "source.token", "cannot read the file"),
    "an unknown key": (("routing", {"fase": "mirror"}), "routing.fase", "did you mean phase?"),
    "a role that the product has not": (("listen", {"rest": "127.0.0.1:0"}), "listen.rest", "milvus has the roles grpc"),
    "an address without a port": (("admin", {"address": "localhost"}), "admin.address", "must be host:port"),
    "a port that there is not": (("listen", {"grpc": "127.0.0.1:99999"}), "listen.grpc", "must be host:port"),
    "an interface that is not ours": (("listen", {"grpc": "192.0.2.1:1"}), "listen.grpc", "cannot listen on"),
    "a phase that needs gates": (("routing", {"phase": "cutover"}), "routing", "vecferry cutover"),
    "a product that is not ready": (("source", {"product": "weaviate"}), "routing.phase", "can only be relayed yet"),
}


@pytest.mark.parametrize(("edit", "key", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_stops_the_start_with_one_line(tmp_path, settings, edit, key, says) -> None:
    group, keys = edit
    code, line = failed_start(tmp_path, with_(settings, group, **keys))
    assert code == 2
    assert line.startswith((f"vecferry: {key}: ", f"vecferry: {key}.")), line
    assert says in line


def test_another_product_behind_the_url_is_told(tmp_path, settings, source, target) -> None:
    code, line = failed_start(tmp_path, with_(settings, "source", url=target.grpc_url))
    assert (code, line.startswith("vecferry: source")) == (2, True), line
    assert "is it Milvus" in line
    with MilvusFacade() as open_to_all:
        code, line = failed_start(tmp_path, with_(settings, "target", grpc_url=open_to_all.url))
    assert (code, line.startswith("vecferry: target")) == (2, True), line
    assert "not Qdrant" in line


def test_a_version_that_is_too_old_is_told(tmp_path, settings) -> None:
    with MilvusFacade(version="v2.2.16") as old:
        code, line = failed_start(tmp_path, with_(settings, "source", url=old.url))
    assert code == 2
    assert "version v2.2.16: 2.3 or later is needed" in line


def test_tls_where_there_is_none_is_told(tmp_path, settings, source) -> None:
    code, line = failed_start(tmp_path, with_(settings, "source", url=source.url.replace("http", "https")))
    assert code == 2
    assert "use http://" in line


def test_a_certificate_that_does_not_fit_is_told(tmp_path, settings) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = {"cert_file": str(tmp_path / "ca.pem"), "key_file": str(tmp_path / "ca.pem")}
    code, line = failed_start(tmp_path, settings | {"listen_tls": tls})
    assert (code, line.startswith("vecferry: listen_tls.cert_file: ")) == (2, True), line


@pytest.mark.parametrize("key", ["listen.grpc", "admin.address"])
def test_a_port_in_use_is_told(tmp_path, settings, key) -> None:
    group, name = key.split(".")
    with socket.create_server(("127.0.0.1", int(settings[group][name].rpartition(":")[2]))):
        code, line = failed_start(tmp_path, settings)
    assert code == 2
    assert line.startswith(f"vecferry: {key}: cannot listen on {settings[group][name]}"), line


def test_a_target_that_holds_another_collection_of_that_name_is_told(tmp_path, settings, target) -> None:
    with MilvusFacade() as source:
        client = MilvusClient(source.url)
        client.create_collection("taken", dimension=4)
        client.close()
        put = {"vectors": {"size": 7, "distance": "Dot"}}
        httpx.put(f"{target.url}/collections/taken", json=put, headers={"api-key": target.api_key}).raise_for_status()
        code, line = failed_start(tmp_path, with_(settings, "source", url=source.url))
    assert code == 2
    assert line.startswith("vecferry: target: ")
    assert "taken" in line


def test_the_state_of_another_migration_and_a_second_process_are_told(tmp_path, settings, source) -> None:
    process = start(tmp_path, settings)
    ready(process)
    other = settings | {"listen": {"grpc": f"127.0.0.1:{free_port()}"}}
    assert failed_start(tmp_path, other) == (4, _locked(settings, process.pid))
    end(process)
    code, line = failed_start(tmp_path, with_(settings, "target", url="http://127.0.0.1:1"))
    assert code == 4
    assert "belongs to the migration milvus" in line


def _locked(settings: dict[str, Any], pid: int) -> str:
    return (
        f"vecferry: the state directory {settings['state']} is in use by process {pid}; stop it first, "
        "or give this one another `state`"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_waits_can_be_stopped(tmp_path, settings, number) -> None:
    settings = with_(settings, "relay", bridge="60s") | {"source": settings["source"] | {"url": "http://127.0.0.1:1"}}
    process = start(tmp_path, settings)
    assert process.stderr is not None
    assert "waits for the primary" in process.stderr.readline()
    begun = time.monotonic()
    process.send_signal(number)
    _, output = process.communicate(timeout=30)
    assert process.returncode == 0
    assert time.monotonic() - begun < 10
    assert "stopped before it was ready" in output
    assert "Traceback" not in output


def test_without_a_target_it_relays(tmp_path, settings, source) -> None:
    del settings["target"], settings["routing"]
    process = start(tmp_path, settings)
    ready(process)
    client = MilvusClient(f"http://{settings['listen']['grpc']}", token=TOKEN)
    assert client.list_collections() == []
    client.close()
    for command, says in ((["check"], "no target is configured"), (["assess"], "no target is configured")):
        said = subprocess.run(
            [VECFERRY, *command, "--admin", f"http://{settings['admin']['address']}"], capture_output=True, text=True
        )
        assert (said.returncode, says in said.stdout) == (0, True), said
    end(process)
