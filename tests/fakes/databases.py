"""Two databases that outlive the sidecar: they stand in the test's process, and every call to them is a message.

A message takes its time, may get no answer, and one that was on its way when its sender died may land afterwards. What lands
late does so within LATEST seconds after the death or the silence, else never: that is what `mirror.linger` may rely on.
"""

from __future__ import annotations

import asyncio
import pickle
import random
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from fakes.mirror import Catalog
from fakes.sidecar import SourceUpstream, TalkingFrontend

from proxy.backends.memory import MemoryBackend
from proxy.errors import ProxyError, Refused, Unavailable, Uncertain
from proxy.model.feature import Feature, Support
from proxy.model.operation import Consistency, Count, Fetch, Hits, Page, Patch, Put, Scan, SchemaWrite, Search
from proxy.model.place import Place
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema
from proxy.ports import Fit, Reply, Request, ServerInfo

LATEST: Final = 0.05
TRAVEL: Final = (0.0, 0.0, 0.0, 0.001, 0.004)
"""Seconds of each way."""
SILENCE: Final = 0.01
"""Chance that a message is lost to its sender, and yet lands."""
PRODUCTS: Final = {Place.SOURCE: Product.MILVUS, Place.TARGET: Product.QDRANT}
_LENGTH: Final = struct.Struct("!I")

Message: TypeAlias = tuple[int, str, str, tuple[Any, ...]]
"""(life of the sender, place, call, arguments); the call `answer` is a client's request, relayed."""


async def write_message(writer: asyncio.StreamWriter, message: object) -> None:
    body = pickle.dumps(message)
    writer.write(_LENGTH.pack(len(body)) + body)
    await writer.drain()


async def read_message(reader: asyncio.StreamReader) -> Any:
    """Raises EOFError where the other side is gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return pickle.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError) as gone:
        raise EOFError("the other side is gone") from gone


class _Schemas(Catalog):
    """What the source has is what its clients may name."""

    def __init__(self) -> None:
        super().__init__()
        self.source = MemoryBackend(self, Product.MILVUS)
        self.schemas = self.source._schemas


class Databases:
    """`async with` serves them at `path`. `first`: where each value of a collection was written first, in that order."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.path = path
        self._schemas = _Schemas()
        self.source = self._schemas.source
        self.target = MemoryBackend(self._schemas, Product.QDRANT)
        self.first: dict[tuple[str, float], Place] = {}
        self.late = 0
        """Messages that may still land though nobody waits for their answer."""
        self._deaths: dict[int, float] = {}
        self._chance = chance
        self._frontend = TalkingFrontend()
        self._upstream = SourceUpstream(self._frontend, self._schemas, self.source)

    def at(self, place: Place) -> MemoryBackend:
        return self.source if place is Place.SOURCE else self.target

    def died(self, life: int) -> None:
        """Nothing that this life sent is answered any more."""
        self._deaths[life] = time.monotonic()

    async def __aenter__(self) -> Databases:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            life, place, call, given = await read_message(reader)
            silent = time.monotonic() if call in _WRITES and self._chance.random() < SILENCE else None
            if silent is None:
                await asyncio.sleep(self._chance.choice(TRAVEL))
            else:
                writer.close()
            if not await self._arrives(life, silent):
                return
            answer = await self._do(Place(place), call, given)
            if silent is None:
                await asyncio.sleep(self._chance.choice(TRAVEL))
                await write_message(writer, answer)
        except (EOFError, ConnectionError):
            return  # the sender is dead
        finally:
            writer.close()

    async def _arrives(self, life: int, silent: float | None) -> bool:
        """Whether it lands at all; it does so when this returns."""
        since = self._deaths.get(life, silent)
        if since is None:
            return True
        self.late += 1
        await asyncio.sleep(self._chance.uniform(0, LATEST))
        self.late -= 1
        return time.monotonic() < since + LATEST

    async def _do(self, place: Place, call: str, given: tuple[Any, ...]) -> object:
        """No other message lands meanwhile: no call of a memory backend waits for anything."""
        try:
            if call == "answer":
                return await self._answer(place, *given)
            if call == "put":
                self._note(place, given[0])
            return await getattr(self.at(place), call)(*given)
        except ProxyError as error:
            return error

    async def _answer(self, place: Place, request: Request) -> Reply:
        try:
            operation = self._frontend.decode(request, self._schemas)
            if isinstance(operation, Put | Patch):
                self._note(place, operation.points)
            return await self._upstream.answer(request)
        except Refused as error:
            return self._frontend.refuse(request, error)

    def _note(self, place: Place, points: Sequence[Point]) -> None:
        for point in points:
            self.first.setdefault((point.key.collection, point.payload["v"]), place)


_WRITES: Final = frozenset({"put", "remove", "apply", "answer"})


class Remote:
    """A side as a sidecar sees it: ports.Backend."""

    features: Mapping[Feature, Support] = MemoryBackend.features

    def __init__(self, path: Path, life: int, place: Place) -> None:
        self.product = PRODUCTS[place]
        self._path = path
        self._life = life
        self._place = place

    async def call(self, name: str, *given: Any) -> Any:
        lost = Uncertain if name in _WRITES else Unavailable
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            await write_message(writer, (self._life, self._place.value, name, given))
            answer = await read_message(reader)
        except (EOFError, ConnectionError) as error:
            raise lost(f"{self._place} did not answer to {name}") from error
        finally:
            writer.close()
        if isinstance(answer, ProxyError):
            raise answer
        return answer

    async def close(self) -> None:
        return

    def fit(self, schema: Schema) -> Fit:
        return Fit(schema.collection, target={})

    async def ping(self) -> ServerInfo:
        return await self.call("ping")  # type: ignore[no-any-return]

    async def put(self, points: Sequence[Point]) -> None:
        await self.call("put", tuple(points))

    async def remove(self, keys: Sequence[Key]) -> None:
        await self.call("remove", tuple(keys))

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        return await self.call("fetch", fetch)  # type: ignore[no-any-return]

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        return await self.call("scan", scan)  # type: ignore[no-any-return]

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits:
        return await self.call("search", search)  # type: ignore[no-any-return]

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int:
        return await self.call("count", count)  # type: ignore[no-any-return]

    async def duplicates(self, collection: str) -> int:
        return 0

    async def collections(self) -> tuple[str, ...]:
        return await self.call("collections")  # type: ignore[no-any-return]

    async def describe(self, collection: str) -> Schema:
        return await self.call("describe", collection)  # type: ignore[no-any-return]

    async def aliases(self) -> Mapping[str, str]:
        return await self.call("aliases")  # type: ignore[no-any-return]

    async def apply(self, change: SchemaWrite) -> None:
        await self.call("apply", change)

    async def quiesce(self, collection: str) -> None:
        await self.call("quiesce", collection)


class RemoteUpstream(Remote):
    """The source as the relay reaches it."""

    name = "source"

    async def answer(self, request: Request) -> Reply:
        return await self.call("answer", request)  # type: ignore[no-any-return]
