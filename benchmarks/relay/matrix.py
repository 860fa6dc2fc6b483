"""What is measured: the cells, how long, and in which order; samples and their medians. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from benchmarks.figures import Spread
from benchmarks.relay import bodies
from benchmarks.relay.bodies import Call

T = TypeVar("T")

KB: Final = 1024
SMALL: Final = 16 * KB
"""Up to here Envoy's cost is the goal; above it, copying counts."""


class Protocol(StrEnum):
    REST = "HTTP/1.1"
    GRPC = "gRPC"


class Kind(StrEnum):
    READ = "read"
    """A small request and a reply of the size."""
    WRITE = "write"
    """A request of the size and a small reply."""


_CALLS: Final[Mapping[tuple[Protocol, Kind], Callable[[int, int], Call]]] = {
    (Protocol.REST, Kind.READ): lambda size, _: bodies.rest_read(size),
    (Protocol.GRPC, Kind.READ): lambda size, _: bodies.grpc_read(size),
    (Protocol.REST, Kind.WRITE): bodies.rest_write,
    (Protocol.GRPC, Kind.WRITE): bodies.grpc_write,
}


@dataclass(frozen=True, slots=True)
class Cell:
    protocol: Protocol
    kind: Kind
    size: int
    connections: int
    streams: int = 1

    def call(self, different: int = 1) -> Call:
        return _call(self.protocol, self.kind, self.size, different)

    @property
    def in_flight(self) -> int:
        return self.connections * self.streams

    @property
    def shape(self) -> str:
        return f"{self.protocol} {self.kind} {size_name(self.size)}"

    @property
    def width(self) -> str:
        return str(self.connections) if self.streams == 1 else f"{self.connections}x{self.streams}"

    def __str__(self) -> str:
        return f"{self.shape}, {self.width}"


@lru_cache(4)
def _call(protocol: Protocol, kind: Kind, size: int, different: int) -> Call:
    return _CALLS[protocol, kind](size, different)


def size_name(size: int) -> str:
    if size < KB:
        return f"{size / KB:.1f} KB"
    return f"{size / KB:.0f} KB" if size < KB * KB else f"{size / KB / KB:.0f} MB"


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` of one block; each cell has `rounds` of them for each peer."""

    sizes: tuple[int, ...]
    widths: Mapping[Protocol, tuple[tuple[int, int], ...]]
    seconds: float
    rounds: int
    tail_seconds: float
    tail_rounds: int

    def relayed(self) -> list[Cell]:
        return [
            Cell(protocol, kind, size, *width)
            for protocol in Protocol
            for kind in Kind
            for size in self.sizes
            for width in self.widths[protocol]
        ]


MIRRORED: Final = tuple(
    Cell(protocol, Kind.WRITE, size, *width)
    for protocol, width in ((Protocol.REST, (16, 1)), (Protocol.GRPC, (4, 8)))
    for size in (100, SMALL, KB * KB)
)
TAILS: Final = (
    Cell(Protocol.REST, Kind.READ, 2 * KB, 16),
    Cell(Protocol.GRPC, Kind.READ, 2 * KB, 4, 8),
)
MIRRORED_TAILS: Final = (
    Cell(Protocol.REST, Kind.WRITE, 100, 16),
    Cell(Protocol.GRPC, Kind.WRITE, 100, 4, 8),
)
FULL: Final = Plan(
    (100, 2 * KB, SMALL, KB * KB),
    {Protocol.REST: ((1, 1), (16, 1), (256, 1)), Protocol.GRPC: ((1, 1), (4, 8), (256, 1))},
    seconds=0.4,
    rounds=3,
    tail_seconds=1.5,
    tail_rounds=5,
)
QUICK: Final = Plan(
    (100, SMALL, KB * KB),
    {Protocol.REST: ((16, 1),), Protocol.GRPC: ((4, 8),)},
    seconds=0.25,
    rounds=2,
    tail_seconds=0.6,
    tail_rounds=3,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One block of one peer; `values` by the name of the figure."""

    peer: str
    cell: Cell
    round: int
    values: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        return {"peer": self.peer, "round": self.round, **asdict(self.cell), **self.values}


def turns(items: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """In every other round backwards, so that no peer always comes first."""
    for number in range(rounds):
        yield from ((number, item) for item in (items if number % 2 == 0 else reversed(items)))


@dataclass(frozen=True, slots=True)
class Samples:
    """Of one part of the run."""

    all: tuple[Sample, ...]

    def cells(self) -> list[Cell]:
        return list(dict.fromkeys(sample.cell for sample in self.all))

    def peers(self) -> list[str]:
        return list(dict.fromkeys(sample.peer for sample in self.all))

    def of(self, peer: str, cell: Cell, name: str) -> list[float]:
        """One number a round; none where it was not measured."""
        found = (sample for sample in self.all if sample.peer == peer and sample.cell == cell)
        return [sample.values[name] for sample in sorted(found, key=lambda sample: sample.round) if name in sample.values]

    def median(self, peer: str, cell: Cell, name: str) -> float | None:
        values = self.of(peer, cell, name)
        return statistics.median(values) if values else None

    def ratio(self, peer: str, to: str, cell: Cell, name: str) -> Spread | None:
        """Of blocks of the same round: what the machine did to one it did to the other."""
        pairs = zip(self.of(peer, cell, name), self.of(to, cell, name), strict=False)
        ratios = [one / other for one, other in pairs if other]
        return Spread.of(ratios) if len(ratios) > 1 else None

    def highest(self, peer: str, name: str, cells: Iterable[Cell]) -> float | None:
        wanted = set(cells)
        values = [s.values[name] for s in self.all if s.peer == peer and s.cell in wanted and name in s.values]
        return max(values) if values else None
