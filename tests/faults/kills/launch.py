"""`vecferry` that kills itself: `python -m tests.faults.kills.launch POINT NTH run --config FILE`. POINT as it prints."""

from __future__ import annotations

import sys

from proxy.cli import main
from proxy.mirror import tables
from tests.faults.kills.points import POINTS, arm

if __name__ == "__main__":
    named = {str(point): point for point in POINTS}
    program, point, nth, *arguments = sys.argv
    tables.LOG_LIMIT = 64 * 2**10  # type: ignore[misc]  # so that its checkpoint comes under a test's load too
    arm(named[point], int(nth))
    sys.argv = [program, *arguments]
    main()
