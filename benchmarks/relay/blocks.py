"""The three parts of the run: relayed calls at saturation, mirrored writes until both sides have them, tails at a fixed rate.

Owns: one block of each. Each peer has the same calls in the same turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.processes import cpu_seconds, peak_megabytes, reset_peak
from benchmarks.relay.generator import Generator, Job
from benchmarks.relay.load import Load
from benchmarks.relay.matrix import KB, SMALL, Cell, Kind, Plan, Protocol, Sample, Samples, turns
from benchmarks.relay.peers import Peer

CPU: Final = "cpu_us"
RATE: Final = "rate"
MEMORY: Final = "peak_mb"
SUSTAINED: Final = "sustained"
OFFERED: Final = "offered"
PERCENTILES: Final = {"p50_ms": 50.0, "p99_ms": 99.0, "p99.9_ms": 99.9}
OF_SATURATION: Final = 0.7
LARGE_CALLS: Final = 64
"""In a block of large ones. By seconds many of few would be cut off in the middle, paid for and not counted."""
WARM_CALLS: Final = 20
WARM_WIDTH: Final = 32
WARM_SECONDS: Final = 0.2
BODIES: Final = 256
"""Different writes, so that no two under way are of the same point."""
BODY_BYTES: Final = 32 * KB * KB
"""Of all of them together."""
MIRRORED_BYTES: Final = 16 * KB * KB
"""Of one mirrored block, about."""
ROW_WORK: Final = 16 * KB
"""What a write costs beside its bytes, in bytes: a block of small writes is one of 1,000."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    generator: Generator
    load: Load
    plan: Plan
    say: Say


def relayed(bench: Bench, peers: Mapping[str, Peer], cells: Sequence[Cell]) -> Samples:
    """A peer may know fewer cells: see `takes`."""
    found = []
    for cell in cells:
        bench.say(f"relayed: {cell}")
        taking = [peer for peer in peers.values() if takes(peer.name, cell)]
        for peer in taking:
            _warm(bench, peer, cell)
        found += [_relayed(bench, peer, cell, number) for number, peer in turns(taking, bench.plan.rounds)]
    return Samples(tuple(found))


def takes(peer: str, cell: Cell) -> bool:
    """In phase shadow reads are sampled, and of those the ones that have a meaning to us: Milvus's REST reads have none."""
    return "shadow" not in peer or (cell.kind is Kind.READ and cell.protocol is Protocol.GRPC)


def _relayed(bench: Bench, peer: Peer, cell: Cell, number: int) -> Sample:
    begun = _begin(peer)
    count = max(LARGE_CALLS, cell.in_flight) if cell.size > SMALL else None
    taken = bench.load.saturate(Job(peer.port, cell.call(), cell.connections, cell.streams, bench.plan.seconds, count))
    peer.rest()
    return Sample(peer.name, cell, number, {RATE: taken.rate, **_used(peer, begun, taken.calls)})


def mirrored(bench: Bench, peers: Mapping[str, Peer], cell: Cell) -> Samples:
    """A block ends when the target has all of it: that work is part of the write's cost."""
    bench.say(f"mirrored: {cell}")
    job = _job(cell, count=max(MIRRORED_BYTES // (cell.size + ROW_WORK), 2 * cell.in_flight))
    for peer in peers.values():
        _warm(bench, peer, cell)
    return Samples(tuple(_mirrored(bench, peer, cell, job, n) for n, peer in turns([*peers.values()], bench.plan.rounds)))


def _job(cell: Cell, count: int | None = None) -> Job:
    different = min(BODIES, BODY_BYTES // cell.size)
    return Job(0, cell.call(different), cell.connections, cell.streams, count=count)


def _mirrored(bench: Bench, peer: Peer, cell: Cell, job: Job, number: int) -> Sample:
    begun, since = _begin(peer), time.perf_counter()
    took = bench.generator.run(replace(job, port=peer.port))
    peer.rest()
    sustained = len(took.each) / (time.perf_counter() - since)
    return Sample(peer.name, cell, number, {RATE: took.rate, SUSTAINED: sustained, **_used(peer, begun, len(took.each))})


def tails(bench: Bench, peers: Mapping[str, Peer], cell: Cell, limits: Sequence[str], found: Samples | None = None) -> Samples:
    """All peers at one rate: 70 % of what the slowest of `limits` takes, or of what it sustains where `found` tells that."""
    rate = OF_SATURATION * min(_most(bench, peers[name], cell, found) for name in limits if name in peers)
    bench.say(f"tails: {cell}, {rate:.0f} calls a second")
    job = replace(_job(cell), seconds=bench.plan.tail_seconds, rate=rate)
    samples = []
    for number, peer in turns([*peers.values()], bench.plan.tail_rounds):
        took = bench.generator.run(replace(job, port=peer.port, seed=number))
        peer.rest()
        values = {name: took.percentile(percent) for name, percent in PERCENTILES.items()}
        samples.append(Sample(peer.name, cell, number, {OFFERED: rate, **values}))
    return Samples(tuple(samples))


def _most(bench: Bench, peer: Peer, cell: Cell, found: Samples | None) -> float:
    sustained = None if found is None else found.median(peer.name, cell, SUSTAINED)
    if sustained is not None:
        return sustained
    took = bench.generator.run(replace(_job(cell), port=peer.port, seconds=bench.plan.tail_seconds))
    peer.rest()
    return took.rate


# ---- what all parts share ----


def _warm(bench: Bench, peer: Peer, cell: Cell) -> None:
    """Checks every reply too, which h2load does not."""
    job = _job(cell, count=min(cell.in_flight, WARM_WIDTH) + WARM_CALLS)
    connections = min(cell.connections, WARM_WIDTH)
    bench.generator.run(replace(job, port=peer.port, connections=connections, seconds=WARM_SECONDS))
    peer.rest()


def _begin(peer: Peer) -> float:
    if peer.pid is None:
        return 0.0
    reset_peak(peer.pid)
    return cpu_seconds(peer.pid)


def _used(peer: Peer, begun: float, calls: int) -> dict[str, float]:
    if peer.pid is None:
        return {}
    return {CPU: 1e6 * (cpu_seconds(peer.pid) - begun) / calls, MEMORY: peak_megabytes(peer.pid)}
