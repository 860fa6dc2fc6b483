"""Sets the gauges when somebody reads the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.config import GatesConfig, Phase
from proxy.control.parts import Parts
from proxy.model.place import Place
from proxy.routing.gate import Gate
from proxy.telemetry import metrics

_LIGHT: Final = {True: 1, False: 0, None: -1}


def gauge(parts: Parts, gates: Sequence[Gate], config: GatesConfig) -> None:
    journal = parts.mirror.status()
    metrics.JOURNAL_ENTRIES.set(journal.entries)
    metrics.JOURNAL_BYTES.set(journal.bytes)
    metrics.JOURNAL_LAG.set(journal.oldest_seconds)
    metrics.DIRTY_KEYS.set(journal.dirty_keys)
    metrics.PARKED.set(journal.parked)
    metrics.UNVERIFIED.set(sum(parts.debts.verified(name) is None for name in parts.catalog.migrated()))
    metrics.EPOCH.set(parts.migration.epoch)
    for place in Place:
        metrics.PRIMARY.labels(place).set(parts.migration.primary is place)
    for phase in Phase:
        metrics.PHASE.labels(phase).set(parts.migration.phase is phase)
    for name in parts.catalog.migrated():
        metrics.DIVERGENCES.labels(name).set(parts.ledger.count(name))
    for status in parts.tasks.statuses():
        metrics.TASK_DONE.labels(status.name).set(status.done)
        metrics.TASK_TOTAL.labels(status.name).set(status.total)
    for gate in gates:
        metrics.GATE.labels(gate.name).set(_LIGHT[gate.ok])
    for name, figures in parts.shadow.figures(config).items():
        metrics.SHADOW_SAMPLES.labels(name).set(figures.samples)
        metrics.SHADOW_BOUND.labels(name).set(figures.recall_lower_bound)
        if figures.recall is not None:
            metrics.SHADOW_RECALL.labels(name).set(figures.recall)
