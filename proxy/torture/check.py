"""The judge of a run: its history and what both databases hold in the end, told apart into what may be and what may not. Pure.

Owns: which looks count, how the sides are compared, the words of a violation. Not: the rules of one key (register.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

from proxy.torture.history import FOREVER, Act, Call, History, Key, Outcome, Value
from proxy.torture.register import Fault, Look, Write, Wrong, writes_of, wrong

LINGER: Final = 10.0
"""Seconds for which what was given up may still be at work."""
SHOWN: Final = 6
"""Calls of a story before its moment and after it."""
MISSING: Final = "missing on the secondary"
EXTRA: Final = "only on the secondary"
STALE: Final = "another value on the secondary"
TWO_EPOCHS: Final = "acknowledged in an epoch that was over"
TORN: Final = "half a row"
EPOCHS: Final = "wrong order of epochs"

Rows: TypeAlias = Mapping[Key, Value]


@dataclass(frozen=True, slots=True)
class Contents:
    """One side at the end. `torn`: rows that are not what their number says, and how they differ."""

    rows: Rows
    torn: Mapping[Key, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the admin API's history."""

    epoch: int
    primary: str


class Trust(Enum):
    """Which reads promise the latest state. Of another one only a value that nobody had written is wrong."""

    ALL = auto()
    ALONE = auto()
    """Those that meet no write of any row that they ask for."""
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Run:
    """All that is judged. `stages`: the oldest first; `owed`: collection to the debt that the sidecar shows for it."""

    history: History
    primary: Contents
    secondary: Contents
    stages: Sequence[Stage] = ()
    owed: Mapping[str, str] = field(default_factory=dict)
    filter_lag: float = 0.0
    trust: Trust = Trust.ALL


@dataclass(frozen=True, slots=True)
class Violation:
    kind: str
    key: str
    story: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join((f"{self.key}: {self.kind}", *self.story))


@dataclass(frozen=True, slots=True)
class Verdict:
    """`owed`: keys that differ where a debt says that they may."""

    violations: tuple[Violation, ...]
    keys: int
    looks: int
    owed: tuple[str, ...] = ()


def check(run: Run) -> Verdict:
    """Nothing is read or written here; the same run gives the same verdict."""
    calls = _by_key(run)
    keys = sorted({*calls, *run.primary.rows, *run.secondary.rows}, key=str)
    at = max((end for call in run.history.calls for end in (call.begin, call.end) if end < FOREVER), default=0.0) + 1
    trusted = _trusted(run, calls)
    judges = [_Judge(key, calls.get(key, []), run, trusted, at) for key in keys]
    found = [violation for judge in judges for violation in judge.violations()]
    found += [Violation(EPOCHS, "the history of changes", (text,)) for text in _disorder(run.stages)]
    looks = sum(len(call.keys) for call in run.history.calls if call.number in trusted)
    owed = tuple(str(judge.key) for judge in judges if judge.differs and judge.owed)
    return Verdict(tuple(found), len(keys), looks, owed)


def _by_key(run: Run) -> Mapping[Key, list[Call]]:
    """An insert that nobody answered belongs to whatever row shows its number."""
    found: defaultdict[Key, list[Call]] = defaultdict(list)
    strays: dict[tuple[str, Value], Call] = {}
    for call in run.history.calls:
        if call.act is Act.INSERT and not call.acknowledged:
            strays.update({(key.collection, call.number): call for key in call.keys if call.outcome is Outcome.UNKNOWN})
            continue
        for key in call.keys:
            found[key].append(call)
    for key, value in [*run.primary.rows.items(), *run.secondary.rows.items()]:
        if (stray := strays.get((key.collection, value))) is not None and stray not in found[key]:
            found[key].append(stray)
    return found


def _trusted(run: Run, calls: Mapping[Key, Sequence[Call]]) -> frozenset[int]:
    """Numbers of the reads that must have seen the latest state."""
    reads = [call for call in run.history.calls if call.act is Act.READ and call.acknowledged]
    match run.trust:
        case Trust.NONE:
            return frozenset()
        case Trust.ALL:
            return frozenset(read.number for read in reads)
        case Trust.ALONE:
            busy = {key: _Busy(call for call in found if call.act is not Act.READ) for key, found in calls.items()}
            return frozenset(read.number for read in reads if not any(busy[key].meets(read) for key in read.keys))


