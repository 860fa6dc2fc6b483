"""The phases: what holds in each, and which command leads from one to another. Tables only; docs/cutover.md prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from proxy.errors import Reason, Refused
from proxy.model.phase import Phase
from proxy.model.place import Place


@dataclass(frozen=True, slots=True)
class Row:
    """`primary` answers and decides; `mirror`: accepted writes go to the other side; `shadow`, `canary`: shares of reads do."""

    primary: Place
    mirror: bool
    shadow: bool
    canary: bool


PHASES: Final[Mapping[Phase, Row]] = MappingProxyType(
    {
        Phase.PASSTHROUGH: Row(Place.SOURCE, mirror=False, shadow=False, canary=False),
        Phase.MIRROR: Row(Place.SOURCE, mirror=True, shadow=False, canary=False),
        Phase.SHADOW: Row(Place.SOURCE, mirror=True, shadow=True, canary=False),
        Phase.CANARY: Row(Place.SOURCE, mirror=True, shadow=True, canary=True),
        Phase.CUTOVER: Row(Place.TARGET, mirror=True, shadow=True, canary=False),
        Phase.COMPLETE: Row(Place.TARGET, mirror=False, shadow=False, canary=False),
    }
)


class Step(StrEnum):
    """How a phase is entered."""

    AT_ONCE = "at once"
    UNMIRROR = "the mirror stops, so every collection becomes unverified"
    CHANGE = "change of primary: gates, hold, drain, commit"
    FINISH = "the mirror stops for good: there is no way back from here"


_BEFORE_CUTOVER: Final = (Phase.PASSTHROUGH, Phase.MIRROR, Phase.SHADOW, Phase.CANARY)
_MIRRORED: Final = (Phase.MIRROR, Phase.SHADOW, Phase.CANARY)

TRANSITIONS: Final[Mapping[tuple[Phase, Phase], Step]] = MappingProxyType(
    {(a, b): Step.AT_ONCE for a in _BEFORE_CUTOVER for b in _MIRRORED if a is not b}
    | {(a, Phase.PASSTHROUGH): Step.UNMIRROR for a in _MIRRORED}
    | {(a, Phase.CUTOVER): Step.CHANGE for a in _MIRRORED}
    | {(Phase.CUTOVER, b): Step.CHANGE for b in _MIRRORED}
    | {(Phase.CUTOVER, Phase.COMPLETE): Step.FINISH}
)


def step(current: Phase, wanted: Phase) -> Step | None:
    """None: already there. Raises Refused where no step leads there."""
    if current is wanted:
        return None
    found = TRANSITIONS.get((current, wanted))
    if found is None:
        ways = ", ".join(b for a, b in TRANSITIONS if a is current) or "nowhere"
        raise Refused(f"no step leads from phase {current} to {wanted}; from here: {ways}", Reason.INVALID)
    return found
