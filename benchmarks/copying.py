"""How fast the backfill copies from Milvus to Qdrant, beside what each of the two sides gives alone."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import Final

import uvloop
from qdrant_client import QdrantClient
from qdrant_client.models import Batch, Distance, VectorParams

from benchmarks import alone
from benchmarks.alone import PAGE
from benchmarks.bench import Bench
from benchmarks.calls import DIM, create, vectors
from benchmarks.figures import Figure

COLLECTION: Final = "copying"


def backfill(bench: Bench) -> list[Figure]:
    points, rounds = (10_000, 2) if bench.quick else (30_000, 4)
    bench.clear()
    create(bench.direct, COLLECTION, points)
    scans, client_scans, puts, client_puts, copies = [], [], [], [], []
    for number in range(rounds):
        with ExitStack() as stack:
            target, state = bench.qdrant(f"alone-{number}", stack), bench.folder / f"alone-{number}.db"
            took = uvloop.run(alone.measured(bench.milvus, target, COLLECTION, state))
            scans.append(points / took.scan)
            puts.append(points / took.put)
            sidecar = bench.sidecar(f"copy-{number}", bench.qdrant(f"copy-{number}", stack), stack)
            copies.append(points / alone.backfilled(sidecar, points).whole)
            client_scans.append(points / _client_scan(bench))
            client_puts.append(points / _client_put(bench, number, points, stack))
    rates = {
        "source scanned alone, by our backend": scans,
        "source scanned alone, by pymilvus's iterator": client_scans,
        "target written alone, by our backend": puts,
        "target written alone, by qdrant-client": client_puts,
    }
    slower = min(
        statistics.median(max(scans, client_scans, key=statistics.median)),
        statistics.median(max(puts, client_puts, key=statistics.median)),
    )
    return alone.figures(rates, copies, slower, points)


# ---- what the products' own clients do ----


def _client_scan(bench: Bench) -> float:
    begun = time.perf_counter()
    pages = bench.direct.query_iterator(COLLECTION, batch_size=PAGE, output_fields=["*"], consistency_level="Strong")
    while pages.next():
        pass
    pages.close()
    return time.perf_counter() - begun


def _client_put(bench: Bench, number: int, points: int, stack: ExitStack) -> float:
    client: QdrantClient = bench.qdrant(f"client-{number}", stack).client(prefer_grpc=True)
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
