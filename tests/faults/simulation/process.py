"""One sidecar: the real parts, composed as proxy.app does it, on disks that survive it and over a bad network.

Owns: its life and its deaths. Not: what it is asked to do (clients, operator), what must come of it (judge).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any, TypeVar

from fakes.sidecar import FakeExchange, TalkingFrontend, relayed
from faults.simulation.network import Database, Link, Network, Upstream
from faults.simulation.virtual_disk import Disk, VirtualStore, VirtualWriter
from faults.simulation.virtual_time import VirtualClock

from proxy.app import Stored, compose
from proxy.config import Config
from proxy.control.operator import Operator, Standing
from proxy.errors import ProxyError
from proxy.mirror.journal import Journal, contents
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.ports import RelayTo, Reply, Request
from proxy.routing.sides import Side, Sides
from proxy.store.catalog import StoredCatalog
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.ledger import Ledger
from proxy.store.migration import Migration
from proxy.store.samples import Samples
from proxy.store.unlanded import Unlanded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What outlives every process. `committed` is told of each transaction of a state database, at that instant."""

    config: Config
    source: Database
    target: Database
    network: Network
    clock: VirtualClock
    committed: Callable[[Connection], None]


class Process:
    def __init__(self, name: str, disk: Disk, around: Surroundings) -> None:
        self.name = name
        self._disk = disk
        self._around = around
        self.deaths = 0

    # ---- life and death ----

    def start(self) -> None:
        around, config = self._around, self._around.config
        self._store = VirtualStore(self._disk, around.committed)
        self._writer = VirtualWriter(self._disk)
        stored = _stored(self._store, around.clock, config)
        self._links = [Link(database, around.network, self.name) for database in (around.source, around.target)]
        frontend = TalkingFrontend()
        source, target = self._links
        sides = Sides(
            Side(Place.SOURCE, source.product, source, {"rest": Upstream(frontend, around.source.catalog, source)}, 30.0),
            Side(Place.TARGET, target.product, target, {}, 30.0),
        )
        journal = Journal(self._writer, contents(self._disk.journal), config.journal)
        self.parts = compose(config, frontend, stored, sides, journal, {}, around.clock)
        self.parts.router.enter(stored.migration.phase)
        self.operator = Operator(self.parts, Standing(config, started=True))
        works = (self.parts.mirror.run(), self.parts.tasks.run())
        # In order, unlike a set: they die in the same order in every run of a seed.
        self._inside = dict.fromkeys(asyncio.ensure_future(work) for work in works)

    async def crash(self) -> None:
        """Nothing of the process remains but what is on the disk; what is on the network goes on. It starts again at once."""
        self._writer.die()
        self._store.die()
        for link in self._links:
            link.alive = False
        dying, router = self._inside, self.parts.router
        for task in dying:
            task.cancel()
        self.deaths += 1
        self.start()
        await asyncio.gather(*dying, router.close(), return_exceptions=True)

    async def stop(self) -> None:
        """Raises what any of its parts died of."""
        for task in self._inside:
            task.cancel()
        ends = await asyncio.gather(*self._inside, return_exceptions=True)
        await self.parts.router.close()
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end

    async def within(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Runs inside the process, and dies with it: None."""
        task = asyncio.ensure_future(work)
        self._inside[task] = None
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            self._inside.pop(task, None)
        return None if task.cancelled() else task.result()

    # ---- what clients see ----

    async def ask(self, request: Request) -> Reply | None:
        """None: no reply, so nobody knows."""
        try:
            return await self.within(self._served(request))
        except ProxyError:
            return None

    async def _served(self, request: Request) -> Reply:
        exchange = FakeExchange(request)
        self.parts.router.begin(exchange, "rest")
        decision: Reply | RelayTo | None = exchange.said.relay
        if exchange.said.work is not None:
            decision = await exchange.said.work(request)
        assert decision is not None
        return decision if isinstance(decision, Reply) else await relayed(decision, request)


def _stored(store: VirtualStore, clock: VirtualClock, config: Config) -> Stored:
    return Stored(
        store=store,
        catalog=StoredCatalog(store),
        debts=Debts(store, clock),
        unlanded=Unlanded(store),
        migration=Migration(store, clock, Phase.MIRROR),
        ledger=Ledger(store, clock),
        checkpoints=Checkpoints(store),
        samples=Samples(store, config.shadow.keep),
    )
