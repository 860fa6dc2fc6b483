"""A real Milvus server (the PyPI wheel `milvus==2.3.5`) as a child process, for tests, demo and measurements.

Owns: unpacking the binaries once for all (`.cache/` of the repository), free ports for all its parts, embedded etcd included,
and that no process is left behind: the child dies with the thread that started it, so start it from the main thread.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.servers.process import dying_with_parent

CACHE: Final = Path(__file__).parents[2] / ".cache" / "milvus-2.3.5"
START_SECONDS: Final = 120
STOP_SECONDS: Final = 15
ROOT_TOKEN: Final = "root:Milvus"
_PARTS: Final = (
    "proxy_port",
    "proxy_internal_port",
    "etcd_port",
    "root_coord_port",
    "query_coord_port",
    "query_node_port",
    "index_coord_port",
    "index_node_port",
    "data_coord_port",
    "data_node_port",
)
_ETCD: Final = """\
name: default
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: default=http://127.0.0.1:{peer}
quota-backend-bytes: 4294967296
auto-compaction-mode: revision
auto-compaction-retention: '1000'
"""


class MilvusServer:
    """`directory` None: a temporary one, removed at `close`. With `authorization` clients need ROOT_TOKEN.

    Ports and data stay the same over `stop`, `kill` and `start`.
    """

    def __init__(self, directory: Path | None = None, *, authorization: bool = False) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="milvus-") if directory is None else None
        self.directory = Path(self._temporary.name) if self._temporary else Path(directory or "")
        self._process: subprocess.Popen[bytes] | None = None
        *ports, self._etcd_peer, self._metrics = _free_ports(len(_PARTS) + 2)
        self._ports = dict(zip(_PARTS, ports, strict=True))
        self._binaries = _unpacked()
        self._authorization = authorization
        self._configure(authorization)
        atexit.register(self.kill)

    @property
    def port(self) -> int:
        return self._ports["proxy_port"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """As a side of a sidecar."""
        return {"product": "milvus", "url": self.url} | ({"token": ROOT_TOKEN} if self._authorization else {})

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ended(self) -> int | None:
        """The code with which it ended by itself, or by somebody else's hand; None while it lives."""
        assert self._process is not None
        return self._process.poll()

    def start(self) -> Self:
        """Returns when it is healthy. Raises RuntimeError with the end of its log."""
        log = (self.directory / "milvus.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                dying_with_parent([self._binaries / "milvus", "run", "standalone"]),
                cwd=self.directory,
                env=os.environ | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_healthy()
        return self

    def stop(self) -> None:
        """Clean: data flushed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.kill()
        atexit.unregister(self.kill)
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _configure(self, authorization: bool) -> None:
        from milvus import MilvusServerConfig

        config = MilvusServerConfig(data_dir=str(self.directory), **self._ports)
        config.set("authorization_enabled", authorization)
        config.set("etcd_log_level", "error")
        config.resolve()
        etcd = _ETCD.format(client=self._ports["etcd_port"], peer=self._etcd_peer)
        (self.directory / "etcd.yaml").write_text(etcd)

    def _environment(self) -> dict[str, str]:
        return {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._metrics),
            "MILVUS_RUN_DIR": str(self.directory / "run"),
            "LD_LIBRARY_PATH": str(self._binaries),
            "ETCD_CONFIG_PATH": str(self.directory / "etcd.yaml"),
        }

    def _wait_healthy(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if _healthy(self._metrics):
                return
            time.sleep(0.1)
        self.kill()
        tail = (self.directory / "milvus.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"Milvus did not get healthy in {START_SECONDS} s:\n{tail}")

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


def _unpacked() -> Path:
    """The directory of the binaries; unpacked by the first who asks, also over several processes."""
    from milvus import _initialize_data_files

    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _initialize_data_files(str(CACHE))
    return CACHE / "bin"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as reply:
            return b"OK" in reply.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
