"""What a run found, as figures with their goals and as tables. Pure.

Ratios are of blocks of the same round: they hold on a machine that others use, where bare numbers do not.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Figure, Goal, Spread, missing
from benchmarks.relay.blocks import CPU, MEMORY, OFFERED, PERCENTILES, RATE, SUSTAINED
from benchmarks.relay.matrix import SMALL, Cell, Protocol, Samples
from benchmarks.relay.peers import DIRECT, MIRROR, MIRROR_ENVOY, PLAIN_ENVOY, VECFERRY
from benchmarks.relay.run import Results

UP_TO_SMALL: Final = Goal(1.0)
LARGE: Final = Goal(1.3)
MIRRORED: Final = Goal(2.0)
TAIL: Final = Goal(1.5)
TO_ENVOY: Final = "x Envoy"
P50, P99 = "p50_ms", "p99_ms"


# ---- figures ----


def figures(results: Results) -> list[Figure]:
    return [*_relayed(results.relayed), *_mirrored(results.mirrored), *_tails(results), *_memory(results)]


def _relayed(samples: Samples) -> Iterator[Figure]:
    for protocol in Protocol:
        cells = [cell for cell in samples.cells() if cell.protocol is protocol]
        for words, goal, some in (
            ("up to 16 KB", UP_TO_SMALL, [cell for cell in cells if cell.size <= SMALL]),
            ("1 MB", LARGE, [cell for cell in cells if cell.size > SMALL]),
        ):
            yield _worst(f"CPU of a relayed {protocol} call, {words}, worst cell", goal, samples, some)


def _worst(name: str, goal: Goal, samples: Samples, cells: Sequence[Cell]) -> Figure:
    """A goal holds in every cell, so the highest counts."""
    found = {cell: samples.ratio(VECFERRY.name, PLAIN_ENVOY.name, cell, CPU) for cell in cells}
    ratios = {cell: spread for cell, spread in found.items() if spread is not None}
    if not ratios:
        return missing(name, TO_ENVOY, goal, "Envoy is not installed")
    cell, worst = max(ratios.items(), key=lambda pair: pair[1].median)
    middle = statistics.median(spread.median for spread in ratios.values())
    return Figure(name, worst.median, TO_ENVOY, goal, f"{cell}: {worst}; median of {len(ratios)} cells {middle:.2f}")


def _mirrored(samples: Samples) -> Iterator[Figure]:
    for cell in samples.cells():
        name = f"CPU of a mirrored call, {cell}"
        yield _compared(name, MIRRORED, samples, cell, CPU, (MIRROR.name, MIRROR_ENVOY.name))


def _tails(results: Results) -> Iterator[Figure]:
    for cell in results.tails.cells():
        name = f"p99 at 70 % of saturation, {cell}"
        yield _compared(name, TAIL, results.tails, cell, P99, (VECFERRY.name, PLAIN_ENVOY.name))
    for cell in results.mirrored_tails.cells():
        name = f"p50 of a mirrored call at 70 % of what is sustained, {cell}"
        yield _compared(name, MIRRORED, results.mirrored_tails, cell, P50, (MIRROR.name, MIRROR_ENVOY.name))


def _compared(name: str, goal: Goal, samples: Samples, cell: Cell, what: str, pair: tuple[str, str]) -> Figure:
    spread = samples.ratio(*pair, cell, what)
    ours, theirs = (samples.median(peer, cell, what) for peer in pair)
    if spread is None or ours is None or theirs is None:
        return missing(name, TO_ENVOY, goal, f"{pair[1]} is missing")
    unit = "us" if what == CPU else "ms"
    return Figure(name, spread.median, TO_ENVOY, goal, f"{_number(ours)} {unit}, Envoy {_number(theirs)} {unit}; {spread}")


def _memory(results: Results) -> Iterator[Figure]:
    for samples in (results.relayed, results.mirrored):
        for peer in samples.peers():
            value = samples.highest(peer, MEMORY, samples.cells())
            if value is not None:
                yield Figure(f"resident memory at its highest, {peer}", value, "MB")


# ---- tables ----


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(results: Results) -> list[Table]:
    relayed, mirrored = results.relayed, results.mirrored
    envoy, mirrors = (VECFERRY.name, PLAIN_ENVOY.name), (MIRROR.name, MIRROR_ENVOY.name)
    return [
        _by_peer("CPU of the proxy for a relayed call, us", relayed, CPU, envoy),
        _by_peer("Relayed calls a second at saturation", relayed, RATE, envoy),
        _by_peer("Resident memory at its highest, relaying, MB", relayed, MEMORY, envoy),
        _by_peer("CPU of the proxy for a mirrored call until the target has it, us", mirrored, CPU, mirrors),
        _by_peer("Mirrored calls a second until the target has them", mirrored, SUSTAINED, mirrors),
        _by_peer("Resident memory at its highest, mirroring, MB", mirrored, MEMORY, mirrors),
        _latencies("Added to a relayed call at 70 % of saturation, ms", results.tails, envoy),
        _latencies("Added to a mirrored call at 70 % of what is sustained, ms", results.mirrored_tails, mirrors),
    ]


def _by_peer(title: str, samples: Samples, what: str, pair: tuple[str, str]) -> Table:
    peers = [peer for peer in samples.peers() if any(samples.of(peer, cell, what) for cell in samples.cells())]
    rows = (
        (str(cell), *(_number(samples.median(peer, cell, what)) for peer in peers), _spread(samples.ratio(*pair, cell, what)))
        for cell in samples.cells()
    )
    return Table(title, ("call, connections x streams", *peers, "vecferry to Envoy"), tuple(rows))


def _latencies(title: str, samples: Samples, pair: tuple[str, str]) -> Table:
    names = [name.removesuffix("_ms") for name in PERCENTILES]
    columns = ("call, connections x streams", "peer", "calls a second", *(f"{name} added" for name in names), "p99 to Envoy's")
    return Table(title, columns, tuple(_latency_rows(samples, pair)))


def _latency_rows(samples: Samples, pair: tuple[str, str]) -> Iterator[tuple[str, ...]]:
    for cell in samples.cells():
        for peer in samples.peers():
            if not samples.of(peer, cell, P99):
                continue
            shown = [
                _number(samples.median(peer, cell, name)) if peer == DIRECT.name else _signed(added(samples, peer, cell, name))
                for name in PERCENTILES
            ]
            ratio = _spread(samples.ratio(*pair, cell, P99)) if peer == pair[0] else ""
            name = f"{peer} (whole)" if peer == DIRECT.name else peer
            yield (str(cell), name, _number(samples.median(peer, cell, OFFERED)), *shown, ratio)


def added(samples: Samples, peer: str, cell: Cell, name: str) -> float | None:
    """To the direct call of the same round."""
    pairs = zip(samples.of(peer, cell, name), samples.of(DIRECT.name, cell, name), strict=False)
    differences = [one - other for one, other in pairs]
    return statistics.median(differences) if differences else None


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _spread(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def markdown(tables: Iterable[Table]) -> str:
    return "\n\n".join(_markdown(table) for table in tables)


def _markdown(table: Table) -> str:
    line: Callable[[Iterable[str]], str] = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    return "\n".join([table.title, "", line(table.columns), line("---" for _ in table.columns), *map(line, table.rows)])
