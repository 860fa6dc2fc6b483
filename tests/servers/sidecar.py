"""A real sidecar, `vecferry run`, as a child process, and its admin API.

Owns: its settings file, start, ends of all kinds, the operator's calls and waits. Ports and state stay over restarts.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self

import httpx
import psutil

from demo.servers import free_port
from tests.servers.process import dying_with_parent

START_SECONDS: Final = 40.0
STOP_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 60.0
POLL: Final = 0.05


class Closed(Exception):
    """A change of primary was refused; `gates` are those that are not open."""

    def __init__(self, text: str, gates: list[dict[str, Any]]) -> None:
        super().__init__(text)
        self.gates = gates


class Server(Protocol):
    """A database in a process of its own."""

    @property
    def settings(self) -> dict[str, str]:
        """As a side of a sidecar."""


class Sidecar:
    """`settings` are merged over the ordinary ones, group by group."""

    def __init__(self, folder: Path, source: str, target: Server | None, /, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port, admin = free_port(), free_port()
        self._file, self._log = folder / "vecferry.yaml", folder / "vecferry.log"
        self.settings: dict[str, Any] = {
            "source": {"product": "milvus", "url": source},
            "listen": {"grpc": f"127.0.0.1:{self.port}"},
            "admin": {"address": f"127.0.0.1:{admin}"},
            "state": str(folder / "state"),
            "telemetry": {"log_format": "text"},
        }
        if target is not None:
            self.settings["target"] = target.settings
        for group, given in settings.items():
            self.settings[group] = {**self.settings.get(group, {}), **given} if isinstance(given, dict) else given
        self.program = [str(Path(sys.executable).parent / "vecferry")]
        """What is started, next time; its arguments are those of `vecferry`."""
        self.admin = httpx.Client(base_url=f"http://127.0.0.1:{admin}", timeout=60)
        self._process: subprocess.Popen[bytes] | None = None

    # ---- the process ----

    @property
    def url(self) -> str:
        """What the application has as its connection string."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> Path:
        return Path(self.settings["state"])

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        return self._running().pid

    def resident(self) -> int:
        """Bytes of memory."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def start(self, *options: str, umask: int = -1) -> Self:
        """Returns when it is ready. Raises RuntimeError with its log."""
        self._file.write_text(json.dumps(self.settings, indent=1))
        command = [*self.program, "run", "--config", str(self._file), *options]
        with self._log.open("ab") as log:
            pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self._process = subprocess.Popen(dying_with_parent(command), umask=umask, **pipes)
        wait_until(self._ready, START_SECONDS, lambda: f"the sidecar is not ready\n{self.log[-3000:]}")
        return self

    def _ready(self) -> bool:
        if self._running().poll() is not None:
            raise RuntimeError(f"the sidecar ended with {self._running().returncode}\n{self.log[-3000:]}")
        try:
            return self.admin.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def take_over(self) -> None:
        """The next process takes the ports and the state from this one while both serve."""
        before = self._running()
        self.start("--takeover")
        if before.wait(STOP_SECONDS) != 0:
            raise RuntimeError(f"the sidecar that was replaced ended with {before.returncode}\n{self.log[-3000:]}")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def killed(self, patience: float = WAIT_SECONDS) -> None:
        """Returns when it was killed by somebody else, or by itself. Raises RuntimeError where it lives, or ended otherwise."""
        process = self._running()
        wait_until(lambda: process.poll() is not None, patience, lambda: f"the sidecar lives on\n{self.log[-3000:]}")
        if process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the sidecar ended with {process.returncode}\n{self.log[-3000:]}")
        self._process = None

    def stop(self) -> None:
        """Raises RuntimeError when it ended badly."""
        if (code := self._end(signal.SIGTERM)) != 0:
            raise RuntimeError(f"the sidecar ended with {code}\n{self.log[-3000:]}")

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self.admin.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the sidecar is not running")
        return self._process

    def _end(self, how: signal.Signals) -> int:
        process = self._running()
        process.send_signal(how)
        code = process.wait(STOP_SECONDS)
        self._process = None
        return code

    # ---- the operator ----

    def get(self, path: str) -> Any:
        return _document(self._ask("GET", path))

    def post(self, path: str, **body: Any) -> Any:
        return _document(self._ask("POST", path, json=body))

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            return self.admin.request(method, path, **given)
        except httpx.TransportError as error:
            raise RuntimeError(f"{method} {path}: {error}; the sidecar's log ends so:\n{self.log[-3000:]}") from None

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/v1/status")
        return found

    @property
    def journal(self) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["journal"]
        return found

    def enter(self, phase: str) -> None:
        self.post("/v1/phase", phase=phase, why="test", who="test")

    def task(self, name: str, patience: float = 2 * WAIT_SECONDS) -> dict[str, Any]:
        """Runs it to its end. Raises RuntimeError where it fails, or has not ended after `patience` seconds."""
        self.post(f"/v1/tasks/{name}")
        return self.ended(name, patience)

    def ended(self, name: str, patience: float = 2 * WAIT_SECONDS) -> dict[str, Any]:
        """Of a task that runs; else like `task`."""
        wait_until(lambda: self.progress(name)["state"] not in ("running", "paused"), patience, lambda: self.progress(name))
        found = self.progress(name)
        if found["state"] != "done":
            raise RuntimeError(f"{name}: {found}")
        return found

    def progress(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/tasks/{name}")
        return found

    def copy(self) -> None:
        """From passthrough to verified: mirror, backfill, verify. Raises RuntimeError where points differ."""
        self.enter("mirror")
        self.task("backfill")
        if (found := self.task("verify"))["found"]:
            raise RuntimeError(f"{found} differences: {self.get('/v1/diff')}")

    def change(self, command: str, *force: str, patience: float = WAIT_SECONDS) -> dict[str, Any]:
        """`cutover` or `rollback`, tried until its gates are open; what it says. Raises Closed after `patience` seconds."""
        deadline = time.monotonic() + patience
        while True:
            reply = self._ask("POST", f"/v1/{command}", json={"why": "test", "who": "test", "force": force})
            if reply.is_success:
                said: dict[str, Any] = reply.json()
                return said
            if reply.status_code >= 500 or time.monotonic() > deadline:
                raise Closed(reply.text, reply.json().get("gates", []))
            time.sleep(0.2)

    def drained(self, patience: float = WAIT_SECONDS, every: float = POLL) -> None:
        """Returns when nothing waits and no key is dirty. It is asked `every` so many seconds."""
        wait_until(lambda: not self._owes(), patience, lambda: f"not drained: {self.journal}\n{self.log[-3000:]}", every)

    def _owes(self) -> bool:
        journal = self.journal
        return bool(journal["entries"] or journal["dirty_keys"])


class QdrantSidecar(Sidecar):
    """Before a Qdrant: `port` speaks REST, `grpc_port` gRPC."""

    def __init__(self, folder: Path, source: Server, target: Server | None, /, **settings: Any) -> None:
        super().__init__(folder, source.settings["url"], target, **settings)
        self.grpc_port = free_port()
        self.settings["source"] = source.settings
        self.settings["listen"] = {"rest": f"127.0.0.1:{self.port}", "grpc": f"127.0.0.1:{self.grpc_port}"}


def _document(reply: httpx.Response) -> Any:
    if not reply.is_success:
        raise RuntimeError(f"{reply.request.method} {reply.request.url.path}: {reply.status_code} {reply.text}")
    return reply.json()


def wait_until(true: Callable[[], bool], seconds: float, or_say: Callable[[], object], every: float = POLL) -> None:
    """Raises RuntimeError with what `or_say` gives when it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(str(or_say()))
        time.sleep(every)
