"""`vecferry` that kills itself: `python -m tests.faults.kills.launch POINT NTH run --config FILE`. POINT as it prints."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from proxy.cli import main
from proxy.mirror import tables, writer
from proxy.mirror.log import Log
from tests.faults.kills.points import POINTS, arm


def _short(log: type[Log], path: Path, _: int) -> Log:
    return log(path, 16 * 2**10)


if __name__ == "__main__":
    named = {str(point): point for point in POINTS}
    program, point, nth, *arguments = sys.argv
    # So that a test's load fills them too.
    tables.LOG_LIMIT = 64 * 2**10  # type: ignore[misc]
    writer.Log = functools.partial(_short, writer.Log)  # type: ignore[misc, assignment]
    arm(named[point], int(nth))
    sys.argv = [program, *arguments]
    main()
