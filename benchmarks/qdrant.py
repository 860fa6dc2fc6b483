"""What the sidecar adds to a call of an application on Qdrant that moves to Milvus, by REST and by gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from benchmarks import added
from benchmarks.alternate import Way
from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.qdrant_calls import PROTOCOLS, Calls, Ends, create, searches, upserts
from benchmarks.relay.peers import Place
from tests.servers.fault_proxy import FaultProxy
from tests.servers.moods import Mood
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import QdrantSidecar

COLLECTION: Final = "latency"


def search(bench: Bench) -> list[Figure]:
    with ExitStack() as stack:
        source = filled(bench, "of-search", COLLECTION, 2000 if bench.quick else 20_000, stack)
        relayed = bench.before_qdrant("qdrant-search", source, stack)
        ends = {**_direct(source), "relayed": _ends(relayed), **_between(bench, source, stack)}
        calls = searches(COLLECTION, added.REQUESTS)
        return [
            figure
            for protocol in PROTOCOLS
            for figure in added.to_searches(_ways(protocol, ends, calls, stack), bench.quick, "Qdrant", f", {protocol}")
        ]


def writes(bench: Bench) -> list[Figure]:
    with ExitStack() as stack:
        source = filled(bench, "of-writes", COLLECTION, 1000, stack)
        down = _without_target(bench, source, stack)
        mirrored = bench.before_qdrant("qdrant-mirrored", source, stack)
        mirrored.enter("mirror")
        relayed = bench.before_qdrant("qdrant-relayed", source, stack)
        ends = {**_direct(source), "relayed": _ends(relayed), **_between(bench, source, stack)}
        ends |= {"mirrored": _ends(mirrored), "target down": _ends(down)}
        calls = upserts(COLLECTION, added.REQUESTS)
        return [
            figure
            for protocol in PROTOCOLS
            for figure in added.to_writes(_ways(protocol, ends, calls, stack), mirrored, bench.quick, f", {protocol}")
        ]


def filled(bench: Bench, name: str, collection: str, points: int, stack: ExitStack) -> QdrantServer:
    """A source with one collection, and Milvus empty."""
    bench.clear()
    source = bench.qdrant(name, stack)
    client = source.client(prefer_grpc=True)
    create(client, collection, points)
    client.close()
    return source


def _without_target(bench: Bench, source: QdrantServer, stack: ExitStack) -> QdrantSidecar:
    """It mirrors to a Milvus that nobody can reach any more; the one that there is stays empty."""
    way = stack.enter_context(FaultProxy(bench.milvus.url))
    sidecar = bench.before_qdrant("qdrant-down", source, stack, target={"url": way.url})
    sidecar.enter("mirror")
    stack.enter_context(way.failing(Mood(listens=False)))
    bench.clear()
    return sidecar


def _direct(source: QdrantServer) -> dict[str, Ends]:
    return dict.fromkeys(added.DIRECT, Ends(source.port, source.grpc_port))


def _ends(sidecar: QdrantSidecar) -> Ends:
    return Ends(sidecar.port, sidecar.grpc_port)


def _between(bench: Bench, source: QdrantServer, stack: ExitStack) -> dict[str, Ends]:
    """One for each port."""
    rest, grpc = (
        added.between(Place(bench.folder / name, port, stack))
        for name, port in (("before-rest", source.port), ("before-grpc", source.grpc_port))
    )
    return {way: Ends(rest[way], grpc[way]) for way in rest}


def _ways(protocol: str, ends: Mapping[str, Ends], calls: Calls, stack: ExitStack) -> dict[str, Way]:
    return {name: Way(stack.enter_context(PROTOCOLS[protocol](end, calls))) for name, end in ends.items()}