class _Busy:
    """When somebody writes a key."""

    def __init__(self, writes: Iterable[Call]) -> None:
        ordered = sorted(writes, key=lambda write: write.begin)
        self._begins = [write.begin for write in ordered]
        lasting = (write.end + (LINGER if write.outcome is Outcome.UNKNOWN else 0.0) for write in ordered)
        self._latest_ends = list(accumulate(lasting, max))

    def meets(self, read: Call) -> bool:
        begun = bisect_right(self._begins, read.end)
        return begun > 0 and self._latest_ends[begun - 1] >= read.begin


def _disorder(stages: Sequence[Stage]) -> Iterator[str]:
    for before, after in pairwise(stages):
        if after.epoch - before.epoch != int(after.primary != before.primary):
            yield f"epoch {before.epoch} with primary {before.primary} was followed by {after.epoch} with {after.primary}"


class _Judge:
    """Of one key. `trusted`: numbers of reads; `at`: the time of the final look, after all calls."""

    def __init__(self, key: Key, calls: Sequence[Call], run: Run, trusted: Collection[int], at: float) -> None:
        self.key = key
        self._trusted = trusted
        self._calls = sorted(calls, key=lambda call: call.begin)
        self._run = run
        self._final = Look(run.primary.rows.get(key), at, at)
        self._secondary = run.secondary.rows.get(key)

    @property
    def differs(self) -> bool:
        return self._final.value != self._secondary

    @property
    def owed(self) -> bool:
        return (self.key.collection or str(self.key.id)) in self._run.owed

    def violations(self) -> Iterator[Violation]:
        writes = writes_of(self._calls, self._run.filter_lag)
        for each in wrong(writes, [*self._looks(), self._final]):
            yield self._violation(self._kind(each, writes), self._said(each), each.look.begin, each.instead)
        for name, side in (("primary", self._run.primary), ("secondary", self._run.secondary)):
            if self.key in side.torn:
                yield self._violation(TORN, f"on the {name}: {side.torn[self.key]}", self._final.begin)
        if self.differs and not self.owed:
            yield self._violation(self._difference(), "both sides were read when all was quiet", self._final.begin)

    def _looks(self) -> Iterator[Look]:
        for call in self._calls:
            if call.act is Act.READ and call.acknowledged:
                yield Look(call.seen.get(self.key), call.begin if call.number in self._trusted else -FOREVER, call.end)

    def _kind(self, found: Wrong, writes: Sequence[Write]) -> str:
        """A write that the primary lacks and the secondary has, acknowledged after the change of primary."""
        kept = [w for w in writes if found.look is self._final and w.call is found.instead and w.value == self._secondary]
        late = [w for w in kept for change in self._run.history.changes if w.end > change.end]
        return TWO_EPOCHS if late and self.differs else found.fault

    def _difference(self) -> str:
        if self._secondary is None:
            return MISSING
        return EXTRA if self._final.value is None else STALE

    def _said(self, found: Wrong) -> str:
        seen = f"{_row(found.look.value)} was seen {'in the end' if found.look is self._final else f'at {_time(found.look)}'}"
        if found.instead is None:
            return (
                f"{seen}, and it holds no such value then"
                if found.fault is Fault.UNORDERED
                else f"{seen}, and no call wrote it"
            )
        return f"{seen}, in spite of call {found.instead.number}"

    def _violation(self, kind: str, said: str, moment: float, instead: Call | None = None) -> Violation:
        before = [call for call in self._calls if call.begin <= moment and call is not instead][-SHOWN:]
        after = [call for call in self._calls if call.begin > moment and call is not instead][:SHOWN]
        shown = sorted([*before, *after, *([instead] if instead else [])], key=lambda call: call.begin)
        ends = f"in the end: {_row(self._final.value)} on the primary, {_row(self._secondary)} on the secondary"
        return Violation(kind, str(self.key), (said, *(_line(call, self.key) for call in shown), ends))


def _line(call: Call, key: Key) -> str:
    until = "..." if call.outcome is Outcome.UNKNOWN else f"{call.end:.3f}"
    saw = f", saw {_row(call.seen.get(key))}" if call.act is Act.READ else ""
    epochs = "-".join(map(str, sorted(set(call.epochs))))
    told = f"{call.outcome}{saw}{' ' + call.note if call.note else ''}"
    return f"{call.begin:.3f} to {until} s  call {call.number}, client {call.client}, epoch {epochs}: {call.act}, {told}"


def _time(look: Look) -> str:
    return f"{look.end:.3f} s" if look.begin < 0 else f"{look.begin:.3f} to {look.end:.3f} s"


def _row(value: Value) -> str:
    return "nothing" if value is None else f"the row of call {value}"
