"""`vecferry` whose wall clock jumps by hours, back and forth, each time that it is read.

`python -m tests.faults.network.wandering run --config FILE`
"""

from __future__ import annotations

import random

import proxy.app
from proxy.cli import main
from proxy.clock import SystemClock

HOURS = 12
_chance = random.Random(0)


class WanderingClock(SystemClock):
    def now(self) -> float:
        return super().now() + _chance.uniform(-HOURS, HOURS) * 3600


if __name__ == "__main__":
    proxy.app.SystemClock = WanderingClock  # type: ignore[attr-defined]
    main()
