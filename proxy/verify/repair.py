"""Mends what verify found: has every divergent key settled, then looks again.

Not: finding divergences (verify.py), settling (mirror). A repaired collection is not verified yet: only a whole pass says so.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.config import VerifyConfig
from proxy.ports import Clock, LiveWrites, Progress, Roles
from proxy.store.catalog import StoredCatalog
from proxy.store.ledger import Ledger
from proxy.verify.comparison import Comparison
from proxy.verify.review import known, look_again


class Repair:
    """The ledger is its checkpoint: what is mended has left it."""

    def __init__(
        self,
        roles: Callable[[], Roles],
        mirror: LiveWrites,
        catalog: StoredCatalog,
        ledger: Ledger,
        config: VerifyConfig,
        clock: Clock,
    ) -> None:
        self._roles = roles
        self._mirror = mirror
        self._catalog = catalog
        self._ledger = ledger
        self._config = config
        self._clock = clock

    async def run(self, collections: tuple[str, ...], progress: Progress) -> None:
        """A task's job: () for every collection in the ledger. What cannot be mended stays there with its reason."""
        names = tuple(map(self._catalog.resolve, collections)) or tuple(self._ledger.counts())
        comparison = Comparison(self._roles(), self._mirror, self._config, self._clock, progress)
        done, total = 0, sum(map(self._ledger.count, names))
        for name in names:
            if name not in self._catalog.collections():
                await self._ledger.forget(name)
                continue
            async for keys in known(self._ledger, name, self._config.page):
                await progress.turn()
                self._mirror.mark_dirty(keys, "repair")
                await look_again(comparison, self._ledger, self._catalog.schema(name), keys)
                done += len(keys)
                progress.report(done, total)
