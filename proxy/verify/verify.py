"""Compares every point of both sides while writes continue, and says which collections are equal.

Owns: the walk, its checkpoint, what goes to the ledger, the mark of a clean pass. Not: what equal means (compare.points),
mending (repair.py). Memory is a page or two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

from proxy.config import VerifyConfig
from proxy.errors import Refused
from proxy.model.operation import Consistency, Count, Page, Scan
from proxy.model.point import Key
from proxy.patience import Patience
from proxy.ports import Clock, LiveWrites, Progress, Roles
from proxy.store.catalog import StoredCatalog
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.ledger import Divergence, Ledger
from proxy.store.walk import Stretch, Walk, exists, load, save, stretches_of
from proxy.verify.comparison import Comparison
from proxy.verify.review import review

TASK: Final = "verify"


@dataclass(frozen=True, slots=True)
class Findings:
    """Where verify's results are kept."""

    ledger: Ledger
    debts: Debts
    checkpoints: Checkpoints


@dataclass(frozen=True, slots=True)
class _Run:
    """What holds for one run. `total` in points of both sides."""

    roles: Roles
    comparison: Comparison
    progress: Progress
    patient: Patience
    total: int


class Verify:
    """`roles` is asked at the start of a run and at the end of each collection: a pass over two epochs vouches for nothing."""

    def __init__(
        self,
        roles: Callable[[], Roles],
        mirror: LiveWrites,
        catalog: StoredCatalog,
        findings: Findings,
        config: VerifyConfig,
        clock: Clock,
    ) -> None:
        self._roles = roles
        self._mirror = mirror
        self._catalog = catalog
        self._findings = findings
        self._config = config
        self._clock = clock

    async def run(self, collections: tuple[str, ...], progress: Progress) -> None:
        """A task's job: () for every migrated collection. Goes on where it stopped if it is asked for the same.

        Differences are no failure: they are in the ledger. Raises NotFound where the secondary lacks a collection.
        """
        roles = self._roles()
        patient = Patience(self._clock, progress.stalled)
        stopped = await load(self._findings.checkpoints, TASK)
        walk = stopped if stopped and stopped.continues(collections, roles.epoch) else self._start(collections, roles.epoch)
        total = walk.done - walk.points + await self._count(roles, walk, patient)
        comparison = Comparison(roles, self._mirror, self._config, self._clock, progress)
        run = _Run(roles, comparison, progress, patient, total)
        while walk.ahead:
            walk = await self._collection(run, walk if walk.collection else await self._begin(run, walk))
        await self._findings.checkpoints.drop(TASK)

    def _start(self, collections: tuple[str, ...], epoch: int) -> Walk:
        return Walk(epoch, collections, tuple(map(self._catalog.resolve, collections)) or self._catalog.migrated())

    async def _count(self, roles: Roles, walk: Walk, patient: Patience) -> int:
        there = [name for name in walk.ahead if name in self._catalog.collections()]
        counts = [await patient(side.count, Count(name)) for name in there for side in (roles.primary, roles.secondary)]
        return sum(counts)

    async def _begin(self, run: _Run, walk: Walk) -> Walk:
        since = self._findings.debts.number()
        name = walk.remaining[0]
        if name not in self._catalog.collections():
            return walk.begin(())
        schema = self._catalog.schema(name)
        await review(run.comparison, self._findings.ledger, schema, self._config.page)
        return walk.begin((*stretches_of(schema), Stretch(on_primary=False)), since)

    async def _collection(self, run: _Run, walk: Walk) -> Walk:
        while walk.stretches:
            walk = (await self._stretch(run, walk)).turn()
            await self._keep(run, walk)
        await self._conclude(run, walk)
        walk = walk.leave()
        await self._keep(run, walk)
        return walk

    async def _conclude(self, run: _Run, walk: Walk) -> None:
        ledger, name = self._findings.ledger, walk.collection
        if self._roles().epoch != walk.epoch:
            raise Refused("the primary changed while it was verified; verify again")
        if name not in self._catalog.collections():
            await ledger.forget(name)
        elif not ledger.count(name):
            await self._findings.debts.settle(name, since=walk.debts_since, epoch=walk.epoch, points=walk.points)

    async def _stretch(self, run: _Run, walk: Walk) -> Walk:
        suspects: set[Key] = set()
        try:
            async for page in self._pages(run, walk):
                suspects.update(await self._differing(run, walk, page))
                walk = walk.advance(page.points[-1].key, len(page.points))
                if page.end or len(suspects) >= self._config.page:
                    await self._record(run, walk.collection, suspects)
                    suspects.clear()
                if not suspects:  # suspects are only in memory: until they are recorded the checkpoint stays before them
                    await self._keep(run, walk)
        except Refused:
            if await run.patient(exists, run.roles.primary, walk):
                raise
        return walk

    async def _pages(self, run: _Run, walk: Walk) -> AsyncIterator[Page]:
        stretch = walk.stretches[0]
        side = run.roles.primary if stretch.on_primary else run.roles.secondary
        scan = Scan(walk.collection, self._config.page, walk.cursor, partitions=stretch.partitions)
        scan = scan if stretch.on_primary else replace(scan, fields=(), vector_names=())
        end = False
        while not end:
            await run.progress.turn()
            page = await run.patient(side.scan, scan, Consistency.LATEST)
            end = page.end or not page.points
            if page.points:
                scan = replace(scan, after=page.points[-1].key)
                yield replace(page, end=end)

    async def _differing(self, run: _Run, walk: Walk, page: Page) -> Collection[Key]:
        schema = self._catalog.schema(walk.collection)
        if walk.stretches[0].on_primary:
            return await run.comparison.differing(schema, page.points)
        return await run.comparison.extra(walk.collection, [point.key for point in page.points])

    async def _record(self, run: _Run, collection: str, suspects: Collection[Key]) -> None:
        found = await run.comparison.persisting(self._catalog.schema(collection), suspects)
        await self._findings.ledger.record([Divergence(key, reason) for key, reason in found.items()])

    async def _keep(self, run: _Run, walk: Walk) -> None:
        await save(self._findings.checkpoints, TASK, walk)
        run.progress.report(walk.done, run.total)
