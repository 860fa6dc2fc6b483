"""A whole sidecar without sockets: the real parts, composed as proxy.app does it, between two memory backends.

Requests go in as the relay would bring them; the source answers what is relayed to it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, cast

from fakes.plain_frontend import ROUTES, PlainFrontend, point, schema_of

from proxy.app import Stored, compose
from proxy.backends.memory import MemoryBackend
from proxy.clock import SystemClock
from proxy.config import parse
from proxy.control.operator import Operator, Standing
from proxy.errors import ProxyError, Unavailable, Uncertain
from proxy.mirror.journal import Journal
from proxy.model.feature import Feature
from proxy.model.operation import Count, CreateCollection, Done, Fetch, Read, Result, Write, selections
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.model.point import Key
from proxy.model.schema import Product
from proxy.ports import Catalog, Headers, Kind, RelayTo, Reply, Request, Route, Work
from proxy.reads import answer
from proxy.routing import execute
from proxy.routing.router import Router
from proxy.routing.sides import Side, Sides
from proxy.store.migration import Decision
from proxy.store.state_dir import Identity, StateDir

READ_ROUTES = {
    b"/get": Route(Kind.READ, "get"),
    b"/count": Route(Kind.READ, "count"),
    b"/hello": Route(Kind.ADMIN, "hello"),
    b"/odd": Route(Kind.OPAQUE, "odd"),
    b"/import": Route(Kind.OPAQUE, "import", changes_data=True),
}


class TalkingFrontend(PlainFrontend):
    """PlainFrontend with reads, answers and refusals, of the source's product."""

    product = Product.MILVUS
    speaks = frozenset(Feature)

    def route(self, method: bytes, path: bytes, role: str) -> Route:
        return ROUTES.get(path) or READ_ROUTES[path]

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        if request.path not in READ_ROUTES:
            return super().decode(request, catalog, reply)
        body = json.loads(request.body)
        collection = catalog.resolve(body["c"])
        if request.path == b"/count":
            return Count(collection)
        return Fetch(collection, tuple(Key(collection, None, number) for number in body["ids"]))

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply:
        match result:
            case dict():
                body: Any = {str(key.id): found.payload["v"] for key, found in result.items()}
            case Done():
                body = list(result.ids)
            case _:
                body = result
        return Reply(200, (), json.dumps(body).encode())

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        return Reply(200, (), b'"hello"')

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        return Reply(503 if isinstance(error, Unavailable) else 400, (), str(error).encode())

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        body = json.loads(reply.body)
        if isinstance(operation, Count):
            return int(body)
        return {Key(operation.collection, None, int(id)): point(operation.collection, int(id), v) for id, v in body.items()}


class Answering(Protocol):
    """An upstream that can be asked without a socket."""

    name: str

    async def answer(self, request: Request) -> Reply: ...


class SourceUpstream:
    """What is relayed reaches the source's backend. `before`: awaited first, and may raise instead of an answer."""

    name = "source"

    def __init__(self, frontend: TalkingFrontend, catalog: Catalog, backend: MemoryBackend) -> None:
        self._frontend = frontend
        self._catalog = catalog
        self._backend = backend
        self.before: Callable[[Request], Awaitable[Reply | None]] | None = None
        self.asked: list[Request] = []

    async def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.before is not None and (reply := await self.before(request)) is not None:
            return reply
        route = self._route(request)
        if route.kind in (Kind.OPAQUE, Kind.ADMIN):
            return Reply(200, (), b'"source"')
        operation = self._frontend.decode(request, self._catalog)
        if route.kind is Kind.READ:
            return self._encoded(request, operation, await answer(self._backend, operation, self._catalog))
        if route.kind is Kind.SCHEMA:
            await self._backend.apply(operation)
            return Reply(200, (), b"[]")
        wanted = selections(operation)
        listed = await execute.matching(self._backend, wanted[0], 1000) if wanted else ()
        return self._encoded(request, operation, await execute.write(self._backend, operation, listed or ()))

    def _route(self, request: Request) -> Route:
        return self._frontend.route(request.method, request.path, "rest")

    def _encoded(self, request: Request, operation: Any, result: Result) -> Reply:
        return self._frontend.encode(request, operation, result, self._catalog)


@dataclass
class Said:
    """What the handler decided: one of both."""

    relay: RelayTo | None = None
    work: Work | None = None


class FakeExchange:
    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.path = request.path
        self.authority = dict(request.headers).get(b"host", b"")
        self.said = Said()
        self._headers = request.headers

    def headers(self) -> Headers:
        return self._headers

    def relay(self, to: RelayTo) -> None:
        assert self.said == Said()
        self.said.relay = to

    def serve(self, work: Work) -> None:
        assert self.said == Said()
        self.said.work = work


