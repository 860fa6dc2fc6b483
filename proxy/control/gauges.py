"""Sets the gauges when somebody reads the metrics."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from proxy.config import GatesConfig
from proxy.control.parts import Parts
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.net.entrance import Reason
from proxy.ports import Route
from proxy.routing.gate import Gate
from proxy.routing.plan import Action
from proxy.telemetry import metrics

_LIGHT: Final = {True: 1, False: 0, None: -1}


class Gauges:
    """What is counted elsewhere comes here when it is asked for: nothing is added to the client's path."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._told: Counter[tuple[Route, Action]] = Counter()
        self._turned_away: defaultdict[str, Counter[Reason]] = defaultdict(Counter)

    def set(self, gates: Sequence[Gate], config: GatesConfig) -> None:
        self._requests()
        self._mirror()
        self._migration()
        self._collections(config)
        for status in self._parts.tasks.statuses():
            metrics.TASK_DONE.labels(status.name).set(status.done)
            metrics.TASK_TOTAL.labels(status.name).set(status.total)
        metrics.GATE.clear()  # collections come and go
        for gate in gates:
            metrics.GATE.labels(gate.name).set(_LIGHT[gate.ok])

    def _requests(self) -> None:
        seen = self._parts.router.seen()
        for (route, action), times in (seen - self._told).items():
            metrics.REQUESTS.labels(route.name, action).inc(times)
        self._told = seen
        for role, listener in self._parts.listeners.items():
            stats = listener.stats()
            metrics.CONNECTIONS.labels(role).set(stats.connections)
            for reason, times in (Counter(stats.turned_away) - self._turned_away[role]).items():
                metrics.TURNED_AWAY.labels(role, reason).inc(times)
            self._turned_away[role] = Counter(stats.turned_away)
        workers = self._parts.workers
        metrics.WORKERS.set(sum(status.accepting for status in workers.statuses()) if workers else 0)

    def _mirror(self) -> None:
        journal = self._parts.mirror.status()
        metrics.JOURNAL_ENTRIES.set(journal.entries)
        metrics.JOURNAL_BYTES.set(journal.bytes)
        metrics.JOURNAL_LAG.set(journal.oldest_seconds)
        metrics.DIRTY_KEYS.set(journal.dirty_keys)
        metrics.PARKED.set(journal.parked)

    def _migration(self) -> None:
        migration = self._parts.migration
        metrics.EPOCH.set(migration.epoch)
        for place in Place:
            metrics.PRIMARY.labels(place).set(migration.primary is place)
        for phase in Phase:
            metrics.PHASE.labels(phase).set(migration.phase is phase)

    def _collections(self, config: GatesConfig) -> None:
        migrated = self._parts.catalog.migrated()
        metrics.UNVERIFIED.set(sum(self._parts.debts.verified(name) is None for name in migrated))
        metrics.DIVERGENCES.clear()
        for name in migrated:
            metrics.DIVERGENCES.labels(name).set(self._parts.ledger.count(name))
        for name, figures in self._parts.shadow.figures(config).items():
            metrics.SHADOW_SAMPLES.labels(name).set(figures.samples)
            metrics.SHADOW_BOUND.labels(name).set(figures.recall_lower_bound)
            if figures.recall is not None:
                metrics.SHADOW_RECALL.labels(name).set(figures.recall)
