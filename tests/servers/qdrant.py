"""A local Qdrant server as a process of its own, for tests: `with QdrantServer(directory) as server: ...`.

Dies with the process that started it, however that ends.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Self

import httpx
from qdrant_client import QdrantClient

from tests.servers.process import dying_with_parent

_READY: Final = re.compile(r"ready rest=(?P<host>[^:\s]+):(?P<rest>\d+) grpc=[^:\s]+:(?P<grpc>\d+)")
STOP_SECONDS: Final = 15.0


class QdrantServer:
    """`port` and `grpc_port` are 0 until the first start, then kept over restarts, as the data is."""

    def __init__(
        self, data: Path, *, api_key: str | None = None, port: int = 0, grpc_port: int = 0, options: tuple[str, ...] = ()
    ) -> None:
        self.data = data
        self.api_key = api_key
        self.options = options
        self.host = "127.0.0.1"
        self.port = port
        self.grpc_port = grpc_port
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def grpc_url(self) -> str:
        return f"http://{self.host}:{self.grpc_port}"

    @property
    def settings(self) -> dict[str, str]:
        """As a side of a sidecar."""
        key = {} if self.api_key is None else {"api_key": self.api_key}
        return {"product": "qdrant", "url": self.url, "grpc_url": self.grpc_url} | key

    def client(self, *, prefer_grpc: bool, api_key: str | None = None) -> QdrantClient:
        """The official client; the caller closes it."""
        key = self.api_key if api_key is None else api_key
        options: dict[str, Any] = {"url": self.url, "grpc_port": self.grpc_port, "prefer_grpc": prefer_grpc, "api_key": key}
        return QdrantClient(**options, check_compatibility=False)

    def clear(self) -> None:
        """No collection is left, so no alias either."""
        with httpx.Client(base_url=self.url, headers={"api-key": self.api_key} if self.api_key else {}) as rest:
            for found in rest.get("/collections").raise_for_status().json()["result"]["collections"]:
                rest.delete(f"/collections/{found['name']}").raise_for_status()

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        return self._running().pid

    def ended(self) -> int | None:
        """The code with which it ended by itself, or by somebody else's hand; None while it lives."""
        return self._running().poll()

    def start(self) -> Self:
        """Returns when it is ready. Raises RuntimeError with what it said when it ends instead."""
        self._process = subprocess.Popen(
            dying_with_parent(self._command()),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C is for the one that started it, as with Milvus
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if (found := _READY.match(line)) is None:
            _, errors = self._process.communicate()
            self._process = None
            raise RuntimeError(f"the local Qdrant server did not start: {line}{errors}")
        self.port, self.grpc_port = int(found["rest"]), int(found["grpc"])
        return self

    def stop(self) -> str:
        """SIGTERM, and waits. Returns what it wrote to stderr; raises RuntimeError when it ended badly."""
        errors, code = self._end(signal.SIGTERM)
        if code != 0:
            raise RuntimeError(f"the local Qdrant server ended with {code}: {errors}")
        return errors

    def kill(self) -> None:
        """SIGKILL, and waits."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "proxy.local.qdrant", "--data", str(self.data)]
        command += ["--host", self.host, "--port", str(self.port), "--grpc-port", str(self.grpc_port)]
        return [*command, *self.options, *(["--api-key", self.api_key] if self.api_key is not None else [])]

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the local Qdrant server is not running")
        return self._process

    def _end(self, number: signal.Signals) -> tuple[str, int]:
        process = self._running()
        process.send_signal(number)
        _, errors = process.communicate(timeout=STOP_SECONDS)
        self._process = None
        return errors, process.returncode
