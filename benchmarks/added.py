"""What a way to the database adds to a call of the application, over that of going there directly.

All ways are measured in turn: direct, direct once more (what differs there is noise), those that are of interest, and beside
them what only relays: Envoy, and a bare relay of bytes, which is what any process in between must add on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from benchmarks.alternate import Blocks, Way, alternate
from benchmarks.calls import BATCH, DIM
from benchmarks.figures import Figure, Goal, missing
from benchmarks.processes import PACKAGES, cpu_seconds
from benchmarks.relay import peers
from tests.servers.sidecar import Sidecar

T = TypeVar("T")

SEARCH_ADDED: Final = Goal(0.15)
UPSERT_ADDED: Final = Goal(1.0)
NOTHING: Final = Goal(0.0, within_quartiles=True)
PAUSE: Final = 0.03
"""Seconds between two writes of an application that leaves its databases some rest."""
CALLS: Final = 10
"""Writes in one block."""
REQUESTS: Final = 100
DIRECT: Final = ("direct", "again")
BARE: Final = "any hop: bare TCP relay"
BETWEEN: Final[Mapping[str, peers.Recipe]] = {"through Envoy": peers.PLAIN_ENVOY, BARE: peers.BARE}
"""The ways that do nothing but relay."""
UPSERT: Final = f"upsert of {BATCH} x {DIM}-d"


def between(place: peers.Place) -> dict[str, int]:
    """Ports of the ways that only relay, where their programs are installed."""
    started = peers.started(tuple(BETWEEN.values()), place)
    return {way: started[recipe.name].port for way, recipe in BETWEEN.items() if recipe.name in started}


def turns(call: Callable[[T], object], requests: Sequence[T]) -> Callable[[int], object]:
    return lambda number: call(requests[number % len(requests)])


def to_searches(ways: Mapping[str, Way], quick: bool, product: str, how: str = "") -> list[Figure]:
    """`how`: what tells these searches from others, in the figures' names."""
    found = alternate(ways, blocks=10 if quick else 80, calls=20)
    return [_plain(f"a {product} search{how}, direct", found), *of_searches(f"a search{how}", found)]


def of_searches(name: str, found: Blocks) -> list[Figure]:
    return [*_added(name, found, {"relayed": SEARCH_ADDED}), _above(name, found, "relayed")]


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
    return [_plain(f"an {UPSERT}{how}, direct", found), *of_writes(f"an upsert{how}", found)]


def of_writes(name: str, found: Blocks) -> list[Figure]:
    goals = {"mirrored": UPSERT_ADDED, "target down": UPSERT_ADDED}
    return [*_added(name, found, goals), _down(name, found), _above(name, found, "mirrored")]


def _plain(name: str, found: Blocks) -> Figure:
    return Figure(f"p50 of {name}", found.median("direct"), "ms")


def _added(name: str, found: Blocks, goals: Mapping[str, Goal]) -> Iterator[Figure]:
    yield _difference(f"noise of {name}: direct against direct", found, "again", "direct")
    for way in found.took:
        if way not in DIRECT:
            figure = _difference(f"added to {name}, {way}", found, way, "direct", goals.get(way))
            yield _beside_the_hop(figure, found)
    for way, recipe in BETWEEN.items():
        if way not in found.took and recipe.program is not None:
            yield _lacking(f"added to {name}, {way}", recipe.program)


def _beside_the_hop(figure: Figure, found: Blocks) -> Figure:
    """With a goal that is missed: whether a relay that does nothing could meet it."""
    if figure.met is not False or figure.goal is None or BARE not in found.took:
        return figure
    hop = found.added(BARE, "direct").median
    said = "meets it" if figure.goal.met(hop) else "misses it too"
    return replace(figure, note=f"{figure.note}; the bare hop {said} ({hop:.2f})")


def _down(name: str, found: Blocks) -> Figure:
    called = f"added to {name}, mirrored, by a target that is down: down minus up"
    return _difference(called, found, "target down", "mirrored", NOTHING)


def _above(name: str, found: Blocks, way: str) -> Figure:
    """Of what `way` adds, what is ours."""
    called = f"added to {name}, {way}: above the bare hop"
    if BARE in found.took:
        return _difference(called, found, way, BARE)
    return _lacking(called, str(peers.BARE.program))


def _difference(name: str, found: Blocks, way: str, to: str, goal: Goal | None = None) -> Figure:
    spread = found.added(way, to)
    return Figure(name, spread.median, "ms", goal, str(spread), spread)


def _lacking(name: str, program: str) -> Figure:
    return missing(name, "ms", None, f"{program} is not installed ({PACKAGES[program]})")
