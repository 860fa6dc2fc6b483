"""`vecferry` whose wall clock jumps by hours, back and forth, each time that it is read.

`python -m tests.faults.network.wandering run --config FILE`
"""

from __future__ import annotations

import random

from proxy.cli import main
from proxy.clock import SystemClock

HOURS = 12
_chance = random.Random(0)
_now = SystemClock.now


def _wandered(clock: SystemClock) -> float:
    return _now(clock) + _chance.uniform(-HOURS, HOURS) * 3600


if __name__ == "__main__":
    SystemClock.now = _wandered  # type: ignore[method-assign]
    main()
