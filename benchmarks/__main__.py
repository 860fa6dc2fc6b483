"""`make bench`: what the sidecar costs, beside Envoy and beside no sidecar at all, in one run.

Prints one table and keeps it as JSON in benchmarks/out/. docs/benchmarks.md tells how to read it. Exit code 1 where a goal
is missed or could not be measured.
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
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import changes, copying, journal, latency, leak, machine, relay, tls
from benchmarks.bench import Bench
from benchmarks.figures import Figure, table

OUT: Final = Path(__file__).with_name("out")
SECTIONS: Final[Mapping[str, Callable[[Bench], list[Figure]]]] = {
    "search": latency.search,
    "upsert": latency.writes,
    "backfill": copying.backfill,
    "cutover": changes.cutover,
}
ALONE: Final[Mapping[str, Callable[[bool], list[Figure]]]] = {
    "relay": relay.figures,
    "tls": tls.figures,
    "journal": journal.figures,
}
"""The sections that need no Milvus."""
LONG: Final[Mapping[str, Callable[[bool], list[Figure]]]] = {"leak": leak.figures}
"""Those that are run only when they are named: hours, without `--quick`."""


def _names() -> str:
    return f"{', '.join([*ALONE, *SECTIONS])}; all of them when none is named"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"{_names()}; or {', '.join(LONG)}, only when named")
    parser.add_argument("--quick", action="store_true", help="short and noisy, for trying out")
    given = parser.parse_args()
    if unknown := set(given.sections) - {*ALONE, *SECTIONS, *LONG}:
        parser.error(f"there is no section {min(unknown)}")
    console = Console()
    facts = machine.describe()
    console.print(facts)
    figures = _measure(given.sections or [*ALONE, *SECTIONS], given.quick, console)
    console.print(table("vecferry", figures))
    console.print(f"kept in {_keep(facts, figures, given.quick)}")
    return 1 if any(figure.met is False for figure in figures) else 0


def _measure(sections: list[str], quick: bool, console: Console) -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="vecferry-bench-") as folder, ExitStack() as stack:
        for name, section in {**ALONE, **LONG}.items():
            if name in sections:
                figures += _shown(name, section(quick), console)
        if named := [name for name in SECTIONS if name in sections]:
            bench = Bench.open(Path(folder), stack, quick)
            for name in named:
                console.print(f"{name} ...")
                figures += _shown(name, SECTIONS[name](bench), console)
    return figures


def _shown(name: str, figures: list[Figure], console: Console) -> list[Figure]:
    console.print(table(name, figures))
    return figures


def _keep(facts: dict[str, Any], figures: list[Figure], quick: bool) -> Path:
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    rows = [figure.document() for figure in figures]
    document = {**facts, "load_at_end": os.getloadavg(), "quick": quick, "figures": rows}
    path.write_text(json.dumps(document, indent=1))
    return path


if __name__ == "__main__":
    sys.exit(main())