class Sidecar:
    """`async with Sidecar(directory, phase="mirror", settings...) as sidecar:`; has the empty collection `c` on both sides."""

    products = (Product.MILVUS, Product.QDRANT)
    schema = schema_of("c")
    roles: tuple[str, ...] = ("rest",)

    def __init__(self, directory: Path, phase: str = "mirror", **settings: Any) -> None:
        self.clock = SystemClock()
        self.config = parse(
            {
                "source": {"product": self.products[0], "url": "http://source:1"},
                "target": {"product": self.products[1], "url": "http://target:1"},
                "listen": dict.fromkeys(self.roles, "127.0.0.1:0"),
                "state": str(directory),
                "routing": {"phase": phase} | settings.pop("routing", {}),
                "relay": {"bridge": 0.3} | settings.pop("relay", {}),
                "gates": {"min_samples": 1, "recall": 0.1, "latency_ratio": 1e6} | settings.pop("gates", {}),
            }
            | settings
        )
        self.frontend = self._speaking()
        self._stack = AsyncExitStack()

    def _speaking(self) -> Any:
        return TalkingFrontend()

    async def __aenter__(self) -> Self:
        state = StateDir(self.config.state, self.clock)
        await state.acquire(Identity.of(self.config.source, self.config.target))
        self._stack.callback(state._unlock)
        stored = Stored.open(state, self.config, self.clock, self._stack)
        self.source, self.target = (MemoryBackend(stored.catalog, product) for product in self.products)
        self.upstream = SourceUpstream(self.frontend, stored.catalog, self.source)
        journal = Journal.open(state.path, self.config.journal)
        self._stack.callback(journal.close)
        await self._make_collection(stored)
        self.parts = compose(self.config, self.frontend, stored, self._sides(), journal, {}, self.clock)
        self._stack.push_async_callback(self.parts.router.close)
        self.parts.router.enter(stored.migration.phase)
        self.standing = Standing(self.config, started=True)
        self.operator = Operator(self.parts, self.standing)
        if self.config.target is not None:
            await self._run()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _sides(self) -> Sides:
        source = Side(Place.SOURCE, self.products[0], self.source, dict.fromkeys(self.roles, self.upstream), 30.0)
        target = Side(Place.TARGET, self.products[1], self.target, {}, 30.0)
        return Sides(source, target if self.config.target else None)

    async def _make_collection(self, stored: Stored) -> None:
        for side in (self.source, self.target):
            await side.apply(CreateCollection(self.schema))
        await stored.catalog.put(self.schema)

    async def _run(self) -> None:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        jobs = (self.parts.mirror, self.parts.shadow, self.parts.tasks)
        running = [group.create_task(job.run()) for job in jobs]
        self._stack.callback(lambda: [task.cancel() for task in running])
        await asyncio.sleep(0)

    # ---- the client ----

    def begin(self, request: Request) -> Said:
        return begin(self.parts.router, request)

    async def ask(self, request: Request) -> Reply:
        """One request to its reply; cancelled when the client leaves."""
        return await self.see(self.begin(request), request)

    async def see(self, said: Said, request: Request) -> Reply:
        return await see(said, request)

    async def get(self, *ids: int) -> Any:
        return json.loads((await self.ask(_request("get", ids=ids))).body)

    async def drained(self) -> None:
        async with asyncio.timeout(5):
            await self.parts.mirror.drained()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110  for what nobody rings a bell for
                await asyncio.sleep(0.005)

    async def change(self, phase: Phase) -> Any:
        return await self.parts.change.run(phase, Decision("test", "test"))

    async def both(self) -> tuple[dict[int, float], dict[int, float]]:
        """id -> value on the source and on the target."""
        return _values(self.source), _values(self.target)


def begin(router: Router, request: Request, role: str = "rest") -> Said:
    exchange = FakeExchange(request)
    router.begin(exchange, role)
    return exchange.said


async def see(said: Said, request: Request) -> Reply:
    decision: Reply | RelayTo | None = said.relay
    if said.work is not None:
        decision = await said.work(request)
    assert decision is not None
    return decision if isinstance(decision, Reply) else await relayed(decision, request)


def _values(backend: MemoryBackend) -> dict[int, float]:
    return {int(key.id): found.payload["v"] for key, found in backend._points["c"].items()}


def _request(path: str, **fields: Any) -> Request:
    return Request(b"POST", f"/{path}".encode(), (), json.dumps({"c": "c", **fields}).encode())


async def relayed(to: RelayTo, request: Request) -> Reply:
    """As proxy.net does it with and without a tap; a client that leaves cancels."""
    upstream = cast(Answering, to.upstream)
    tap = to.tap
    if tap is None:
        try:
            return await upstream.answer(request)
        finally:
            if to.ended is not None:
                to.ended()
    sent = replied = False
    try:
        instead = await _gone(lambda go: tap.request(request, go))
        if instead is not None:
            tap.failed(Unavailable("answered"), sent=False)
            return instead
        sent = True
        reply = await upstream.answer(request)
        replied = True
        instead = await _gone(lambda go: tap.reply(reply, go))
    except (asyncio.CancelledError, ProxyError):
        if replied:
            tap.done(None)
        else:
            tap.failed(Uncertain("the client left") if sent else Unavailable("the client left"), sent=sent)
        raise
    tap.done(reply)
    return instead or reply


async def _gone(register: Callable[[Callable[[Reply | None], None]], None]) -> Reply | None:
    went: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
    register(lambda reply: None if went.done() else went.set_result(reply))
    return await went
