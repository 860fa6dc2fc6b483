"""The figures of a collection as operators, gates and metrics read them. Pure.

Owns: what is computed from a tally. Not: judging the figures (proxy/routing/gate.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from proxy.compare.statistics import Counts, lower_bound, upper_bound
from proxy.config import GatesConfig
from proxy.shadow.tally import STEPS, Record, Seconds


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds. The primary's as its client saw them, the secondary's as our call took."""

    primary_p50: float
    primary_p95: float
    secondary_p50: float
    secondary_p95: float

    @property
    def ratio(self) -> float:
        """Of the p95, secondary over primary."""
        return self.secondary_p95 / self.primary_p95 if self.primary_p95 > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one collection in one epoch; what no sample has told yet is None.

    `samples`: searches compared. `tail`: share of them with a recall below the floor. `noise_recall`: the primary's recall
    against itself. `attempts`, `errors`, `latency`: of the recent samples. `rulings`: who was right -> disagreements decided.
    """

    samples: int
    recall: float | None
    recall_lower_bound: float
    recalls: Counts
    tail: float | None
    tail_upper_bound: float
    tails: Counts
    noise_samples: int
    noise_recall: float | None
    overlap: float | None
    mean_drift: float | None
    largest_drift: float
    violations: int
    reads: int
    unequal: int
    attempts: int
    errors: int
    latency: Latency | None
    rulings: Mapping[str, int]
    skipped: Mapping[str, int]
    unchecked: Mapping[str, int]
    unanswerable: Mapping[str, int]


def figures(record: Record, config: GatesConfig) -> Figures:
    tally = record.tally
    samples = tally.recalls.total()
    recalls = _counts(tally.recalls)
    tails = _tails(recalls, config.recall_floor)
    return Figures(
        samples=samples,
        recall=_mean(recalls),
        recall_lower_bound=lower_bound(recalls, config.confidence),
        recalls=recalls,
        tail=_mean(tails),
        tail_upper_bound=upper_bound(tails, config.confidence),
        tails=tails,
        noise_samples=tally.noise.total(),
        noise_recall=_mean(_counts(tally.noise)),
        overlap=tally.overlap_sum / samples if samples else None,
        mean_drift=tally.drift_sum / samples if samples else None,
        largest_drift=tally.largest_drift,
        violations=tally.violations,
        reads=tally.reads,
        unequal=tally.unequal,
        attempts=len(record.recent),
        errors=sum(secondary is None for _, secondary in record.recent),
        latency=_latency(record.recent),
        rulings=dict(tally.rulings),
        skipped=dict(tally.skipped),
        unchecked=dict(tally.unchecked),
        unanswerable=dict(tally.unanswerable),
    )


def _counts(thousandths: Counter[int]) -> Counts:
    return {recall / STEPS: times for recall, times in thousandths.items()}


def _tails(recalls: Counts, floor: float) -> Counts:
    tail = sum(times for recall, times in recalls.items() if recall < floor)
    split = {1.0: tail, 0.0: sum(recalls.values()) - tail}
    return {value: times for value, times in split.items() if times}


def _mean(counts: Counts) -> float | None:
    total = sum(counts.values())
    return sum(value * times for value, times in counts.items()) / total if total else None


def _latency(recent: Iterable[Seconds]) -> Latency | None:
    both = [(primary, secondary) for primary, secondary in recent if secondary is not None]
    if not both:
        return None
    p50, p95 = np.percentile(np.array(both), [50, 95], axis=0).tolist()
    return Latency(p50[0], p95[0], p50[1], p95[1])
