"""One run of it all: starts the peers of each part beside one upstream, measures, and ends them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import ENVOY, H2LOAD, NGINX, PACKAGES, absent
from benchmarks.relay import blocks, peers
from benchmarks.relay.blocks import Bench
from benchmarks.relay.bodies import dim_of
from benchmarks.relay.generator import Generator
from benchmarks.relay.load import Load
from benchmarks.relay.matrix import FULL, KB, MIRRORED, MIRRORED_TAILS, QUICK, TAILS, Cell, Samples
from benchmarks.relay.upstream import upstream

NEVER = (
    "vecferry in phase shadow relays Milvus's REST reads unsampled (they have no meaning in its model), so it stands in the "
    "table for gRPC reads only; nor do Envoy and nginx have anything like it",
    "a write mirrored from Milvus's REST API is read back from the source by its key; this upstream says that the row is gone, "
    "so the target is told to remove it",
)
"""Combinations that do not exist, and what stands in for them."""


@dataclass(frozen=True, slots=True)
class Results:
    relayed: Samples
    mirrored: Samples
    tails: Samples
    mirrored_tails: Samples
    generator: str
    """What saturated the peers."""
    notes: tuple[str, ...]

    def documents(self) -> dict[str, list[dict[str, Any]]]:
        parts = {"relayed": self.relayed, "mirrored": self.mirrored, "tails": self.tails, "mirrored_tails": self.mirrored_tails}
        return {name: [sample.document() for sample in samples.all] for name, samples in parts.items()}


def measured(quick: bool, say: Callable[[str], None]) -> Results:
    """Raises RuntimeError without nginx: it is the upstream."""
    plan = QUICK if quick else FULL
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vecferry-relay-")))
        generator = Generator()
        stack.callback(generator.close)
        load = Load(root, generator)
        bench = Bench(generator, load, plan, say)
        relayed, tails = _relayed(bench, root)
        mirrored, mirrored_tails = _mirrored(bench, root)
    return Results(relayed, mirrored, tails, mirrored_tails, load.name, (*_missing(), *NEVER))


def _missing() -> tuple[str, ...]:
    return tuple(f"{tool} is not installed ({PACKAGES[tool]})" for tool in absent(ENVOY, NGINX, H2LOAD))


def _relayed(bench: Bench, root: Path) -> tuple[Samples, Samples]:
    with ExitStack() as stack:
        port = upstream(root / "relayed", {*bench.plan.sizes, 2 * KB}, dim_of(0), stack)
        started = peers.started(peers.RELAYING, peers.Place(root / "relayed", port, stack))
        found = blocks.relayed(bench, started, bench.plan.relayed())
        limits = (peers.VECFERRY.name, peers.PLAIN_ENVOY.name)
        return found, _joined([blocks.tails(bench, _taking(started, cell), cell, limits) for cell in TAILS])


def _taking(started: peers.Started, cell: Cell) -> peers.Started:
    return {name: peer for name, peer in started.items() if blocks.takes(name, cell)}


def _mirrored(bench: Bench, root: Path) -> tuple[Samples, Samples]:
    """A collection has vectors of one size, so small and large writes have an upstream and peers of their own."""
    found, tails = [], []
    for dim in dict.fromkeys(dim_of(cell.size) for cell in MIRRORED):
        with ExitStack() as stack:
            folder = root / f"mirrored-{dim}"
            port = upstream(folder, (), dim, stack)
            started = peers.started(peers.MIRRORING, peers.Place(folder, port, stack))
            found += [blocks.mirrored(bench, started, cell) for cell in MIRRORED if dim_of(cell.size) == dim]
            limits = (peers.MIRROR.name, peers.MIRROR_ENVOY.name)
            cells = [cell for cell in MIRRORED_TAILS if dim_of(cell.size) == dim]
            tails += [blocks.tails(bench, started, cell, limits, _joined(found)) for cell in cells]
    return _joined(found), _joined(tails)


def _joined(parts: Sequence[Samples]) -> Samples:
    return Samples(tuple(sample for part in parts for sample in part.all))
