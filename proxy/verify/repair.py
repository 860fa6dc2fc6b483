"""Mends what verify found: has every divergent key settled, then looks again.

Not: finding divergences (verify.py), settling (mirror). A repaired collection is not verified yet: only a whole pass says so.
"""

from __future__ import annotations

from proxy.live import Progress
from proxy.verify.comparison import Comparison
from proxy.verify.review import known, look_again
from proxy.verify.subject import Subject


class Repair:
    """The ledger is its checkpoint: what is mended has left it."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    async def run(self, collections: tuple[str, ...], progress: Progress) -> None:
        """A task's job: () for every migrated collection. What cannot be mended stays in the ledger with its reason."""
        subject = self._subject
        names = subject.collections(collections)
        comparison = Comparison(subject, subject.roles(), progress)
        done, total = 0, sum(map(subject.ledger.count, names))
        progress.report(done, total)
        for name in names:
            async for keys in known(subject.ledger, name, subject.config.page):
                await progress.turn()
                subject.mirror.mark_dirty(keys, "repair")
                await look_again(comparison, subject.ledger, subject.catalog.schema(name), keys)
                done += len(keys)
                progress.report(done, total)
