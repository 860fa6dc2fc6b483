"""What a way to the database adds to a call of the application, over that of going there directly.

All ways are measured in turn: direct, direct once more (what differs there is noise), and those that are of interest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from benchmarks.alternate import Blocks, Way, alternate
from benchmarks.calls import BATCH, DIM
from benchmarks.figures import Figure, Goal
from benchmarks.processes import cpu_seconds
from tests.servers.sidecar import Sidecar

T = TypeVar("T")

SEARCH_ADDED: Final = Goal(0.15)
UPSERT_ADDED: Final = Goal(1.0)
PAUSE: Final = 0.03
"""Seconds between two writes of an application that leaves its databases some rest."""
CALLS: Final = 10
"""Writes in one block."""
REQUESTS: Final = 100
DIRECT: Final = ("direct", "again")
UPSERT: Final = f"upsert of {BATCH} x {DIM}-d"


def turns(call: Callable[[T], object], requests: Sequence[T]) -> Callable[[int], object]:
    return lambda number: call(requests[number % len(requests)])


def to_searches(ways: Mapping[str, Way], quick: bool, product: str, how: str = "") -> list[Figure]:
    """`how`: what tells these searches from others, in the figures' names."""
    found = alternate(ways, blocks=10 if quick else 80, calls=20)
    goals = {name: SEARCH_ADDED if name == "relayed" else None for name in ways if name not in DIRECT}
    return [_plain(f"a {product} search{how}, direct", found), *_added(f"a search{how}", found, goals)]


def to_writes(ways: Mapping[str, Way], mirrored: Sidecar, quick: bool, how: str = "") -> list[Figure]:
    """`mirrored`: where the way of this name goes; its target has everything before another way's turn comes."""
    ways = {**ways, "mirrored": Way(ways["mirrored"].call, mirrored.drained)}
    blocks = 6 if quick else 30
    before = cpu_seconds(mirrored.pid)
    paced = alternate(ways, blocks, CALLS, PAUSE)
    used = 1000 * (cpu_seconds(mirrored.pid) - before) / (CALLS * (blocks + 1))
    busy = alternate(ways, blocks, CALLS)
    cpu = Figure(f"CPU of the sidecar for a mirrored {UPSERT}{how}", used, "ms")
    return [*_write_figures(how, paced), *_write_figures(f"{how}, without pause", busy), cpu]


def _write_figures(how: str, found: Blocks) -> list[Figure]:
    goals = {way: UPSERT_ADDED if way in ("mirrored", "target down") else None for way in found.took if way not in DIRECT}
    return [_plain(f"an {UPSERT}{how}, direct", found), *_added(f"an upsert{how}", found, goals)]


def _plain(name: str, found: Blocks) -> Figure:
    return Figure(f"p50 of {name}", found.median("direct"), "ms")


def _added(name: str, found: Blocks, goals: Mapping[str, Goal | None]) -> Iterator[Figure]:
    for way, goal in {"again": None, **goals}.items():
        spread = found.added(way, "direct")
        called = f"noise of {name}: direct against direct" if way == "again" else f"added to {name}, {way}"
        yield Figure(called, spread.median, "ms", goal, str(spread))
