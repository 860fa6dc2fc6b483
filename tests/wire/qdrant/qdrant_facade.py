"""QdrantFrontend over the memory backend, on a REST and a gRPC port of our relay's own listener: what the router does after
cutover, at its plainest. In a thread of its own: the official client's ordinary form blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from fakes.plain_parts import PlainCatalog
from qdrant_client import QdrantClient

from proxy.backends.memory import MemoryBackend
from proxy.clock import SystemClock
from proxy.config import RelayConfig
from proxy.errors import ProxyError, Reason, Refused
from proxy.frontends.qdrant.frontend import QdrantFrontend
from proxy.model.operation import DataWrite, Done, Read, Result, SchemaWrite, Write, selections
from proxy.net.listener import listen
from proxy.ports import Exchange, Kind, Reply, Request
from proxy.reads import answer
from proxy.routing import execute
from proxy.store.catalog import changed

T = TypeVar("T")
ROLES: Final = ("rest", "grpc")
EVERY_KEY: Final = 1_000_000


class Catalog(PlainCatalog):
    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version

    def fact(self, name: str) -> str:
        return self.version if name == "version" else ""


class Facade:
    """`asked`: every request, with the port that it came to. `fault`: raised instead of the next answer."""

    def __init__(self, version: str = "1.19.0") -> None:
        self.catalog = Catalog(version)
        self.frontend = QdrantFrontend(SystemClock())
        self.backend = MemoryBackend(self.catalog)
        self.asked: list[tuple[str, Request]] = []
        self.fault: ProxyError | None = None

    async def reply(self, role: str, request: Request) -> Reply:
        self.asked.append((role, request))
        try:
            if self.fault is not None:
                fault, self.fault = self.fault, None
                raise fault
            return await self._reply(role, request)
        except ProxyError as error:
            return self.frontend.refuse(request, error)

    async def _reply(self, role: str, request: Request) -> Reply:
        route = self.frontend.route(request.method, request.path, role)
        if route.kind is Kind.ADMIN:
            return self.frontend.answer(request, self.catalog)
        if route.kind is Kind.OPAQUE:
            raise Refused(f"{route.name} cannot be answered", Reason.UNSUPPORTED)
        operation = self.frontend.decode(request, self.catalog)
        return self.frontend.encode(request, operation, await self._run(operation), self.catalog)

    async def _run(self, operation: Write | Read) -> Result:
        if isinstance(operation, SchemaWrite):
            await self.backend.apply(operation)
            self.catalog.contents = changed(self.catalog.contents, operation)
            return Done()
        if isinstance(operation, DataWrite):
            wanted = selections(operation)
            listed = await execute.matching(self.backend, wanted[0], EVERY_KEY) if wanted else ()
            return await execute.write(self.backend, operation, listed or ())
        return await answer(self.backend, operation, self.catalog)


class FacadeServer:
    def __init__(self, facade: Facade) -> None:
        self.facade = facade
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._ports: dict[str, int] = {}

    def client(self, *, prefer_grpc: bool) -> QdrantClient:
        """The caller closes it."""
        url, grpc_port = f"http://127.0.0.1:{self._ports['rest']}", self._ports["grpc"]
        return QdrantClient(url=url, grpc_port=grpc_port, prefer_grpc=prefer_grpc, check_compatibility=False)

    def port(self, role: str) -> int:
        return self._ports[role]

    def __enter__(self) -> FacadeServer:
        self._thread.start()
        self._listeners = [self.call(self._listen(role)) for role in ROLES]
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            self.call(listener.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    async def _listen(self, role: str) -> Any:
        desk = _Desk(self.facade)
        listener = await listen("127.0.0.1:0", role, desk, RelayConfig(), None, self.facade.frontend.max_body)
        self._ports[role] = int(listener.address.rpartition(":")[2])
        return listener


class _Desk:
    """ports.Handler."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    def begin(self, exchange: Exchange, role: str) -> None:
        async def reply(request: Request) -> Reply:
            return await self._facade.reply(role, request)

        exchange.serve(reply)
