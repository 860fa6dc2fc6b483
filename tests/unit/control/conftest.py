from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result
from fakes.sidecar import Sidecar

from proxy.cli import main
from proxy.control import http, port


@dataclass
class Desk:
    """A sidecar with its admin API on a free port."""

    sidecar: Sidecar
    admin: port.AdminPort
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://{self.admin.address}"

    def connected(self) -> bool:
        return any(each.transport is not None for each in self.admin._runner.server.connections)

    async def get(self, path: str, **query: Any) -> Any:
        async with self.client.get(self.url + path, params=query) as reply:
            assert reply.status == 200, await reply.text()
            return await reply.json()

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        async with self.client.post(self.url + path, json=body) as reply:
            return reply.status, await reply.json()

    async def run(self, *arguments: str, token: str | None = None) -> Result:
        """The command line, as an operator calls it."""
        env = {"VECFERRY_ADMIN": self.url, "VECFERRY_ADMIN_TOKEN": token, "COLUMNS": "120"}
        return await asyncio.to_thread(CliRunner(env=env).invoke, main, arguments)


Open = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def desk(tmp_path: Path) -> Open:
    """`async with desk("mirror", settings...) as it:`; `limits`: of the port."""

    @asynccontextmanager
    async def open_desk(
        phase: str = "mirror", limits: Mapping[str, Any] = MappingProxyType({}), **settings: Any
    ) -> AsyncIterator[Desk]:
        async with Sidecar(tmp_path, phase, **settings) as sidecar:
            admin = await port.serve(http.application(sidecar.operator, sidecar.config.admin), "127.0.0.1:0", **limits)
            token = sidecar.config.admin.token
            headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token else {}
            try:
                async with aiohttp.ClientSession(headers=headers) as client:
                    yield Desk(sidecar, admin, client)
            finally:
                await admin.close()

    return open_desk


Asking = Callable[[], Awaitable[Any]]
