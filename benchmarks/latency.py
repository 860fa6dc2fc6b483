"""What the sidecar adds to a call of an application on Milvus: a search, an upsert, and an upsert whose target is down."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from benchmarks import added
from benchmarks.alternate import Way
from benchmarks.bench import Bench
from benchmarks.calls import Stub, create, searches, upserts
from benchmarks.figures import Figure
from benchmarks.machine import round_trip
from benchmarks.relay.peers import Place
from tests.servers.sidecar import Sidecar

COLLECTION: Final = "latency"


def search(bench: Bench) -> list[Figure]:
    with ExitStack() as stack:
        _prepare(bench, points=2000 if bench.quick else 20_000)
        sidecar = bench.sidecar("search", bench.qdrant("search", stack), stack)
        urls = {"direct": bench.milvus.url, "again": bench.milvus.url, "relayed": sidecar.url, **_between(bench, stack)}
        requests = searches(COLLECTION, added.REQUESTS)
        ways = {name: Way(added.turns(stub.search, requests)) for name, stub in _stubs(stack, urls).items()}
        figures = added.to_searches(ways, bench.quick, "Milvus")
    hop = Figure("a round trip over TCP to another process: the least that any relay adds here", round_trip(), "ms")
    return [hop, *figures]


def writes(bench: Bench) -> list[Figure]:
    with ExitStack() as stack:
        _prepare(bench, points=1000)
        sidecars = {name: _mirroring(bench, name, stack) for name in ("mirrored", "target down")}
        relayed = bench.sidecar("relayed", bench.qdrant("relayed", stack), stack)
        urls = {"direct": bench.milvus.url, "again": bench.milvus.url, "relayed": relayed.url, **_between(bench, stack)}
        stubs = _stubs(stack, urls | {name: sidecar.url for name, sidecar in sidecars.items()})
        requests = upserts(COLLECTION, added.REQUESTS)
        ways = {name: Way(added.turns(stub.upsert, requests)) for name, stub in stubs.items()}
        return added.to_writes(ways, sidecars["mirrored"], bench.quick)


def _prepare(bench: Bench, points: int) -> None:
    bench.clear()
    create(bench.direct, COLLECTION, points)


def _between(bench: Bench, stack: ExitStack) -> dict[str, str]:
    ports = added.between(Place(bench.folder, bench.milvus.port, stack))
    return {way: f"http://127.0.0.1:{port}" for way, port in ports.items()}


def _mirroring(bench: Bench, name: str, stack: ExitStack) -> Sidecar:
    target = bench.qdrant(name, stack)
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
