"""The move of an application from Qdrant to Milvus: how fast the backfill copies, how long a change of primary holds writes."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from typing import Final

import uvloop

from benchmarks import alone, changes
from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.qdrant import filled
from tests.migration.qdrant_load import QdrantLoad, create
from tests.migration.test_odd_data import OF_READS

COLLECTION: Final = "copying"
WORDS: Final = "from Qdrant, REST and gRPC at once"


def backfill(bench: Bench) -> list[Figure]:
    points, rounds = (10_000, 2) if bench.quick else (30_000, 4)
    scans, puts, copies = [], [], []
    with ExitStack() as stack:
        source = filled(bench, "of-copying", COLLECTION, points, stack)
        for number in range(rounds):
            state = bench.folder / f"qdrant-alone-{number}.db"
            bench.clear()
            scan, put = uvloop.run(alone.scan_and_put(source, bench.milvus, COLLECTION, state))
            scans.append(points / scan)
            puts.append(points / put)
            bench.clear()
            with ExitStack() as copy:
                copies.append(points / alone.backfilled(bench.before_qdrant(f"qdrant-copy-{number}", source, copy)))
    rates = {"Qdrant scanned alone, by our backend": scans, "Milvus written alone, by our backend": puts}
    return alone.figures(rates, copies, min(map(statistics.median, rates.values())), points)


def cutover(bench: Bench) -> list[Figure]:
    bench.clear()
    with ExitStack() as stack:
        source = bench.qdrant("of-changes", stack)
        client = source.client(prefer_grpc=False)
        create(client, range(changes.ROWS))
        client.close()
        sidecar = bench.before_qdrant("qdrant-changes", source, stack, **changes.SETTINGS)
        load = stack.enter_context(QdrantLoad(sidecar.url, sidecar.grpc_port, changes.ROWS))
        held, memory = changes.changed(sidecar, load, WORDS, bench.quick, OF_READS)
    return [held, changes.errors(load.errors, load.calls, WORDS), memory]
