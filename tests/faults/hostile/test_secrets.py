"""The real command over an ordinary life, errors and a crash: no secret is in anything that it wrote, said or sent away."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final, Self

import grpc
import httpx
import pytest
from pymilvus import MilvusClient, MilvusException

from tests.servers.facade import MilvusFacade
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar, wait_until

PASSWORD: Final = "m4rk-of-source"
SOURCE: Final = f"root:{PASSWORD}"
TARGET: Final = "m4rk-of-target"
ADMIN: Final = "m4rk-of-admin"
KEY: Final = base64.b64encode(b"m4rk-of-journal-m4rk-of-journal.").decode()
SESSION: Final = "m4rk-of-session"
"""What a client sends in a header whose name tells nothing."""
WRONG: Final = "m4rk-of-nobody"
"""What somebody shows who has the wrong secret."""
TEXT: Final = "m4rk-of-payload"
ALL_MAY_WRITE: Final = 0
"""A umask."""
SECRETS: Final = (PASSWORD, TARGET, ADMIN, KEY, SESSION, WRONG)

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


class Collector:
    """An OTLP receiver that keeps all that it gets."""

    def __init__(self) -> None:
        self.got = got = bytearray()

        class Receive(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.extend(bytes(self.headers) + self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

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


@dataclass
class World:
    sidecar: Sidecar
    target: QdrantServer
    collector: Collector
    said: list[str] = field(default_factory=list)
    """By the admin API and the command line."""

    def written(self) -> dict[str, bytes]:
        """Everything that the sidecar wrote, said, or sent to others than the two sides."""
        state = {str(path): path.read_bytes() for path in self.sidecar.state.rglob("*") if path.is_file()}
        said = {f"reply {number}": text.encode() for number, text in enumerate(self.said)}
        return state | said | {"log": self.sidecar.log.encode(), "traces": bytes(self.collector.got)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("MARKED_SOURCE", SOURCE)
    for name, secret in (("target", TARGET), ("admin", ADMIN), ("key", KEY)):
        (tmp_path / name).write_text(f"{secret}\n")
    with (
        MilvusFacade(token=SOURCE) as source,
        QdrantServer(tmp_path / "qdrant", api_key=TARGET) as target,
        Collector() as collector,
    ):
        telemetry = {"log_format": "json", "log_level": "debug", "otlp_endpoint": collector.url, "trace_share": 1.0}
        routing = {"phase": "shadow", "shadow": 1.0}
        made = Sidecar(tmp_path / "sidecar", source.url, target, routing=routing, telemetry=telemetry, mirror={"linger": "1s"})
        made.settings["source"]["token"] = {"env": "MARKED_SOURCE"}
        made.settings["target"]["api_key"] = {"file": str(tmp_path / "target")}
        made.settings["admin"]["token"] = {"file": str(tmp_path / "admin")}
        made.settings["journal"] = {"key": {"file": str(tmp_path / "key")}}
        made.admin.headers["authorization"] = f"Bearer {ADMIN}"
        try:
            yield World(made.start(umask=ALL_MAY_WRITE), target, collector)
        finally:
            made.close()


def test_no_secret_is_in_anything_that_is_left_or_told(world: World, tmp_path: Path) -> None:
    sidecar = world.sidecar
    client = MilvusClient(sidecar.url, token=SOURCE)
    client.create_collection("books", dimension=4)
    _ordinary_work(client)
    wait_until(lambda: _compared(sidecar) >= 5, 30, sidecar.status)
    _nobody_else_may_look(sidecar.state)
    _errors(world)
    _crash(world, client)
    _wrong_starts(world, tmp_path)
    client.close()
    left = world.written()
    _damaged_start(world.sidecar)
    left["last log"] = world.sidecar.log.encode()
    assert {name: secret for name, held in left.items() for secret in SECRETS if _holds(held, secret)} == {}
    assert [name for name, held in left.items() if TEXT.encode() in held] == [], "the state has a key, and nothing else tells"
    assert world.collector.got
    assert len(world.said) > 15


def _ordinary_work(client: MilvusClient) -> None:
    for number in range(20):
        client.upsert("books", [{"id": number, "vector": [float(number), 1.0, 2.0, 3.0], "text": TEXT}])
        client.search("books", [[1.0, 1.0, 2.0, 3.0]], limit=3, filter=f'text == "{TEXT}"')
    client.delete("books", filter="id >= 18")


def _compared(sidecar: Sidecar) -> int:
    """Searches whose samples are in the store."""
    shadow = sidecar.status()["shadow"]
    return 0 if shadow["unwritten"] else int(shadow["tried"])


def _nobody_else_may_look(state: Path) -> None:
    """Whatever the umask, which allows all here."""
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (state, *state.rglob("*"))}
    assert modes.pop(state.name) == "0o700"
    assert {"journal.db", "journal.db-wal", "journal.db-shm", "state.db", "lock", "migration.json", "running"} <= modes.keys()
    assert set(modes.values()) == {"0o600"}, modes


def _errors(world: World) -> None:
    sidecar = world.sidecar
    with suppress(MilvusException):
        MilvusClient(sidecar.url, token=f"root:{WRONG}", timeout=5)
    marks = (("authorization", base64.b64encode(SOURCE.encode()).decode()), ("x-acme-session", SESSION))
    with grpc.insecure_channel(f"127.0.0.1:{sidecar.port}") as channel:
        for call in ("DropCollection", "Insert", "Upsert", "Nonsense", "CreateCredential"):
            method = channel.unary_unary(f"/milvus.proto.milvus.MilvusService/{call}")
            for body in (b"", b"\xff" * 10):
                with suppress(grpc.RpcError):
                    method(body, metadata=marks, timeout=20)
    httpx.get(f"http://127.0.0.1:{sidecar.port}/v1/x?api-key={SESSION}", headers={"x-acme-session": SESSION})
    _ask_admin(world)
    _edit_badly(world)


def _ask_admin(world: World) -> None:
    asked = ("status", "check", "plan", "assess", "history", "diff", "parked", "tasks/verify")
    base = world.sidecar.admin.base_url
    for path in ("/metrics", "/healthz", "/v1/nonsense", *(f"/v1/{name}" for name in asked)):
        world.said.append(world.sidecar.admin.get(path).text)
        for shown in (f"Bearer {WRONG}", WRONG, f"Bearer {WRONG * 1000}", f"Bearer {ADMIN}\x01"):
            with suppress(httpx.TransportError):
                reply = httpx.get(f"{base}{path}", headers={"authorization": shown})
                world.said.append("" if reply.status_code == 400 else reply.text)  # a malformed head is quoted to its sender
    environment = os.environ | {"VECFERRY_ADMIN": str(base), "VECFERRY_ADMIN_TOKEN": ADMIN}
    ran = subprocess.run([_vecferry(), "status"], env=environment, capture_output=True, text=True)
    world.said.append(ran.stdout + ran.stderr)


def _edit_badly(world: World) -> None:
    """A line that is no YAML, where a secret stands; then the file as it was."""
    file = world.sidecar.folder / "vecferry.yaml"
    before = file.read_text()
    file.write_text(f'{{"source": {{"token": "{WRONG}')
    wait_until(lambda: world.sidecar.status()["config_error"], 30, lambda: world.sidecar.log[-2000:])
    world.said.append(json.dumps(world.sidecar.status()))
    file.write_text(before)
    wait_until(lambda: not world.sidecar.status()["config_error"], 30, lambda: world.sidecar.log[-2000:])


def _crash(world: World, client: MilvusClient) -> None:
    """Killed with writes under way and a journal that holds something."""
    world.target.kill()
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with suppress(MilvusException):
                client.upsert("books", [{"id": 1, "vector": [1.0, 2.0, 3.0, 4.0], "text": TEXT}], timeout=5)

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: world.sidecar.journal["entries"] > 5, 30, lambda: world.sidecar.journal)
    world.sidecar.kill()
    stop.set()
    writer.join()


def _wrong_starts(world: World, tmp_path: Path) -> None:
    """Each ends with a message."""
    sidecar = world.sidecar
    right = dict(sidecar.settings)
    (tmp_path / "other").write_text(base64.b64encode(f"{WRONG}{WRONG}{WRONG}"[:32].encode()).decode())
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"journal": {"key": {"file": str(tmp_path / "other")}}}, "journal.key: the journal is sealed with another key"),
        ({"source": right["source"] | {"token": f"root:{WRONG}"}}, "source: Milvus at"),
    ]
    for settings, says in wrong:
        sidecar.settings = right | settings
        with pytest.raises(RuntimeError, match="the sidecar ended with 2"):
            sidecar.start()
        assert says in sidecar.log.splitlines()[-1], sidecar.log[-500:]
    sidecar.settings = right


def _damaged_start(sidecar: Sidecar) -> None:
    (sidecar.state / "state.db").write_bytes(b"no database" * 1000)
    with pytest.raises(RuntimeError, match="the sidecar ended with 4"):
        sidecar.start()


def _holds(held: bytes, secret: str) -> bool:
    """As it is, or as a header or a file may carry it."""
    raw = secret.encode()
    forms = {raw, base64.b64encode(raw), base64.b64encode(f"root:{secret}".encode()), json.dumps(secret)[1:-1].encode()}
    return any(form in held for form in (*forms, base64.b64decode(KEY) if secret == KEY else raw))


def _vecferry() -> str:
    return str(Path(sys.executable).parent / "vecferry")
