"""How fast each of the two sides of a backfill is alone, by our own backends without anything between them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, Goal, Spread
from proxy.config import BackfillConfig, SideConfig
from proxy.model.operation import Consistency, CreateCollection, Scan
from proxy.model.point import Point
from proxy.ports import Backend
from proxy.products import BACKENDS
from proxy.store.catalog import StoredCatalog
from proxy.store.store import Store
from tests.servers.sidecar import Server, Sidecar, wait_until

SHARE: Final = Goal(60, at_least=True)
PAGE: Final = BackfillConfig().page
CONCURRENCY: Final = BackfillConfig().concurrency


def figures(rates: Mapping[str, Sequence[float]], copies: Sequence[float], slower: float, points: int) -> list[Figure]:
    """`rates`: points a second of each side, whoever reads or writes it; `slower`: of the slower side, at its best."""
    shown = {**rates, "backfill": copies}
    return [
        *(
            Figure(f"{name}, {points} points", statistics.median(each), "points/s", None, str(Spread.of(each)))
            for name, each in shown.items()
        ),
        share("backfill, of the slower side alone at its best", copies, slower, SHARE),
    ]


PATIENCE: Final = 900.0
"""Seconds. Milvus builds the index of what was copied, on the cores that everybody shares."""


def share(name: str, copies: Sequence[float], slower: float, goal: Goal | None = None) -> Figure:
    shares = Spread.of([100 * copy / slower for copy in copies])
    return Figure(name, shares.median, "%", goal, str(shares))


@dataclass(frozen=True, slots=True)
class Copied:
    """Seconds of a backfill. `written`: until the target had all points; `whole`: until it had stored and indexed them."""

    written: float
    whole: float


def backfilled(sidecar: Sidecar, points: int) -> Copied:
    sidecar.enter("mirror")
    begun = time.perf_counter()
    sidecar.post("/v1/tasks/backfill")
    wait_until(lambda: sidecar.progress("backfill")["done"] >= points, PATIENCE, lambda: sidecar.progress("backfill"))
    written = time.perf_counter() - begun
    sidecar.ended("backfill", PATIENCE)
    return Copied(written, time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds. `ready`: to make the collection before it is written, and to have all of it stored and indexed afterwards."""

    scan: float
    put: float
    ready: float


async def measured(source: Server, target: Server, collection: str, state: Path) -> Took:
    sides = [SideConfig.model_validate(server.settings) for server in (source, target)]
    with ExitStack() as stack:
        store = Store(state)
        stack.callback(store.close)
        catalog = StoredCatalog(store)
        primary, secondary = (BACKENDS[side.product](side, catalog, sides[0].product) for side in sides)
        await catalog.discover(primary)
        made = await _timed(lambda: secondary.apply(CreateCollection(catalog.schema(collection))))
        pages: list[tuple[Point, ...]] = []
        scan = await _timed(lambda: _scan(primary, collection, pages))
        put = await _timed(lambda: _put(secondary, pages))
        stored = await _timed(lambda: secondary.quiesce(collection))
        await primary.close()
        await secondary.close()
        return Took(scan, put, made + stored)


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def _scan(source: Backend, collection: str, pages: list[tuple[Point, ...]]) -> None:
    end = False
    while not end:
        after = pages[-1][-1].key if pages else None
        page = await source.scan(Scan(collection, PAGE, after), Consistency.LATEST)
        end = page.end or not page.points
        if page.points:
            pages.append(page.points)


async def _put(secondary: Backend, pages: list[tuple[Point, ...]]) -> None:
    waiting = iter(pages)

    async def work() -> None:
        for page in waiting:
            await secondary.put(page)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(work())
