"""What the sidecar adds to a call of the application: a search, an upsert, and an upsert whose target is down.

All ways are measured in turn: direct, direct once more (what differs there is noise), relayed, mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, TypeVar

from benchmarks.alternate import Blocks, Way, alternate
from benchmarks.bench import Bench
from benchmarks.calls import BATCH, DIM, Stub, create, searches, upserts
from benchmarks.figures import Figure, Goal
from benchmarks.machine import round_trip
from benchmarks.processes import cpu_seconds
from benchmarks.relay import peers
from tests.servers.sidecar import Sidecar

T = TypeVar("T")

COLLECTION: Final = "latency"
SEARCH_ADDED: Final = Goal(0.15)
UPSERT_ADDED: Final = Goal(1.0)
PAUSE: Final = 0.03
"""Seconds between two writes of an application that leaves its databases some rest."""
CALLS: Final = 10
"""Writes in one block."""
REQUESTS: Final = 100
DIRECT: Final = ("direct", "again")
UPSERT: Final = f"upsert of {BATCH} x {DIM}-d"


def search(bench: Bench) -> list[Figure]:
    with ExitStack() as stack:
        _prepare(bench, points=2000 if bench.quick else 20_000)
        sidecar = bench.sidecar("search", bench.target("search", stack), stack)
        urls = {"direct": bench.milvus.url, "again": bench.milvus.url, "relayed": sidecar.url, **_envoy(bench, stack)}
        stubs = _stubs(stack, urls)
        requests = searches(COLLECTION, REQUESTS)
        ways = {name: Way(_turns(stub.search, requests)) for name, stub in stubs.items()}
        found = alternate(ways, blocks=10 if bench.quick else 80, calls=20)
    hop = Figure("a round trip over TCP to another process: the least that any relay adds here", round_trip(), "ms")
    goals = {name: SEARCH_ADDED if name == "relayed" else None for name in urls if name not in DIRECT}
    return [hop, _plain("a Milvus search, direct", found), *_added("a search", found, goals)]


def writes(bench: Bench) -> list[Figure]:
    with ExitStack() as stack:
        _prepare(bench, points=1000)
        sidecars = {name: _mirroring(bench, name, stack) for name in ("mirrored", "target down")}
        relayed = bench.sidecar("relayed", bench.target("relayed", stack), stack)
        urls = {"direct": bench.milvus.url, "again": bench.milvus.url, "relayed": relayed.url, **_envoy(bench, stack)}
        stubs = _stubs(stack, urls | {name: sidecar.url for name, sidecar in sidecars.items()})
        requests = upserts(COLLECTION, REQUESTS)
        ways = {name: Way(_turns(stub.upsert, requests)) for name, stub in stubs.items()}
        mirrored = sidecars["mirrored"]
        ways["mirrored"] = Way(ways["mirrored"].call, mirrored.drained)
        blocks = 6 if bench.quick else 30
        before = cpu_seconds(mirrored.pid)
        paced = alternate(ways, blocks, CALLS, PAUSE)
        used = 1000 * (cpu_seconds(mirrored.pid) - before) / (CALLS * (blocks + 1))
        busy = alternate(ways, blocks, CALLS)
    cpu = Figure(f"CPU of the sidecar for a mirrored {UPSERT}", used, "ms")
    return [*_write_figures("", paced), *_write_figures(", without pause", busy), cpu]


def _write_figures(how: str, found: Blocks) -> list[Figure]:
    goals = {way: UPSERT_ADDED if way in ("mirrored", "target down") else None for way in found.took if way not in DIRECT}
    return [_plain(f"an {UPSERT}{how}, direct", found), *_added(f"an upsert{how}", found, goals)]


def _plain(name: str, found: Blocks) -> Figure:
    return Figure(f"p50 of {name}", found.median("direct"), "ms")


def _added(name: str, found: Blocks, goals: dict[str, Goal | None]) -> Iterator[Figure]:
    for way, goal in {"again": None, **goals}.items():
        spread = found.added(way, "direct")
        called = "noise: direct against direct" if way == "again" else f"added to {name}, {way}"
        yield Figure(called, spread.median, "ms", goal, str(spread))


def _prepare(bench: Bench, points: int) -> None:
    bench.clear()
    create(bench.direct, COLLECTION, points)


def _envoy(bench: Bench, stack: ExitStack) -> dict[str, str]:
    """What a relay that does nothing else adds on this machine, where it is installed."""
    started = peers.started((peers.PLAIN_ENVOY,), peers.Place(bench.folder, bench.milvus.port, stack))
    return {f"through {name}": f"http://127.0.0.1:{peer.port}" for name, peer in started.items()}


def _mirroring(bench: Bench, name: str, stack: ExitStack) -> Sidecar:
    target = bench.target(name, stack)
    sidecar = bench.sidecar(name, target, stack)
    sidecar.enter("mirror")
    if name == "target down":
        target.kill()
    return sidecar


def _stubs(stack: ExitStack, urls: dict[str, str]) -> dict[str, Stub]:
    stubs = {name: Stub(url) for name, url in urls.items()}
    for stub in stubs.values():
        stack.callback(stub.close)
    return stubs


def _turns(call: Callable[[T], object], requests: Sequence[T]) -> Callable[[int], object]:
    return lambda number: call(requests[number % len(requests)])
