"""How long writes are held when the primary changes under load, and what the application sees of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

import numpy as np

from benchmarks.bench import Bench, peak_megabytes
from benchmarks.figures import Figure, Goal, percentiles
from tests.migration.load import Load
from tests.migration.shelf import Shelf
from tests.servers.sidecar import Sidecar

HOLD: Final = Goal(1000)
ERRORS: Final = Goal(0)
MEMORY: Final = Goal(300)
ROWS: Final = 2000
SETTINGS: Final = {"routing": {"shadow": 1.0}, "gates": {"recall": 0.0, "tail_share": 1.0}}
"""The hold is measured, not the answers: random vectors are hard for any index, Milvus's of new data too."""


def cutover(bench: Bench) -> list[Figure]:
    bench.clear()
    shelf = Shelf("changing", dim=128)
    shelf.create(bench.direct)
    shelf.fill(bench.direct, range(ROWS))
    with ExitStack() as stack:
        sidecar = bench.sidecar("changes", bench.target("changes", stack), stack, **SETTINGS)
        load = stack.enter_context(Load(sidecar.url, shelf, ROWS))
        sidecar.copy()
        sidecar.enter("shadow")
        held = [_change(sidecar, load, number) for number in range(6 if bench.quick else 24)]
        load.stop()
        sidecar.drained()
        memory = peak_megabytes(sidecar.pid)
    return [*_holds(held), *_seen(load), Figure("resident memory of the sidecar, at its highest", memory, "MB", MEMORY)]


def _change(sidecar: Sidecar, load: Load, number: int) -> float:
    """Milliseconds of the hold."""
    held = sidecar.change("rollback" if number % 2 else "cutover")["held_seconds"]
    load.work_for(1)
    return 1000 * float(held)


def _holds(held: list[float]) -> list[Figure]:
    name = f"hold of writes at a change of primary, p99 of {len(held)}"
    return [Figure(name, float(np.percentile(held, 99)), "ms", HOLD, percentiles(held))]


def _seen(load: Load) -> list[Figure]:
    errors = load.errors
    note = errors[0].error if errors else f"of {len(load.calls)} calls"
    upserts = [1000 * seconds for seconds in load.took("upsert")]
    return [
        Figure("errors that the application saw meanwhile", len(errors), "", ERRORS, note),
        Figure("slowest upsert of the application meanwhile", max(upserts), "ms", None, percentiles(upserts)),
    ]
