"""What verify and repair work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proxy.config import VerifyConfig
from proxy.live import LiveWrites, Roles
from proxy.ports import Clock
from proxy.store.catalog import StoredCatalog
from proxy.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Subject:
    """`roles` says who is what at the time of the call."""

    roles: Callable[[], Roles]
    mirror: LiveWrites
    catalog: StoredCatalog
    ledger: Ledger
    config: VerifyConfig
    clock: Clock

    def collections(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """() is every migrated one. Raises NotFound."""
        return tuple(map(self.catalog.resolve, asked)) or self.catalog.migrated()

    def exists(self, collection: str) -> bool:
        return collection in self.catalog.collections()
