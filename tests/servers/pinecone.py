"""A local Pinecone server as a process of its own: `with PineconeServer() as server: ...`.

Dies with the process that started it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final, Self

from tests.servers.process import dying_with_parent

KEY: Final = "pc-k3y"


class PineconeServer:
    """`port` is the control plane's: a free one at the start."""

    def __init__(self, *, api_key: str = KEY) -> None:
        self.api_key = api_key
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "proxy.local.pinecone", "--port", "0", "--data-port", "0", "--api-key", self.api_key]
        self._process = subprocess.Popen(dying_with_parent(command), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready "):
            self.__exit__()
            raise RuntimeError("the local Pinecone server did not start; its reason is on standard error")
        self.port = int(line.rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=15)
            self._process = None
