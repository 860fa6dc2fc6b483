"""How fast to read from a source that serves an application: additive increase, multiplicative decrease. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

SMOOTHING: Final = 0.3
"""Weight of the newest scan: one slow page is no congestion, three are."""
FORGETTING: Final = 0.01
"""How fast the calm value follows upwards, so that a source that became slower for good is not pressed to nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`latency`: multiple of the calm latency that counts as congestion; `step`, `floor`, `ceiling` in points a second."""

    latency: float
    step: float
    floor: float
    ceiling: float = math.inf


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` in points a second, infinite until the source first complains; `calm`, `recent`: seconds for a scan of a page."""

    rate: float = math.inf
    calm: float = math.inf
    recent: float = 0.0

    def pause(self, points: int) -> float:
        """Seconds that reading so many points should take."""
        return points / self.rate


def after_scan(pace: Pace, seconds: float, achieved: float, limits: Limits) -> Pace:
    """A full page took `seconds`; `achieved`: points a second lately."""
    recent = pace.recent + SMOOTHING * (seconds - pace.recent) if pace.recent else seconds
    calm = min(recent, pace.calm + FORGETTING * (recent - pace.calm)) if math.isfinite(pace.calm) else recent
    seen = replace(pace, recent=recent, calm=calm)
    if recent > limits.latency * calm:
        return _slower(seen, achieved, limits)
    return replace(seen, rate=min(seen.rate + limits.step, limits.ceiling))


def after_error(pace: Pace, achieved: float, limits: Limits) -> Pace:
    """The source failed or asked for patience."""
    return _slower(pace, achieved, limits)


def _slower(pace: Pace, achieved: float, limits: Limits) -> Pace:
    # A rate above what was achieved slows nothing down, so the half is taken of the smaller.
    half = min(pace.rate, achieved if achieved > 0 else pace.rate) / 2
    return replace(pace, rate=limits.floor if math.isinf(half) else max(half, limits.floor))
