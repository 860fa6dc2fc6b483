"""What the findings of one collection in one epoch add up to.

Owns: counting, and the document that survives a restart. Not: bounds and shares (figures), single samples (store/samples).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias, assert_never

from pydantic import TypeAdapter

from proxy.shadow.findings import Compared, Failed, Finding, Searched, Skipped, Unanswerable

STEPS: Final = 1000  # recall is counted in thousandths, rounded down: a bound from below stays one
RECENT_LIMIT: Final = 1000  # samples behind latencies and error rate: an outage is forgotten when it is over
KINDS_LIMIT: Final = 1000  # kinds of unanswerable calls told apart: clients may call what they like
OTHERS: Final = "others"

Seconds: TypeAlias = tuple[float, float | None]
"""(primary's, secondary's; None where it failed)"""


@dataclass(slots=True)
class Tally:
    """`recalls`, `noise`: thousandths of recall -> searches. `unequal` of `reads` that are no searches."""

    recalls: Counter[int] = field(default_factory=Counter)
    noise: Counter[int] = field(default_factory=Counter)
    overlap_sum: float = 0.0
    drift_sum: float = 0.0
    largest_drift: float = 0.0
    violations: int = 0
    reads: int = 0
    unequal: int = 0
    rulings: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    unanswerable: Counter[str] = field(default_factory=Counter)

    @classmethod
    def parse(cls, document: str) -> Tally:
        return _DOCUMENT.validate_json(document)

    @property
    def document(self) -> str:
        return _DOCUMENT.dump_json(self).decode()

    def add(self, finding: Finding) -> None:
        """A failure leaves no mark here: the error rate is of the recent samples only."""
        match finding:
            case Searched():
                self._add_search(finding)
            case Compared():
                self.reads += 1
                self.unequal += not finding.equal
            case Skipped():
                self.skipped[finding.why] += 1
            case Unanswerable():
                self.add_unanswerable(finding.route, finding.what)
            case Failed():
                pass
            case _:
                assert_never(finding)

    def add_unanswerable(self, route: str, why: str) -> None:
        kind = f"{route}: {why}"
        self.unanswerable[kind if kind in self.unanswerable or len(self.unanswerable) < KINDS_LIMIT else OTHERS] += 1

    def _add_search(self, found: Searched) -> None:
        self.recalls[_thousandths(found.agreement.recall)] += 1
        self.overlap_sum += found.agreement.overlap
        self.drift_sum += found.agreement.mean_drift
        self.largest_drift = max(self.largest_drift, found.agreement.largest_drift)
        self.violations += found.violations
        self.unchecked.update(found.unchecked)
        if found.noise is not None:
            self.noise[_thousandths(found.noise)] += 1
        if found.ruling is not None:
            self.rulings[found.ruling.right] += 1


_DOCUMENT: Final = TypeAdapter(Tally)


@dataclass(slots=True)
class Record:
    """A collection's tally and its recent latencies."""

    tally: Tally = field(default_factory=Tally)
    recent: deque[Seconds] = field(default_factory=lambda: deque(maxlen=RECENT_LIMIT))


def _thousandths(recall: float) -> int:
    return math.floor(recall * STEPS + 1e-6)  # 0.29 * 1000 is a little less than 290
