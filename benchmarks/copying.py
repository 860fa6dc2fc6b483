"""How fast the backfill copies, beside what each of the two sides gives alone."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import uvloop
from qdrant_client import QdrantClient
from qdrant_client.models import Batch, Distance, VectorParams

from benchmarks.bench import Bench
from benchmarks.calls import DIM, create, vectors
from benchmarks.figures import Figure, Goal, Spread
from proxy.backends.milvus.backend import MilvusBackend
from proxy.backends.qdrant.backend import QdrantBackend
from proxy.backfill.target import create_collections
from proxy.config import BackfillConfig, SideConfig
from proxy.model.operation import Consistency, Scan
from proxy.model.point import Point
from proxy.model.schema import Product
from proxy.ports import Backend
from proxy.store.catalog import StoredCatalog
from proxy.store.store import Store
from tests.servers.qdrant import QdrantServer

COLLECTION: Final = "copying"
SHARE: Final = Goal(60, at_least=True)
PAGE: Final = BackfillConfig().page
CONCURRENCY: Final = BackfillConfig().concurrency


def backfill(bench: Bench) -> list[Figure]:
    points, rounds = (10_000, 2) if bench.quick else (30_000, 4)
    bench.clear()
    create(bench.direct, COLLECTION, points)
    scans, client_scans, puts, client_puts, copies = [], [], [], [], []
    for number in range(rounds):
        with ExitStack() as stack:
            scan, put = uvloop.run(_alone(bench, bench.target(f"alone-{number}", stack), bench.folder / f"alone-{number}.db"))
            scans.append(points / scan)
            puts.append(points / put)
            copies.append(points / _copy(bench, number, stack))
            client_scans.append(points / _client_scan(bench))
            client_puts.append(points / _client_put(bench, number, points, stack))
    shown = {
        "source scanned alone, by our backend": scans,
        "source scanned alone, by pymilvus's iterator": client_scans,
        "target written alone, by our backend": puts,
        "target written alone, by qdrant-client": client_puts,
        "backfill": copies,
    }
    slower = min(
        statistics.median(max(scans, client_scans, key=statistics.median)),
        statistics.median(max(puts, client_puts, key=statistics.median)),
    )
    share = Spread.of([100 * copy / slower for copy in copies])
    return [
        *(
            Figure(f"{name}, {points} points", statistics.median(rates), "points/s", None, str(Spread.of(rates)))
            for name, rates in shown.items()
        ),
        Figure("backfill, of the slower side alone at its best", share.median, "%", SHARE, str(share)),
    ]


def _copy(bench: Bench, number: int, stack: ExitStack) -> float:
    """Seconds, of the task alone."""
    sidecar = bench.sidecar(f"copy-{number}", bench.target(f"copy-{number}", stack), stack)
    sidecar.enter("mirror")
    begun = time.perf_counter()
    sidecar.task("backfill")
    return time.perf_counter() - begun


# ---- alone: the same backends, without anything between them ----


async def _alone(bench: Bench, target: QdrantServer, state: Path) -> tuple[float, float]:
    """Seconds to scan, seconds to put."""
    with ExitStack() as stack:
        store = Store(state)
        stack.callback(store.close)
        catalog = StoredCatalog(store)
        source = MilvusBackend(SideConfig(product=Product.MILVUS, url=bench.milvus.url), catalog)
        secondary = QdrantBackend(SideConfig(product=Product.QDRANT, url=target.url, grpc_url=target.grpc_url), catalog)
        await catalog.discover(source)
        await create_collections(secondary, catalog, [COLLECTION])
        pages: list[tuple[Point, ...]] = []
        scan = await _timed(lambda: _scan(source, pages))
        put = await _timed(lambda: _put(secondary, pages))
        await source.close()
        await secondary.close()
        return scan, put


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def _scan(source: Backend, pages: list[tuple[Point, ...]]) -> None:
    end = False
    while not end:
        after = pages[-1][-1].key if pages else None
        page = await source.scan(Scan(COLLECTION, PAGE, after), Consistency.LATEST)
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


# ---- what the products' own clients do ----


def _client_scan(bench: Bench) -> float:
    begun = time.perf_counter()
    pages = bench.direct.query_iterator(COLLECTION, batch_size=PAGE, output_fields=["*"], consistency_level="Strong")
    while pages.next():
        pass
    pages.close()
    return time.perf_counter() - begun


def _client_put(bench: Bench, number: int, points: int, stack: ExitStack) -> float:
    client: QdrantClient = bench.target(f"client-{number}", stack).client(prefer_grpc=True)
    stack.callback(client.close)
    client.create_collection(COLLECTION, vectors_config=VectorParams(size=DIM, distance=Distance.EUCLID))
    batches = [_batch(first, min(PAGE, points - first)) for first in range(0, points, PAGE)]
    begun = time.perf_counter()
    for batch in batches:
        client.upsert(COLLECTION, batch, wait=True)
    return time.perf_counter() - begun


def _batch(first: int, count: int) -> Batch:
    ids = range(first, first + count)
    payloads = [{"bucket": id % 10, "name": f"n{id}"} for id in ids]
    return Batch(ids=[*ids], vectors=vectors(count, first).tolist(), payloads=payloads)
