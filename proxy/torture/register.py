"""One key as a register: what may it hold, given who wrote it when? Pure.

Three rules, each of them only what every order of the calls obeys, so none raises a false alarm:
1. a value that is seen was written by a call that had begun by then and was not refused;
2. between that write and the look there was no other one that surely took effect: one that began after it had ended, and
   ended before the look began;
3. a value that only one call wrote holds from the first moment at which it surely was there to the last (its zone): no two
   zones overlap, and nothing else happens within one. (Gibbons and Korach, Testing shared memories, 1997.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

from proxy.torture.history import FOREVER, Act, Call, Outcome, Value

THERE: Final = 1
"""The value of a collection that exists."""


class Fault(StrEnum):
    NEVER_WRITTEN = "never written"
    LOST = "lost"
    BACK = "back after its deletion"
    UNORDERED = "in no order"


@dataclass(frozen=True, slots=True)
class Write:
    """`sure`: it took effect between `begin` and `end`; else it may have, at any time after `begin`, or never."""

    call: Call | None
    value: Value
    begin: float
    end: float
    sure: bool


_AT_FIRST: Final = Write(None, None, -FOREVER, -FOREVER, True)
"""Nothing is there."""


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody saw `value` at a moment from `begin` to `end`."""

    value: Value
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Wrong:
    """`instead`: the call that must have been seen."""

    fault: Fault
    look: Look
    instead: Call | None = None


def writes_of(calls: Iterable[Call], filter_lag: float = 0.0) -> list[Write]:
    """`filter_lag`: seconds for which a filter may not see a write that was acknowledged."""
    touching = [call for call in calls if call.act is not Act.READ and call.outcome is not Outcome.REFUSED]
    sure = [_sure(call, touching, filter_lag) for call in touching]
    ends = [call.end if so else FOREVER for call, so in zip(touching, sure, strict=True)]
    return [_AT_FIRST, *map(Write, touching, map(_value, touching), (call.begin for call in touching), ends, sure)]


def _value(call: Call) -> Value:
    match call.act:
        case Act.DELETE | Act.DELETE_WHERE | Act.DROP:
            return None
        case Act.CREATE:
            return THERE
        case _:
            return call.number


def _sure(call: Call, calls: Sequence[Call], filter_lag: float) -> bool:
    if call.act is not Act.DELETE_WHERE or not call.acknowledged:
        return call.acknowledged
    since = call.begin - filter_lag
    met = (other for other in calls if other is not call and other.begin <= call.end)
    return all(other.acknowledged and other.end < since for other in met)


def wrong(writes: Sequence[Write], looks: Sequence[Look]) -> Iterator[Wrong]:
    """Looks at the register that no order of its writes (of `writes_of`) allows."""
    latest, written = _Latest(writes), _Written(writes)
    judged = [_judge(look, latest.before(look), written.until(look)) for look in looks]
    found = [fault for fault in judged if fault is not None]
    yield from found or _zones(writes, looks)


def _judge(look: Look, latest: Write | None, end: float | None) -> Wrong | None:
    """`end`: of the write of this value that ended last; None where there is none."""
    if end is None:
        return Wrong(Fault.NEVER_WRITTEN, look)
    if latest is None or end >= latest.begin:
        return None
    return Wrong(Fault.BACK if latest.value is None else Fault.LOST, look, latest.call)


class _Latest:
    """Of the writes that surely took effect, the one that began last."""

    def __init__(self, writes: Iterable[Write]) -> None:
        sure = sorted((write for write in writes if write.sure), key=lambda write: write.end)
        self._ends = [write.end for write in sure]
        self._latest = list(accumulate(sure, _later))

    def before(self, look: Look) -> Write | None:
        ended = bisect_left(self._ends, look.begin)
        return self._latest[ended - 1] if ended else None


def _later(one: Write, other: Write) -> Write:
    return other if other.begin > one.begin else one


class _Written:
    """Of the writes of a value, the last end."""

    def __init__(self, writes: Iterable[Write]) -> None:
        of: defaultdict[Value, list[Write]] = defaultdict(list)
        for write in sorted(writes, key=lambda write: write.begin):
            of[write.value].append(write)
        self._begins = {value: [write.begin for write in found] for value, found in of.items()}
        self._ends = {value: list(accumulate((write.end for write in found), max)) for value, found in of.items()}

    def until(self, look: Look) -> float | None:
        begun = bisect_right(self._begins.get(look.value, ()), look.end)
        return self._ends[look.value][begun - 1] if begun else None


# ---- rule 3 ----


_Moment: TypeAlias = tuple[float, float, Call | None]


@dataclass(slots=True)
class _Zone:
    """It held from `first`, when it surely was written, to `last`, when it was surely seen or written; so only `first` < `last`
    says that it held all the time between."""

    write: Write
    first: float
    last: float


def _zones(writes: Sequence[Write], looks: Sequence[Look]) -> Iterator[Wrong]:
    values = Counter(write.value for write in writes)
    zones: dict[Value, _Zone] = {w.value: _Zone(w, w.end, w.begin) for w in writes if values[w.value] == 1}
    for look in looks:
        if (zone := zones.get(look.value)) is not None:
            zone.first, zone.last = min(zone.first, look.end), max(zone.last, look.begin)
    held = sorted((zone for zone in zones.values() if zone.first < zone.last), key=lambda zone: zone.first)
    for zone, following in pairwise(held):
        if following.first < zone.last:
            yield Wrong(Fault.UNORDERED, _last_look(zone, looks), following.write.call)
    yield from _within(held, _moments(zones, writes, looks), looks)


def _moments(zones: Mapping[Value, _Zone], writes: Sequence[Write], looks: Sequence[Look]) -> Iterator[_Moment]:
    """What surely happened between two times."""
    yield from ((zone.last, zone.first, zone.write.call) for zone in zones.values() if zone.last <= zone.first < FOREVER)
    yield from ((write.begin, write.end, write.call) for write in writes if write.sure and write.value not in zones)
    yield from ((look.begin, look.end, None) for look in looks if look.value not in zones)


def _within(held: Sequence[_Zone], moments: Iterable[_Moment], looks: Sequence[Look]) -> Iterator[Wrong]:
    """`held` in order, without overlaps."""
    starts = [zone.first for zone in held]
    for begin, end, call in moments:
        position = bisect_left(starts, begin) - 1
        if position >= 0 and end < held[position].last:
            yield Wrong(Fault.UNORDERED, _last_look(held[position], looks), call)


def _last_look(zone: _Zone, looks: Sequence[Look]) -> Look:
    return max((look for look in looks if look.value == zone.write.value), key=lambda look: look.begin)
