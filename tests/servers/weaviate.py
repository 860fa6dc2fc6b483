"""Weaviate as a child process: `with WeaviateServer() as server: ...` for a fake, RealWeaviate for the real one.

The fake proves what happens to bytes in between, and says nothing of Weaviate's behaviour.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

import httpx

from demo.servers import free_port
from tests.servers.process import dying_with_parent

ROOT: Final = Path(__file__).parents[2]
BUILT: Final = ROOT / ".cache" / "bin"
KEY: Final = "wv-k3y"
START_SECONDS: Final = 60.0


class WeaviateServer:
    """`api_key`: asked of clients, REST and gRPC. The client's libraries need a second to load in the child."""

    def __init__(self, api_key: str = KEY) -> None:
        self.api_key = api_key
        self.port = self.grpc_port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc_url(self) -> str:
        return f"http://127.0.0.1:{self.grpc_port}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.servers.weaviate_fake", "--api-key", self.api_key]
        self._process = subprocess.Popen(dying_with_parent(command), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline().split()
        if line[:1] != ["ready"]:
            self.__exit__()
            raise RuntimeError("the Weaviate fake did not start; its reason is on standard error")
        self.port, self.grpc_port = int(line[1]), int(line[2])
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def binary() -> str | None:
    """`weaviate-server` as `make weaviate` built it, or of the PATH."""
    return shutil.which("weaviate-server", path=f"{BUILT}{os.pathsep}{os.environ['PATH']}")


class RealWeaviate(WeaviateServer):
    """One node without modules, where there is a binary."""

    def __init__(self, data: Path) -> None:
        super().__init__()
        self._data = data

    def __enter__(self) -> Self:
        self.port, self.grpc_port, gossip, raft = (free_port() for _ in range(4))
        settings = {
            "PERSISTENCE_DATA_PATH": str(self._data),
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
            "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": self.api_key,
            "AUTHENTICATION_APIKEY_USERS": "tests",
            "DEFAULT_VECTORIZER_MODULE": "none",
            "ENABLE_MODULES": "",
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_IN_LOCALHOST": "true",
            "CLUSTER_BIND_ADDR": "127.0.0.1",
            "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
            # The data port is the next one after gossip's, Raft's RPC the next one after Raft's.
            "CLUSTER_GOSSIP_BIND_PORT": str(gossip),
            "CLUSTER_DATA_BIND_PORT": str(gossip + 1),
            "RAFT_PORT": str(raft),
            "RAFT_INTERNAL_RPC_PORT": str(raft + 1),
            "RAFT_JOIN": f"node1:{raft}",
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "GRPC_PORT": str(self.grpc_port),
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",
            "DISK_USE_READONLY_PERCENTAGE": "0",
            "DISK_USE_WARNING_PERCENTAGE": "0",
            "LOG_LEVEL": "error",
        }
        found = binary()
        assert found is not None
        command = [found, "--scheme", "http", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(dying_with_parent(command), env={**os.environ, **settings}, text=True)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError("weaviate-server did not start; its reason is on standard error")
            time.sleep(0.1)
        return self

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v1/.well-known/ready").is_success
        except httpx.TransportError:
            return False
