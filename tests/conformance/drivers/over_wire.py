"""A backend reached through one of our frontends: client -> our listener -> frontend -> backend, over real sockets.

What is answered is what an application gets after cutover.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias, TypeVar

from fakes.plain_parts import PlainCatalog

from proxy.config import RelayConfig
from proxy.errors import ProxyError, Refused, Unsupported
from proxy.model.feature import Feature
from proxy.model.operation import Done, Opaque, Patch, Put, Read, Remove, RemoveWhere, Result, Write
from proxy.net.listener import listen
from proxy.ports import Backend, Catalog, Exchange, Frontend, Kind, Reply, Request
from proxy.reads import answer
from proxy.routing import execute

T = TypeVar("T")
Drive: TypeAlias = Callable[[Callable[[Catalog], Backend], PlainCatalog], AbstractAsyncContextManager[Backend]]
"""From what makes the backend and the catalog of the case: what the case calls."""
EVERY_KEY = 1_000_000


class Answering:
    """ports.Handler: every call is answered from the backend, as in phase complete, without a mirror."""

    def __init__(self, frontend: Frontend, backend: Backend, catalog: PlainCatalog) -> None:
        self._frontend = frontend
        self._backend = backend
        self._catalog = catalog

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.serve(lambda request: self._reply(request, role))

    async def _reply(self, request: Request, role: str) -> Reply:
        try:
            if self._frontend.route(request.method, request.path, role).kind is Kind.ADMIN:
                return self._frontend.answer(request, self._catalog)
            operation = self._frontend.decode(request, self._catalog)
            return self._frontend.encode(request, operation, await self._run(operation), self._catalog)
        except ProxyError as error:
            return self._frontend.refuse(request, error)

    async def _run(self, operation: Write | Read) -> Result:
        match operation:
            case _ if isinstance(operation, Read):
                return await answer(self._backend, operation, self._catalog)
            case RemoveWhere():
                return await execute.write(self._backend, operation, await self._matching(operation))
            case Put() | Patch() | Remove() | Opaque():
                return await execute.write(self._backend, operation, ())
            case _:
                await self._backend.apply(operation)
                await self._catalog.apply(operation)
                return Done()

    async def _matching(self, write: RemoveWhere) -> Any:
        return await execute.matching(self._backend, write, EVERY_KEY)


class NamedRefusals:
    """The driver's calls, with the refusal that the protocol carried as text turned back into Unsupported(feature)."""

    def __init__(self, driver: Backend) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._driver, name)
        return _named(found) if name in _CALLS else found


_CALLS = frozenset({"put", "remove", "fetch", "scan", "search", "count", "apply", "describe", "collections", "aliases"})
_FEATURES = "|".join(re.escape(feature) for feature in sorted(Feature, key=len, reverse=True))
_REFUSAL = re.compile(rf"({_FEATURES}) is not supported by (\w+)")


def _named(call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    async def named(*args: Any) -> T:
        try:
            return await call(*args)
        except Refused as refusal:
            said = _REFUSAL.search(str(refusal))
            if said is None:
                raise
            raise Unsupported(Feature(said[1]), said[2], str(refusal)) from refusal

    return named


@asynccontextmanager
async def served(frontend: Frontend, role: str, backend: Backend, catalog: PlainCatalog) -> AsyncIterator[str]:
    """The address. `catalog` is the one by which the backend knows the client's schemas."""
    listener = await listen("127.0.0.1:0", role, Answering(frontend, backend, catalog), RelayConfig(), None, frontend.max_body)
    try:
        yield listener.address
    finally:
        await listener.close()
