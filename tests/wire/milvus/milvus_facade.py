"""MilvusFrontend over a backend as a gRPC server for pymilvus: what the router does after cutover, at its plainest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import grpc
import grpc.aio

from proxy.backends.memory import MemoryBackend
from proxy.clock import SystemClock
from proxy.errors import NotFound, ProxyError, Reason, Refused
from proxy.frontends.grpc import status_of
from proxy.frontends.milvus.frontend import MilvusFrontend
from proxy.model.operation import (
    Count,
    DataWrite,
    Done,
    Fetch,
    Opaque,
    Patch,
    Put,
    Read,
    Remove,
    RemoveWhere,
    Result,
    Scan,
    Search,
    Write,
    last_wins,
)
from proxy.model.point import Point
from proxy.model.schema import Schema
from proxy.ports import Kind, Reply, Request
from proxy.store.catalog import Contents, changed

EVERY_ROW = 1_000_000


@dataclass
class Catalog:
    """ports.Catalog in memory."""

    contents: Contents = field(default_factory=Contents)

    def resolve(self, name: str) -> str:
        collection = self.contents.aliases.get(name, name)
        if collection not in self.contents.schemas:
            raise NotFound(name)
        return collection

    def schema(self, collection: str) -> Schema:
        return self.contents.schemas[self.resolve(collection)]

    def collections(self) -> tuple[str, ...]:
        return tuple(self.contents.schemas)

    def aliases(self) -> Mapping[str, str]:
        return self.contents.aliases

    def loaded(self, collection: str) -> bool:
        return self.resolve(collection) not in self.contents.released

    def fact(self, name: str) -> str:
        return self.contents.facts.get(name, "")


class Facade:
    def __init__(self, version: str = "v2.3.5") -> None:
        self.catalog = Catalog(Contents(facts={"version": version}))
        self.frontend = MilvusFrontend(SystemClock())
        self.backend = MemoryBackend(self.catalog)
        self.asked: list[Request] = []

    async def reply(self, request: Request) -> Reply:
        self.asked.append(request)
        try:
            return await self._reply(request)
        except ProxyError as error:
            return self.frontend.refuse(request, error)

    async def _reply(self, request: Request) -> Reply:
        if self.frontend.route(request.method, request.path, "grpc").kind is Kind.ADMIN:
            return self.frontend.answer(request, self.catalog)
        operation = self.frontend.decode(request, self.catalog)
        return self.frontend.encode(request, operation, await self._run(operation), self.catalog)

    async def _run(self, operation: Write | Read) -> Result:
        match operation:
            case Search():
                return await self.backend.search(operation)
            case Scan():
                return await self.backend.scan(operation)
            case Count():
                return await self.backend.count(operation)
            case Fetch():
                return await self.backend.fetch(operation)
            case Put() | Patch() | Remove() | RemoveWhere() | Opaque():
                return await self._write(operation)
            case _:
                await self.backend.apply(operation)
                self.catalog.contents = changed(self.catalog.contents, operation)
                return Done()

    async def _write(self, write: DataWrite) -> Done:
        match write:
            case Put(points=points, complete=True):
                await self.backend.put(last_wins(points))
                return Done(tuple(point.key.id for point in points), len(points))
            case Patch(points=points):
                await self.backend.put([await self._patched(point) for point in last_wins(points)])
                return Done(tuple(point.key.id for point in points), len(points))
            case Remove(keys=keys):
                await self.backend.remove(tuple(keys))
                return Done(count=len(keys))
            case RemoveWhere(collection, condition, partitions):
                page = await self.backend.scan(Scan(collection, EVERY_ROW, filter=condition, partitions=partitions))
                await self.backend.remove([point.key for point in page.points])
                return Done(count=len(page.points))
            case Put() | Opaque():
                raise Refused("only the primary can say what this write makes", Reason.UNSUPPORTED)
            case _:
                assert_never(write)

    async def _patched(self, patch: Point) -> Point:
        found = await self.backend.fetch(Fetch(patch.key.collection, (patch.key,)))
        before = found.get(patch.key, Point(patch.key, {}))
        return replace(before, vectors={**before.vectors, **patch.vectors}, payload={**before.payload, **patch.payload})


class FacadeServer:
    """The facade on a free port, in a thread of its own: pymilvus's ordinary clients block."""

    def __init__(self, facade: Facade) -> None:
        self.facade = facade
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> FacadeServer:
        self._thread.start()
        self._port = self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._server.stop(None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)

    async def _start(self) -> int:
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((_AnyMethod(self.facade),))
        port: int = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port


class _AnyMethod(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, facade: Facade) -> None:
        self._facade = facade

    def service(self, details: Any) -> Any:
        async def call(message: bytes, context: Any) -> bytes:
            headers = tuple((key.encode(), _bytes(value)) for key, value in context.invocation_metadata())
            body = b"\0" + len(message).to_bytes(4, "big") + message
            reply = await self._facade.reply(Request(b"POST", details.method.encode(), headers, body))
            code, text = status_of(reply)
            if code:
                await context.abort(_CODES[int(code)], text)
            return reply.body[5:]

        return grpc.unary_unary_rpc_method_handler(call)


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
