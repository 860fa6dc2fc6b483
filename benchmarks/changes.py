"""How long writes are held when the primary changes under load, and what the application sees of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Protocol

import numpy as np

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Goal, percentiles
from benchmarks.processes import peak_megabytes
from tests.migration.load import Load
from tests.migration.shelf import BUCKETS, Shelf
from tests.servers.sidecar import Sidecar

HOLD: Final = Goal(1000)
ERRORS: Final = Goal(0)
MEMORY: Final = Goal(300)
ROWS: Final = 2000
SETTINGS: Final = {"routing": {"shadow": 1.0}, "gates": {"recall": 0.0, "tail_share": 1.0}}
"""The hold is measured, not the answers: random vectors are hard for any index, Milvus's of new data too."""


class KeyedLoad(Load):
    """Deletes by id where the other deletes by filter."""

    def _delete_by_filter(self, partition: str, numbers: range, bucket: int) -> None:
        self._delete(partition, [number for number in numbers if number % BUCKETS == bucket][:3])


LOADS: Final[Mapping[str, type[Load]]] = {"upserts and deletes by id": KeyedLoad, "deletes by filter too": Load}


class AtWork(Protocol):
    """An application, begun before."""

    def work_for(self, seconds: float) -> None: ...

    def stop(self) -> None: ...


def cutover(bench: Bench) -> list[Figure]:
    return [figure for words, load in LOADS.items() for figure in _under(bench, words, load)]


def _under(bench: Bench, words: str, kind: type[Load]) -> list[Figure]:
    bench.clear()
    shelf = Shelf("changing", dim=128)
    shelf.create(bench.direct)
    shelf.fill(bench.direct, range(ROWS))
    with ExitStack() as stack:
        name = f"changes-{kind.__name__}"
        sidecar = bench.sidecar(name, bench.qdrant(name, stack), stack, **SETTINGS)
        load = stack.enter_context(kind(sidecar.url, shelf, ROWS))
        held, memory = changed(sidecar, load, words, bench.quick)
    upserts = [1000 * seconds for seconds in load.took("upsert")]
    slowest = Figure(f"slowest upsert of the application, {words}", max(upserts), "ms", None, percentiles(upserts))
    return [held, errors([call.error for call in load.errors], len(load.calls), words), slowest, memory]


def changed(sidecar: Sidecar, load: AtWork, words: str, quick: bool, force: Sequence[str] = ()) -> tuple[Figure, Figure]:
    """From passthrough through many changes of the primary until nothing is owed: the holds, the memory.

    `force`: the gates that a cutover goes through closed.
    """
    sidecar.copy()
    sidecar.enter("shadow")
    held = [_change(sidecar, load, number, force) for number in range(4 if quick else 20)]
    load.stop()
    sidecar.drained()
    memory = Figure(f"resident memory at its highest, {words}", peak_megabytes(sidecar.pid), "MB", MEMORY)
    note = f"cutover {percentiles(held[::2])}; rollback {percentiles(held[1::2])}"
    return Figure(f"hold of writes, p99 of {len(held)}, {words}", float(np.percentile(held, 99)), "ms", HOLD, note), memory


def _change(sidecar: Sidecar, load: AtWork, number: int, force: Sequence[str]) -> float:
    """Milliseconds of the hold."""
    said = sidecar.change("rollback") if number % 2 else sidecar.change("cutover", *force)
    load.work_for(1)
    return 1000 * float(said["held_seconds"])


def errors(seen: Sequence[str], calls: int, words: str) -> Figure:
    return Figure(f"errors that the application saw, {words}", len(seen), "", ERRORS, seen[0] if seen else f"of {calls} calls")
