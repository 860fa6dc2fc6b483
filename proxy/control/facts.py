"""Collects what the gates look at."""

from __future__ import annotations

from proxy.config import GatesConfig
from proxy.control.parts import Parts
from proxy.routing.gate import CollectionFacts, GateFacts


def facts(parts: Parts, config: GatesConfig) -> GateFacts:
    journal = parts.mirror.status()
    figures = parts.shadow.figures(config)
    debts = parts.debts.all()
    return GateFacts(
        entries=journal.entries,
        oldest_seconds=journal.oldest_seconds,
        dirty_keys=journal.dirty_keys,
        dirty_seconds=journal.dirty_seconds,
        lingering=journal.lingering,
        parked=journal.parked,
        collections=tuple(
            CollectionFacts(
                name,
                # A change of primary needs an empty journal, so what was equal before it is equal after it.
                parts.debts.verified(name) is not None,
                debts.get(name, ""),
                parts.ledger.count(name),
                figures.get(name),
            )
            # A debt under a name that the catalog does not know may be of any of them, until verify has asked the primary.
            for name in dict.fromkeys((*parts.catalog.migrated(), *debts))
        ),
        excluded=tuple(sorted(parts.catalog.excluded())),
        elsewhere=figures.get(""),
    )
