"""How fast each of the two sides of a backfill is alone, by our own backends without anything between them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, Goal, Spread
from proxy.backfill.target import create_collections
from proxy.config import BackfillConfig, SideConfig
from proxy.model.operation import Consistency, Scan
from proxy.model.point import Point
from proxy.ports import Backend
from proxy.products import BACKENDS
from proxy.store.catalog import StoredCatalog
from proxy.store.store import Store
from tests.servers.sidecar import Server, Sidecar

SHARE: Final = Goal(60, at_least=True)
PAGE: Final = BackfillConfig().page
CONCURRENCY: Final = BackfillConfig().concurrency


def figures(rates: Mapping[str, Sequence[float]], copies: Sequence[float], slower: float, points: int) -> list[Figure]:
    """`rates`: points a second of each side, whoever reads or writes it; `slower`: of the slower side, at its best."""
    shown = {**rates, "backfill": copies}
    share = Spread.of([100 * copy / slower for copy in copies])
    return [
        *(
            Figure(f"{name}, {points} points", statistics.median(each), "points/s", None, str(Spread.of(each)))
            for name, each in shown.items()
        ),
        Figure("backfill, of the slower side alone at its best", share.median, "%", SHARE, str(share)),
    ]


def backfilled(sidecar: Sidecar) -> float:
    """Seconds, of the task alone."""
    sidecar.enter("mirror")
    begun = time.perf_counter()
    sidecar.task("backfill")
    return time.perf_counter() - begun


async def scan_and_put(source: Server, target: Server, collection: str, state: Path) -> tuple[float, float]:
    """Seconds of both."""
    sides = [SideConfig.model_validate(server.settings) for server in (source, target)]
    with ExitStack() as stack:
        store = Store(state)
        stack.callback(store.close)
        catalog = StoredCatalog(store)
        primary, secondary = (BACKENDS[side.product](side, catalog, sides[0].product) for side in sides)
        await catalog.discover(primary)
        await create_collections(secondary, catalog, [collection])
        pages: list[tuple[Point, ...]] = []
        scan = await _timed(lambda: _scan(primary, collection, pages))
        put = await _timed(lambda: _put(secondary, pages))
        await primary.close()
        await secondary.close()
        return scan, put


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
