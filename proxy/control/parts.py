"""What the operator's commands act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.control.stages import Stages
from proxy.mirror.mirror import Mirror
from proxy.net.listener import ListenerStats
from proxy.routing.change import Change
from proxy.routing.router import Router
from proxy.routing.sides import Sides
from proxy.shadow.shadow import Shadow
from proxy.store.catalog import StoredCatalog
from proxy.store.debts import Debts
from proxy.store.ledger import Ledger
from proxy.store.migration import Migration
from proxy.store.samples import Samples
from proxy.tasks.tasks import Tasks
from proxy.workers.workers import Workers


class Port(Protocol):
    """A listening port, whoever holds it."""

    @property
    def address(self) -> str: ...

    def stats(self) -> ListenerStats: ...


@dataclass(frozen=True, slots=True)
class Parts:
    catalog: StoredCatalog
    debts: Debts
    ledger: Ledger
    migration: Migration
    samples: Samples
    sides: Sides
    mirror: Mirror
    shadow: Shadow
    router: Router
    change: Change
    stages: Stages
    tasks: Tasks
    listeners: Mapping[str, Port]
    """By role."""
    relays_only: str
    """Why the source can do no more than phase passthrough; "" where it can."""
    workers: Workers | None = None
    """Who holds those ports; None: this process."""
