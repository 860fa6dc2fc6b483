"""The sidecar under torture: its admin API, and where the run may do so, its life and deaths.

Owns: calls, waits, the child process. Not: what is asked of it when (trouble.py, run.py).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx

from proxy.config import Config
from proxy.errors import Refused, Unavailable
from proxy.torture.products import here

POLL: Final = 0.1
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 60.0
BUSY: Final = ("running", "paused")


class Admin:
    """Raises Refused for a no, Unavailable where nobody answers. Safe for threads."""

    def __init__(self, config: Config) -> None:
        host, _, port = config.admin.address.rpartition(":")
        token = config.admin.token
        headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._http = httpx.Client(base_url=f"http://{here(host)}:{port}", headers=headers, timeout=120.0)

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, **body: Any) -> Any:
        try:
            reply = self._http.request(method, path, json=body or None)
        except httpx.HTTPError as error:
            raise Unavailable(f"the admin API at {self._http.base_url} does not answer: {error}") from error
        if reply.status_code >= 500:
            raise Unavailable(f"{path}: {reply.text}")
        if not reply.is_success:
            raise Refused(f"{path}: {reply.text}")
        return reply.json()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", "/v1/status")
        return found

    def status_again(self, patience: float) -> dict[str, Any]:
        """Once the sidecar answers again. Raises Unavailable after `patience` seconds."""
        found: dict[str, Any] = {}

        def answers() -> bool:
            try:
                found.update(self.status())
            except Unavailable:
                return False
            return True

        wait_until(answers, patience, lambda: "the sidecar does not come back")
        return found

    def ready(self) -> bool:
        try:
            return self._http.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def task(self, name: str, collections: Sequence[str], patience: float) -> dict[str, Any]:
        """From its beginning to its end; one that goes on since a restart ends before. Raises Unavailable where it fails."""
        self._task_ended(name, patience)
        self.call("POST", f"/v1/tasks/{name}", collections=list(collections))
        found = self._task_ended(name, patience)
        if found["state"] != "done":
            raise Unavailable(f"{name} ended {found['state']}: {found['error']}")
        return found

    def _task_ended(self, name: str, patience: float) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.call("GET", f"/v1/tasks/{name}"))
            return found["state"] not in BUSY

        wait_until(ended, patience, lambda: f"{name} does not end: {found}")
        return found

    def drained(self, patience: float) -> None:
        """Nothing waits, no key is dirty, and nothing that was given up can land any more."""
        wait_until(lambda: not self._owes(), patience, lambda: f"the mirror does not come to rest: {self.status()['journal']}")

    def _owes(self) -> bool:
        status = self.status()
        journal = status["journal"]
        return bool(journal["entries"] or journal["dirty_keys"] or journal["lingering"] or status["preparing"])


class Child:
    """`vecferry run` as a child of ours."""

    def __init__(self, path: Path, log: Path, admin: Admin) -> None:
        self._command = [sys.executable, "-c", "from proxy.cli import main; main()", "run", "--config", str(path)]
        self._log = log
        self._admin = admin
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self) -> Self:
        """Returns when it is ready. Raises Unavailable with the end of its log."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process = self._process
        wait_until(lambda: process.poll() is not None or self._admin.ready(), START_SECONDS, self._end_of_log)
        if process.poll() is not None:
            raise Unavailable(f"the sidecar ended with {process.returncode}\n{self._end_of_log()}")
        return self

    def kill(self) -> None:
        """kill -9, and up again."""
        self._end(signal.SIGKILL)
        self.kills += 1
        self.start()

    def check(self) -> None:
        """Raises Unavailable when it died by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise Unavailable(f"the sidecar ended by itself with {self._process.returncode}\n{self._end_of_log()}")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _end_of_log(self) -> str:
        return f"the end of {self._log}:\n{self._log.read_text(errors='replace')[-3000:]}"


def wait_until(true: Callable[[], bool], seconds: float, or_say: Callable[[], str]) -> None:
    """Raises Unavailable with what `or_say` gives when it does not become true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Unavailable(or_say())
        time.sleep(POLL)
