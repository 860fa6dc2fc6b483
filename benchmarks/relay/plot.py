"""The run as one picture: cost by size, throughput by connections, mirrored writes, tails, memory. Owns: drawing only."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from benchmarks.relay.blocks import CPU, MEMORY, PERCENTILES, RATE
from benchmarks.relay.matrix import KB, Cell, Kind, Protocol, Samples, size_name
from benchmarks.relay.peers import DIRECT, MIRROR, MIRROR_ENVOY, MIRROR_NGINX, PLAIN_ENVOY, PLAIN_NGINX, SHADOW, VECFERRY
from benchmarks.relay.report import added
from benchmarks.relay.run import Results

COLORS: Final = {
    DIRECT.name: "#8a8a8a",
    VECFERRY.name: "#0b6e4f",
    SHADOW.name: "#6bbf59",
    MIRROR.name: "#0b6e4f",
    PLAIN_ENVOY.name: "#7b4fb5",
    MIRROR_ENVOY.name: "#7b4fb5",
    PLAIN_NGINX.name: "#d9822b",
    MIRROR_NGINX.name: "#d9822b",
}
_GAP: Final = 0.85
"""Of the space between two groups, what their bars fill."""


def png(results: Results) -> bytes:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(4, 2, figsize=(15, 20), constrained_layout=True)
    for column, protocol in enumerate(Protocol):
        _cost(axes[0][column], results.relayed, protocol)
        _throughput(axes[1][column], results.relayed, protocol)
    _mirrored(axes[2][0], results.mirrored)
    _memory(axes[2][1], results)
    _tails(axes[3][0], results.tails, "a relayed call at 70 % of saturation")
    _tails(axes[3][1], results.mirrored_tails, "a mirrored call at 70 % of what is sustained")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=70)
    pyplot.close(figure)
    return stream.getvalue()


def _middle(cells: Sequence[Cell]) -> tuple[int, int]:
    """Neither one connection nor very many."""
    widths = sorted({(cell.connections, cell.streams) for cell in cells})
    return widths[len(widths) // 2]


def _cost(axes: Any, samples: Samples, protocol: Protocol) -> None:
    cells = [cell for cell in samples.cells() if cell.protocol is protocol]
    width = _middle(cells)
    for kind, style in ((Kind.READ, "-"), (Kind.WRITE, "--")):
        some = [cell for cell in cells if cell.kind is kind and (cell.connections, cell.streams) == width]
        for peer in samples.peers():
            _line(axes, [(cell.size, samples.median(peer, cell, CPU)) for cell in some], f"{peer}, {kind}", peer, style)
    axes.set(xscale="log", yscale="log", title=f"{protocol}, {width[0]}x{width[1]}: CPU of the proxy for a call, us")
    sizes = sorted({cell.size for cell in cells})
    axes.set_xticks(sizes, [size_name(size) for size in sizes])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)


def _throughput(axes: Any, samples: Samples, protocol: Protocol) -> None:
    cells = [cell for cell in samples.cells() if cell.protocol is protocol and cell.kind is Kind.READ and cell.size < KB]
    names = [cell.width for cell in cells]
    values = {peer: [samples.median(peer, cell, RATE) for cell in cells] for peer in samples.peers()}
    _bars(axes, names, values)
    axes.set(title=f"{protocol}: reads of 0.1 KB a second at saturation, by connections x streams")


def _mirrored(axes: Any, samples: Samples) -> None:
    cells = samples.cells()
    values = {peer: [samples.median(peer, cell, CPU) for cell in cells] for peer in samples.peers()}
    _bars(axes, [f"{cell.protocol}\n{size_name(cell.size)}" for cell in cells], values)
    axes.set(yscale="log", title="CPU of the proxy for a mirrored write until the target has it, us")


def _memory(axes: Any, results: Results) -> None:
    groups: list[tuple[str, Callable[[Cell], bool], Samples]] = [
        ("relaying,\nup to 16 KB", lambda cell: cell.size < KB * KB, results.relayed),
        ("relaying\n1 MB", lambda cell: cell.size >= KB * KB, results.relayed),
        ("mirroring,\nup to 16 KB", lambda cell: cell.size < KB * KB, results.mirrored),
        ("mirroring\n1 MB", lambda cell: cell.size >= KB * KB, results.mirrored),
    ]
    peers = dict.fromkeys([*results.relayed.peers(), *results.mirrored.peers()])
    values = {
        peer: [samples.highest(peer, MEMORY, filter(chosen, samples.cells())) for _, chosen, samples in groups]
        for peer in peers
    }
    _bars(axes, [name for name, _, _ in groups], values)
    axes.set(title="Resident memory at its highest, MB")


def _tails(axes: Any, samples: Samples, what: str) -> None:
    cells, names = samples.cells(), list(PERCENTILES)
    labels = [f"{cell.protocol}\n{name.removesuffix('_ms')}" for cell in cells for name in names]
    peers = [peer for peer in samples.peers() if peer != DIRECT.name]
    values = {peer: [added(samples, peer, cell, name) for cell in cells for name in names] for peer in peers}
    _bars(axes, labels, values)
    axes.set(yscale="symlog", title=f"Added to {what}, ms")


def _line(axes: Any, points: Iterable[tuple[int, float | None]], label: str, peer: str, style: str) -> None:
    there = [(x, y) for x, y in points if y is not None]
    if there:
        axes.plot(*zip(*there, strict=True), style, marker="o", label=label, color=COLORS[peer])


def _bars(axes: Any, names: Sequence[str], values: dict[str, list[float | None]]) -> None:
    shown = {peer: heights for peer, heights in values.items() if any(height is not None for height in heights)}
    width = _GAP / max(len(shown), 1)
    for number, (peer, heights) in enumerate(shown.items()):
        places = [place + number * width for place in range(len(names))]
        axes.bar(places, [height or 0.0 for height in heights], width, label=peer, color=COLORS[peer])
    axes.set_xticks([place + _GAP / 2 - width / 2 for place in range(len(names))], names)
    axes.legend(fontsize=8)
    axes.grid(axis="y", alpha=0.3)
