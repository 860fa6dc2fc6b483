"""The move of an application from Qdrant to Milvus: how fast the backfill copies, how long a change of primary holds writes."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median
from typing import Final

import uvloop

from benchmarks import alone, changes
from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.qdrant import filled
from tests.migration.qdrant_load import QdrantLoad, create
from tests.migration.test_odd_data import OF_READS
from tests.servers.qdrant import QdrantServer

COLLECTION: Final = "copying"
WORDS: Final = "from Qdrant, REST and gRPC at once"


def backfill(bench: Bench) -> list[Figure]:
    """Until all points are written; and until Milvus has flushed and indexed them too, which for many it does for a minute."""
    points, rounds = (10_000, 2) if bench.quick else (150_000, 3)
    with ExitStack() as stack:
        source = filled(bench, "of-copying", COLLECTION, points, stack)
        found = [(_alone(bench, source, number), _copied(bench, source, number, points)) for number in range(rounds)]
    sides, copies = [took for took, _ in found], [copy for _, copy in found]
    written, whole = [points / copy.written for copy in copies], [points / copy.whole for copy in copies]
    scans, puts = [points / took.scan for took in sides], [points / took.put for took in sides]
    readied = [points / (took.put + took.ready) for took in sides]
    rates = {"Qdrant scanned alone, by our backend": scans, "Milvus written alone, by our backend": puts}
    ready = median(took.ready for took in sides)
    return [
        *alone.figures(rates, written, min(median(scans), median(puts)), points),
        Figure(f"a collection of {points} points made, flushed and indexed on Milvus, alone", ready, "s"),
        alone.share("backfill with that, of the slower side with it", whole, min(median(scans), median(readied))),
    ]


def _alone(bench: Bench, source: QdrantServer, number: int) -> alone.Took:
    bench.clear()
    return uvloop.run(alone.measured(source, bench.milvus, COLLECTION, bench.folder / f"qdrant-alone-{number}.db"))


def _copied(bench: Bench, source: QdrantServer, number: int, points: int) -> alone.Copied:
    bench.clear()
    with ExitStack() as stack:
        return alone.backfilled(bench.before_qdrant(f"qdrant-copy-{number}", source, stack), points)


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
