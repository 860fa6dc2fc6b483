"""A mirror between two sides that fail as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.plain_frontend import PlainFrontend
from fakes.plain_parts import PlainCatalog, PlainDebts, PlainUnlanded

from proxy.backends.memory import MemoryBackend
from proxy.clock import SystemClock
from proxy.config import JournalConfig, MirrorConfig
from proxy.errors import ProxyError, Uncertain
from proxy.mirror.journal import Journal
from proxy.mirror.mirror import Listing, Mirror, Ticket
from proxy.mirror.parts import Parts, Roles
from proxy.model.operation import Fetch, Patch, Put, Remove, SchemaWrite, Write
from proxy.model.point import Key, Point
from proxy.ports import Frontend, Outcome, Reply, Request


class Watched(MemoryBackend):
    """Fails as it is told, and counts."""

    def __init__(self, catalog: PlainCatalog) -> None:
        super().__init__(catalog)
        self.fails: list[ProxyError] = []
        self.refuses: Callable[[Point], ProxyError | None] = lambda point: None
        self.puts: list[int] = []
        self.fetched = 0
        self.before_put: Callable[[], Any] = lambda: None
        self.silent = 0
        """So many changes of schema get no answer. They land later, at `land`."""
        self.late: list[SchemaWrite] = []
        self.applied: list[SchemaWrite] = []

    async def put(self, points: Sequence[Point]) -> None:
        self.before_put()
        if self.fails:
            raise self.fails.pop(0)
        for each in points:
            if (error := self.refuses(each)) is not None:
                raise error
        self.puts.append(len(points))
        await super().put(points)

    async def apply(self, change: SchemaWrite) -> None:
        if self.silent:
            self.silent -= 1
            self.late.append(change)
            raise Uncertain("no answer")
        self.applied.append(change)
        await super().apply(change)

    async def land(self) -> None:
        """What got no answer takes effect, as often as it was sent."""
        for change in self.late:
            await super().apply(change)
        self.late.clear()

    async def fetch(self, fetch: Fetch, *rest: Any) -> dict[Key, Point]:
        self.fetched += 1
        return await super().fetch(fetch, *rest)

    def values(self, collection: str = "c") -> dict[Any, Any]:
        return {key.id: found.payload["v"] for key, found in self._points.get(collection, {}).items()}


@dataclass
class Stage:
    directory: Path
    catalog: PlainCatalog
    debts: PlainDebts
    source: Watched
    target: Watched
    journal_config: JournalConfig = field(default_factory=JournalConfig)
    config: MirrorConfig = field(default_factory=lambda: MirrorConfig(linger=0.05, retry_max=0.05))
    frontend: Frontend = field(default_factory=PlainFrontend)
    unlanded: PlainUnlanded = field(default_factory=PlainUnlanded)

    def start(self) -> Mirror:
        journal = Journal.open(self.directory, self.journal_config)
        roles = Roles(self.source, self.target, 1)
        self.parts = Parts(journal, self.frontend, self.catalog, self.debts, self.unlanded, roles, self.config, SystemClock())
        self.mirror = Mirror(self.parts)
        self.working = asyncio.ensure_future(self.mirror.run())
        return self.mirror

    async def stop(self) -> None:
        self.working.cancel()
        with suppress(asyncio.CancelledError):
            await self.working
        self.parts.journal.close()

    async def restart(self) -> Mirror:
        await self.stop()
        return self.start()

    def begin(self, asked: Request, listing: Listing | None = None) -> Ticket:
        frontend = self.parts.frontend
        return self.mirror.begin(asked, frontend.route(asked.method, asked.path, "rest"), "rest", listing=listing)

    async def write(self, asked: Request, reply: Reply | None = None, listing: Listing | None = None) -> Ticket:
        """All of it: the primary has it and said so."""
        ticket = self.begin(asked, listing)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket.when_written(lambda error: written.set_result(None))
        await written
        await self.execute(asked, reply)
        self.mirror.end(ticket, Outcome.ACCEPTED, reply)
        return ticket

    async def execute(self, asked: Request, reply: Reply | None = None) -> None:
        operation = self.parts.frontend.decode(asked, self.catalog, reply)
        assert isinstance(operation, Write)
        match operation:
            case Put(points=points) | Patch(points=points):
                await MemoryBackend.put(self.source, points)
            case Remove(keys=keys):
                await self.source.remove(tuple(keys))

    def journal_entries(self) -> int:
        return self.parts.journal.entries

    async def quiet(self) -> None:
        async with asyncio.timeout(60):
            await self.mirror.drained()
