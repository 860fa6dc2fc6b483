"""Milvus without Milvus, as a process of its own: our frontend over the memory backend, behind our relay's own listener.

For tests of what stands around a source: `with MilvusFacade() as source: ...`. Starts in a second and forgets everything at its
end; dies with the process that started it. Says nothing of Milvus's own behaviour: a misreading of ours would cancel out here.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

import uvloop

from proxy.config import RelayConfig
from proxy.errors import Reason, Refused
from proxy.net.listener import listen
from proxy.ports import Exchange, Reply, Request
from tests.servers.process import dying_with_parent
from tests.wire.milvus.milvus_facade import Facade

ROOT: Final = Path(__file__).parents[2]
MAX_BODY: Final = 2**27


class MilvusFacade:
    """The port is a free one at the first start, then kept. `token`: asked of clients as Milvus does, `user:password`."""

    def __init__(self, *, token: str = "", version: str = "v2.3.5") -> None:
        self.port = 0
        self._options = ["--token", token, "--version", version]
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        command = [sys.executable, "-m", "tests.servers.facade", "--port", str(self.port), *self._options]
        self._process = subprocess.Popen(dying_with_parent(command), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready "):
            self.stop()
            raise RuntimeError("the facade did not start; its reason is on standard error")
        self.port = int(line.rpartition(":")[2])
        return self

    def stop(self) -> None:
        """At once, as a kill does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Desk:
    """ports.Handler."""

    def __init__(self, facade: Facade, token: str) -> None:
        self._facade = facade
        self._key = base64.b64encode(token.encode()) if token else None

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.serve(self._reply)

    async def _reply(self, request: Request) -> Reply:
        if self._key is not None and dict(request.headers).get(b"authorization") != self._key:
            wrong = Refused("auth check failure, please check username or password are correct", Reason.UNAUTHENTICATED)
            return self._facade.frontend.refuse(request, wrong)
        return await self._facade.reply(request)


async def _serve(port: int, token: str, version: str) -> None:
    desk = _Desk(Facade(version), token)
    listener = await listen(f"127.0.0.1:{port}", "grpc", desk, RelayConfig(), None, MAX_BODY)
    print(f"ready {listener.address}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="")
    parser.add_argument("--version", default="v2.3.5")
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.token, given.version))
