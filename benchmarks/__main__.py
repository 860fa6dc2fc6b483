"""`make bench`: what the sidecar costs, beside Envoy and beside no sidecar at all, in one run.

Prints one table and keeps it as JSON in benchmarks/out/, beside it a page and a picture of part `relay`.
docs/benchmarks.md tells how to read them. Exit code 1 where a goal is missed or could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import changes, copying, form, journal, latency, leak, machine, qdrant, qdrant_moves, tls
from benchmarks.bench import Bench
from benchmarks.figures import Figure, missing, table
from benchmarks.processes import NGINX, PACKAGES, absent
from benchmarks.relay import page, plot, report, run

OUT: Final = Path(__file__).with_name("out")
SECTIONS: Final[Mapping[str, Callable[[Bench], list[Figure]]]] = {
    "search": latency.search,
    "upsert": latency.writes,
    "backfill": copying.backfill,
    "cutover": changes.cutover,
    "qdrant-search": qdrant.search,
    "qdrant-upsert": qdrant.writes,
    "qdrant-backfill": qdrant_moves.backfill,
    "qdrant-cutover": qdrant_moves.cutover,
}


@dataclass(frozen=True, slots=True)
class Run:
    """What is common to a run's sections. `kept`: where its files go, without their ending."""

    quick: bool
    kept: Path
    facts: dict[str, Any]
    console: Console


def _relay(this: Run) -> list[Figure]:
    """Keeps its samples, a page and a picture."""
    if absent(NGINX):
        return [missing("everything of the relay", "", report.UP_TO_SMALL, f"{NGINX} is not installed ({PACKAGES[NGINX]})")]
    results = run.measured(this.quick, this.console.print)
    figures, picture = report.figures(results), plot.png(results)
    for note in results.notes:
        this.console.print(f"- {note}")
    facts = {**this.facts, "load at end": os.getloadavg(), "calls by": results.generator}
    this.kept.with_suffix(".png").write_bytes(picture)
    this.kept.with_suffix(".html").write_text(page.page(facts, figures, report.tables(results), picture, results.notes))
    this.kept.with_suffix(".samples.json").write_text(json.dumps(results.documents(), indent=1))
    this.kept.with_suffix(".md").write_text(report.markdown(report.tables(results)))
    return figures


ALONE: Final[Mapping[str, Callable[[Run], list[Figure]]]] = {
    "relay": _relay,
    "tls": lambda run: tls.figures(run.quick),
    "journal": lambda run: journal.figures(run.quick),
}
"""The sections that need no Milvus."""
LONG: Final[Mapping[str, Callable[[Run], list[Figure]]]] = {"leak": lambda run: leak.figures(run.quick)}
"""Those that are run only when they are named: hours, without `--quick`."""


def _names() -> str:
    return f"{', '.join([*ALONE, *SECTIONS])}; all of them when none is named"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"{_names()}; or {', '.join(LONG)}, only when named")
    parser.add_argument("--quick", action="store_true", help="short and noisy, for trying out")
    parser.add_argument("--python", action="store_true", help="the relay as Python, not compiled as the image has it")
    given = parser.parse_args()
    if unknown := set(given.sections) - {*ALONE, *SECTIONS, *LONG}:
        parser.error(f"there is no section {min(unknown)}")
    OUT.mkdir(exist_ok=True)
    console = Console()
    facts = machine.describe() | {"relay": form.measured(python=given.python, say=console.print)}
    this = Run(given.quick, OUT / time.strftime("%Y%m%d-%H%M%S"), facts, console)
    this.console.print(this.facts)
    figures = _measure(given.sections or [*ALONE, *SECTIONS], this)
    this.console.print(table("vecferry", figures))
    _keep(this, figures)
    this.console.print(f"kept in {', '.join(str(file) for file in sorted(OUT.glob(f'{this.kept.name}.*')))}")
    return 1 if any(figure.met is False for figure in figures) else 0


def _measure(sections: list[str], this: Run) -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="vecferry-bench-") as folder, ExitStack() as stack:
        for name, section in {**ALONE, **LONG}.items():
            if name in sections:
                figures += _shown(name, section(this), this.console)
        if named := [name for name in SECTIONS if name in sections]:
            bench = Bench.open(Path(folder), stack, this.quick)
            for name in named:
                this.console.print(f"{name} ...")
                figures += _shown(name, SECTIONS[name](bench), this.console)
    return figures


def _shown(name: str, figures: list[Figure], console: Console) -> list[Figure]:
    console.print(table(name, figures))
    return figures


def _keep(this: Run, figures: list[Figure]) -> None:
    rows = [figure.document() for figure in figures]
    document = {**this.facts, "load_at_end": os.getloadavg(), "quick": this.quick, "figures": rows}
    this.kept.with_suffix(".json").write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    sys.exit(main())
