"""Two memory backends, a frontend whose requests are numbers, a mirror that is told what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from proxy.backends.memory import MemoryBackend
from proxy.config import ShadowConfig
from proxy.errors import NotFound, ProxyError
from proxy.model.feature import Feature
from proxy.model.operation import Consistency, Count, CreateCollection, Fetch, Hits, Page, Read, Result, Scan, Search, Write
from proxy.model.point import Key, Point
from proxy.model.schema import Metric, Product, Schema, VectorField, VectorKind
from proxy.ports import Catalog, Kind, Outcome, Reply, Request, Route
from proxy.reads import answer
from proxy.shadow.pair import Extras, Pair
from proxy.shadow.sample import Sample
from proxy.shadow.shadow import Shadow
from proxy.shadow.trial import Trials
from proxy.store.samples import Samples
from proxy.store.store import Store

DIM = 8
SCHEMA = Schema("books", {"": VectorField("", VectorKind.DENSE, DIM, Metric.COSINE)}, partitions=("old",))


class Shelf:
    """A catalog of one collection with one alias."""

    def resolve(self, name: str) -> str:
        if name not in ("books", "library"):
            raise NotFound(f"there is no {name}")
        return "books"

    def schema(self, collection: str) -> Schema:
        self.resolve(collection)
        return SCHEMA

    def collections(self) -> tuple[str, ...]:
        return ("books",)

    def aliases(self) -> Mapping[str, str]:
        return {"library": "books"}

    def loaded(self, collection: str) -> bool:
        return True

    def fact(self, name: str) -> str:
        return ""


@dataclass
class Numbers:
    """A frontend: a request's body is the number of its operation, a reply's the number of its result."""

    product: Product = Product.MILVUS
    speaks: frozenset[Feature] = frozenset(Feature)
    max_body: int = 2**20
    operations: list[Read | ProxyError] = field(default_factory=list)
    results: list[Result | ProxyError] = field(default_factory=list)

    def collection(self, request: Request, catalog: Catalog) -> str:
        return "books"

    def decode(self, request: Request, catalog: Catalog, reply: Reply | None = None) -> Write | Read:
        return _given(self.operations[int(request.body)])

    def parse_read(self, request: Request, operation: Read, reply: Reply, catalog: Catalog) -> Result:
        return _given(self.results[int(reply.body)])

    def route(self, method: bytes, path: bytes, role: str) -> Route:
        raise NotImplementedError

    def outcome(self, request: Request, reply: Reply) -> Outcome:
        raise NotImplementedError

    def is_error(self, request: Request, reply: Reply) -> bool:
        raise NotImplementedError

    def encode(self, request: Request, operation: Write | Read, result: Result, catalog: Catalog) -> Reply:
        raise NotImplementedError

    def answer(self, request: Request, catalog: Catalog) -> Reply:
        raise NotImplementedError

    def refuse(self, request: Request, error: ProxyError) -> Reply:
        raise NotImplementedError


def _given(value: Any) -> Any:
    if isinstance(value, ProxyError):
        raise value
    return value


@dataclass
class UnderWay:
    """What the mirror says was touched."""

    keys: frozenset[Key] = frozenset()
    all: bool = False
    position: int = 0
    asked_since: int = -1

    def touched(self, collection: str, since: int) -> UnderWay:
        self.asked_since = since
        return self


class Hands:
    """A clock that stands still; `strike` ends every sleep."""

    def __init__(self) -> None:
        self._sleepers: list[asyncio.Event] = []

    def now(self) -> float:
        return 1000.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        struck = asyncio.Event()
        self._sleepers.append(struck)
        await struck.wait()

    async def strike(self) -> None:
        for struck in self._sleepers:
            struck.set()
        self._sleepers.clear()
        for _ in range(5):
            await asyncio.sleep(0)


class Side(MemoryBackend):
    """A memory backend that can be down or lack something."""

    fault: ProxyError | None = None
    searches = 0

    def check(self) -> None:
        if self.fault is not None:
            raise self.fault

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits:
        self.check()
        self.searches += 1
        return await super().search(search, consistency)

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        self.check()
        return await super().fetch(fetch, consistency)

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        self.check()
        return await super().scan(scan, consistency)

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int:
        self.check()
        return await super().count(count, consistency)


def key(id: int, partition: str | None = None) -> Key:
    return Key("books", partition, id)


def point(id: int, **payload: Any) -> Point:
    vector = np.random.default_rng(id).normal(size=DIM).astype(np.float32)
    return Point(key(id), {"": vector}, {"n": id, **payload})


class Stage:
    """Both sides with the same points, and samples of what the primary really answers."""

    def __init__(self, store: Store) -> None:
        self.catalog = Shelf()
        self.frontend = Numbers()
        self.window = UnderWay()
        self.clock = Hands()
        self.primary = Side(self.catalog, Product.MILVUS)
        self.secondary = Side(self.catalog)
        self.store = store
        self.pair = Pair(self.primary, self.secondary, epoch=1)
        self.trials = Trials(self.frontend, self.catalog, self.window, self.clock, tolerance=1e-5)

    async def fill(self, ids: range) -> None:
        for side in (self.primary, self.secondary):
            await side.apply(CreateCollection(SCHEMA))
            await side.put([point(id) for id in ids])

    async def sample(self, read: Read) -> Sample:
        return self.sample_of(read, await answer(self.primary, read, self.catalog))

    def sample_of(self, read: Read | ProxyError, result: Result | ProxyError) -> Sample:
        self.frontend.operations.append(read)
        self.frontend.results.append(result)
        number = b"%d" % (len(self.frontend.operations) - 1)
        reply = Reply(200, (), b"%d" % (len(self.frontend.results) - 1))
        return Sample(Route(Kind.READ, "Search"), Request(b"POST", b"/search", (), number), reply, 0.01, self.window.position)

    async def finding(self, read: Read, *, noise: bool = False, referee: bool = False) -> Any:
        return await self.trials.run(await self.sample(read), self.pair, Extras(noise, referee))

    def shadow(self, **settings: Any) -> Shadow:
        return Shadow(self.trials, Samples(self.store, keep=100), self.pair, ShadowConfig(**settings), self.clock)


def query(id: int = 10_000) -> Any:
    return np.random.default_rng(id).normal(size=DIM).astype(np.float32)
