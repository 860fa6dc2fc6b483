"""Measures several ways of doing the same, in short blocks in turn: a machine's mood then falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.figures import Spread


@dataclass(frozen=True, slots=True)
class Way:
    """`rest`: called after each block, before another way's turn, until nothing of this one is under way any more."""

    call: Callable[[int], object]
    rest: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Blocks:
    """Milliseconds of each call, by way and block."""

    took: Mapping[str, list[list[float]]]

    def added(self, way: str, to: str) -> Spread:
        """Milliseconds: the difference of two blocks' medians, over all blocks."""
        pairs = zip(self.took[way], self.took[to], strict=True)
        return Spread.of([statistics.median(one) - statistics.median(other) for one, other in pairs])

    def median(self, way: str) -> float:
        return statistics.median(took for block in self.took[way] for took in block)


def alternate(ways: Mapping[str, Way], blocks: int, calls: int, pause: float = 0.0) -> Blocks:
    """`pause`: seconds between two calls. Every other round goes through the ways backwards."""
    took: dict[str, list[list[float]]] = {name: [] for name in ways}
    for way in ways.values():
        _block(way, 0, calls, pause)  # warm
    for number in range(1, blocks + 1):
        for name in list(ways) if number % 2 else reversed(list(ways)):
            took[name].append(_block(ways[name], number, calls, pause))
    return Blocks(took)


def _block(way: Way, number: int, calls: int, pause: float) -> list[float]:
    took = []
    for call in range(number * calls, (number + 1) * calls):
        time.sleep(pause)
        begun = time.perf_counter()
        way.call(call)
        took.append(1000 * (time.perf_counter() - begun))
    way.rest()
    return took
