"""A bad network: every message takes its time, some are slow, replies get lost, and what was given up lands all the same.

Owns: delays, time-outs, outages. Not: what a message means (memory backend), who sends it (process).
Nothing lands later than LANDS_WITHIN after it was sent: that is what the mirror's linger promises to wait for.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fakes.sidecar import SourceUpstream, TalkingFrontend

from proxy.backends.memory import MemoryBackend
from proxy.errors import ProxyError, Refused, Unavailable, Uncertain
from proxy.model.feature import Feature, Support
from proxy.model.operation import Consistency, Count, Fetch, Page, Put, Scan, SchemaWrite
from proxy.model.place import Place
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema
from proxy.ports import Catalog, Fit, Reply, Request, ServerInfo

LANDS_WITHIN = 28.0
BACKEND_TIMEOUT = 8.0
CLIENT_TIMEOUT = 15.0
REFUSED_SHARE = 0.05
"""Of the writes that reach the source, by chance."""


class Database(MemoryBackend):
    """One side, reached by all. `seen` is told of every point that lands, at that instant."""

    def __init__(self, place: Place, product: Product, catalog: Catalog) -> None:
        super().__init__(catalog, product)
        self.place = place
        self.down_until = 0.0
        self.last_id = 100
        self.seen: Callable[[Place, Sequence[Point]], None] = lambda place, points: None

    async def put(self, points: Sequence[Point]) -> None:
        await super().put(points)
        self.seen(self.place, points)

    @property
    def catalog(self) -> Catalog:
        """What its clients may name."""
        return self._catalog

    @property
    def schemas(self) -> dict[str, Schema]:
        return self._schemas

    def points(self, collection: str) -> Mapping[Key, Point]:
        return self._points[collection]


@dataclass(eq=False)
class Network:
    """`slow`: share of the messages that take much longer than usual. `tell`: the trace, where somebody reads it."""

    chance: random.Random
    slow: float
    tell: Callable[[str], None] | None = None

    def delay(self) -> float:
        slow = self.chance.uniform(2, 20) if self.chance.random() < self.slow else 0.0
        return min(self.chance.expovariate(1.0) + slow, LANDS_WITHIN)

    async def call(
        self, to: Database, what: str, work: Callable[[], Coroutine[Any, Any, Any]], patience: float, lost: type[Unavailable]
    ) -> Any:
        """It lands after a while, and is answered after another; `lost` where the time-out comes first."""
        loop = asyncio.get_running_loop()
        if loop.time() < to.down_until:
            await asyncio.sleep(0.01)
            raise Unavailable(f"the {to.place} is down")
        answered: asyncio.Future[Any] = loop.create_future()
        loop.call_later(self.delay(), self._land, to, what, work, answered)
        timer = loop.call_later(patience, _fail, answered, lost)
        try:
            return await answered
        finally:
            timer.cancel()

    def _land(
        self, to: Database, what: str, work: Callable[[], Coroutine[Any, Any, Any]], answered: asyncio.Future[Any]
    ) -> None:
        if self.tell is not None:
            self.tell(f"{to.place}: {what} lands{' though it was given up' if answered.done() else ''}")
        result, error = at_once(work())
        asyncio.get_running_loop().call_later(self.delay(), _answer, answered, result, error)


def at_once(work: Coroutine[Any, Any, Any]) -> tuple[Any, ProxyError | None]:
    """Runs a coroutine of the memory backend, which never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value, None
    except ProxyError as error:
        return None, error
    raise AssertionError("the memory backend waited")


def _answer(answered: asyncio.Future[Any], result: Any, error: ProxyError | None) -> None:
    if answered.done():
        return
    if error is None:
        answered.set_result(result)
    else:
        answered.set_exception(error)


def _fail(answered: asyncio.Future[Any], lost: type[Unavailable]) -> None:
    if not answered.done():
        answered.set_exception(lost("no reply in time"))


@dataclass(eq=False)
class Link:
    """ports.Backend: a database as one process reaches it, until that dies."""

    database: Database
    network: Network
    sender: str
    alive: bool = True
    features: Mapping[Feature, Support] = field(default_factory=lambda: MemoryBackend.features)

    @property
    def product(self) -> Product:
        return self.database.product

    async def _call(self, what: str, work: Callable[[], Coroutine[Any, Any, Any]], lost: type[Unavailable]) -> Any:
        assert self.alive, f"{self.sender} is dead and calls {what}"
        return await self.network.call(self.database, f"{self.sender} {what}", work, BACKEND_TIMEOUT, lost)

    async def put(self, points: Sequence[Point]) -> None:
        await self._call(f"put {named(points)}", lambda: self.database.put(points), Uncertain)

    async def remove(self, keys: Sequence[Key]) -> None:
        await self._call(f"remove {[key.id for key in keys]}", lambda: self.database.remove(keys), Uncertain)

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        what = f"fetch {[key.id for key in fetch.keys]}"
        found: dict[Key, Point] = await self._call(what, lambda: self.database.fetch(fetch), Unavailable)
        return found

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        page: Page = await self._call("scan", lambda: self.database.scan(scan), Unavailable)
        return page

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int:
        number: int = await self._call("count", lambda: self.database.count(count), Unavailable)
        return number

    async def duplicates(self, collection: str) -> int:
        return 0

    async def collections(self) -> tuple[str, ...]:
        return await self.database.collections()

    async def describe(self, collection: str) -> Schema:
        return await self.database.describe(collection)

    async def aliases(self) -> Mapping[str, str]:
        return await self.database.aliases()

    def fit(self, schema: Schema) -> Fit:
        return self.database.fit(schema)

    async def apply(self, change: SchemaWrite) -> None:
        await self._call(type(change).__name__, lambda: self.database.apply(change), Uncertain)

    async def quiesce(self, collection: str) -> None:
        return

    async def ping(self) -> ServerInfo:
        return await self.database.ping()

    async def close(self) -> None:
        return


def named(points: Sequence[Point]) -> str:
    """For the trace."""
    return ", ".join(f"{point.key.id}={point.payload.get('v', '')}" for point in points)


class Upstream(SourceUpstream):
    """What clients' requests are relayed to: the source, over the network. Some are refused there."""

    def __init__(self, frontend: TalkingFrontend, catalog: Catalog, link: Link) -> None:
        super().__init__(frontend, catalog, link.database)
        self._link = link

    async def answer(self, request: Request) -> Reply:
        link = self._link
        refused = link.network.chance.random() < REFUSED_SHARE
        what = f"a client's {request.path.decode()} {request.body.decode()}{' is refused' if refused else ''}"
        reply: Reply = await link.network.call(
            link.database, what, lambda: self._land(request, refused), CLIENT_TIMEOUT, Uncertain
        )
        return reply

    async def _land(self, request: Request, refused: bool) -> Reply:
        if refused:
            return Reply(400, (), b"the source refuses it")
        if request.path == b"/put_auto":
            return await self._with_ids(request)
        try:
            return await super().answer(request)
        except Refused as error:
            return self._frontend.refuse(request, error)

    async def _with_ids(self, request: Request) -> Reply:
        self._link.database.last_id += 1
        reply = Reply(200, (), f"[{self._link.database.last_id}]".encode())
        write = self._frontend.decode(request, self._catalog, reply)
        assert isinstance(write, Put)
        await self._backend.put(write.points)
        return reply
