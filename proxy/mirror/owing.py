"""Makes debts, and insists: a debt that cannot be written would be a loss in silence."""

from __future__ import annotations

import functools

from proxy.mirror.pace import Pace
from proxy.mirror.parts import Parts


class Owing:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def mark(self, collection: str, why: str) -> None:
        """`collection` "" means all of them. Durable when it returns."""
        catalog = self._parts.catalog
        pace = Pace(self._parts.clock, self._parts.config.retry_max)
        for name in [collection] if collection else catalog.migrated():
            if name not in catalog.excluded():
                await pace.insist(functools.partial(self._parts.debts.mark, name, why))
