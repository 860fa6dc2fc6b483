"""Compares every point of both sides while writes continue, and says which collections are equal.

Owns: the walk, its checkpoint, what goes to the ledger, the mark of a clean pass. Not: what equal means (compare.points),
mending (repair.py). Memory is a page or two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from typing import Final

from proxy.errors import NotFound, Refused
from proxy.live import Progress, Roles
from proxy.model.operation import Consistency, Count, Page, Scan
from proxy.model.point import Key
from proxy.patience import Patience
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.ledger import Divergence
from proxy.store.walk import Stretch, Walk, exists, load, save, stretches_of
from proxy.verify.comparison import Comparison
from proxy.verify.review import review
from proxy.verify.strays import still_owed, take_over
from proxy.verify.subject import Subject

TASK: Final = "verify"
RECOUNTS: Final = 4
"""Looks at a collection that seems to hold an id twice, after the first."""
DUPLICATES: Final = (
    "{} rows of the primary have an id that another row has too, and only one of them can be read or mirrored: "
    "upsert or delete these ids, then verify again"
)


@dataclass(frozen=True, slots=True)
class _Run:
    """What holds for one run."""

    roles: Roles
    comparison: Comparison
    progress: Progress
    patient: Patience


class Verify:
    """A pass over two epochs vouches for nothing, so the roles are asked again at the end of each collection."""

    def __init__(self, subject: Subject, debts: Debts, checkpoints: Checkpoints) -> None:
        self._subject = subject
        self._debts = debts
        self._checkpoints = checkpoints

    async def run(self, collections: tuple[str, ...], progress: Progress) -> None:
        """A task's job: () for every migrated collection. Goes on where it stopped if it is asked for the same.

        Differences are no failure: they are in the ledger. Raises NotFound where the secondary lacks a collection.
        """
        roles = self._subject.roles()
        patient = Patience(self._subject.clock, progress.stalled)
        names = self._subject.collections(collections)
        stopped = await load(self._checkpoints, TASK)
        walk = stopped if stopped and stopped.continues(collections, roles.epoch) else Walk(roles.epoch, collections, names)
        run = _Run(roles, Comparison(self._subject, roles, progress), progress, patient)
        await self._until_landed(progress)
        gone = await self._call_by_name(run)
        if not collections:
            walk = replace(walk, remaining=(*walk.remaining, *await take_over(self._subject, self._debts, roles, patient)))
        since = self._debts.number()
        walk = replace(walk, total=walk.total or await self._count(run, walk))
        while walk.ahead:
            walk = await self._collection(run, walk if walk.collection else await self._begin(run, walk))
        if not collections and self._debts.number() == since:  # all that such a name may have meant was looked at
            for name in gone:
                await self._debts.clear(name)
        await self._checkpoints.drop(TASK)

    async def _until_landed(self, progress: Progress) -> None:
        """A write whose outcome nobody knows may leave a debt when it can land no more: a pass before that would be in vain."""
        mirror = self._subject.mirror
        if mirror.lingering:
            progress.stalled("writes whose outcome is unknown may still land: waiting until they cannot (mirror.linger)")
            await mirror.landed_until(mirror.position)

    async def _call_by_name(self, run: _Run) -> list[str]:
        """A write under a name that we do not know made a debt of that name: the primary says whose it is. What nothing is
        called any more."""
        strays = [(name, why) for name, why in self._debts.all().items() if not self._subject.exists(name)]
        if not strays:
            return []
        aliases = await run.patient(run.roles.primary.aliases)
        for name, why in strays:
            if name in aliases:
                await self._debts.mark(aliases[name], why)
                await self._debts.clear(name)
        nameless = [name for name, _ in strays if name not in aliases]
        owed = await still_owed(nameless, self._debts, run.roles, run.patient)
        return [name for name in nameless if name not in owed]

    async def _count(self, run: _Run, walk: Walk) -> int:
        """Points of both sides."""
        return sum([await self._points(run, name) for name in filter(self._subject.exists, walk.ahead)])

    async def _points(self, run: _Run, name: str) -> int:
        primary, secondary = run.roles.primary, run.roles.secondary
        try:
            return sum([await run.patient(side.count, Count(name)) for side in (primary, secondary)])
        except NotFound:
            if name in await run.patient(primary.collections):
                raise
            return 0  # dropped by the application, and the catalog is not told yet

    async def _begin(self, run: _Run, walk: Walk) -> Walk:
        since = self._debts.number()
        name = walk.remaining[0]
        if not self._subject.exists(name):
            return walk.begin(())
        schema = self._subject.catalog.schema(name)
        await review(run.comparison, self._subject.ledger, schema, self._subject.config.page)
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
        ledger, name = self._subject.ledger, walk.collection
        if self._subject.roles().epoch != walk.epoch:
            raise Refused("the primary changed while it was verified; verify again")
        if not self._subject.exists(name):
            await ledger.forget(name)
        elif surplus := await self._duplicates(run, name):
            await self._debts.mark(name, DUPLICATES.format(surplus))
        elif not ledger.count(name):
            await self._debts.settle(name, since=walk.debts_since, epoch=walk.epoch, points=walk.points)

    async def _duplicates(self, run: _Run, collection: str) -> int:
        """Surely hidden rows: those that writes meanwhile may explain are left for a calmer pass.

        Beside writes Milvus 2.3 counts rows, now and then and by the thousand, that were replaced long ago: only what every
        look finds is there.
        """
        least = await self._surplus(run, collection)
        for _ in range(RECOUNTS):
            if not least:
                break
            await self._subject.clock.sleep(self._subject.config.recheck_delay)
            least = min(least, await self._surplus(run, collection))
        return least

    async def _surplus(self, run: _Run, collection: str) -> int:
        mirror = self._subject.mirror
        since = mirror.position
        try:
            found = await run.patient(run.roles.primary.duplicates, collection)
        except NotFound:
            return 0  # dropped by the application, and the catalog is not told yet
        until = mirror.position
        await mirror.known_until(until)
        touched = mirror.touched(collection, since, until)
        return 0 if touched.all else max(found - len(touched.keys), 0)

    async def _stretch(self, run: _Run, walk: Walk) -> Walk:
        suspects: set[Key] = set()
        try:
            async for page in self._pages(run, walk):
                suspects.update(await self._differing(run, walk, page))
                walk = walk.advance(page.points[-1].key, len(page.points))
                if len(suspects) >= self._subject.config.page:
                    await self._record(run, walk.collection, suspects)
                    suspects.clear()
                if not suspects:  # suspects are only in memory: until they are recorded the checkpoint stays before them
                    await self._keep(run, walk)
            await self._record(run, walk.collection, suspects)
        except Refused:
            if await run.patient(exists, run.roles.primary, walk):
                raise
        return walk

    async def _pages(self, run: _Run, walk: Walk) -> AsyncIterator[Page]:
        stretch = walk.stretches[0]
        side = run.roles.primary if stretch.on_primary else run.roles.secondary
        scan = Scan(walk.collection, self._subject.config.page, walk.cursor, partitions=stretch.partitions)
        scan = scan if stretch.on_primary else replace(scan, fields=(), vector_names=())
        end = False
        while not end:
            await run.progress.turn()
            page = await run.patient(side.scan, scan, Consistency.LATEST)
            end = page.end or not page.points
            if page.points:
                scan = replace(scan, after=page.points[-1].key)
                yield page

    async def _differing(self, run: _Run, walk: Walk, page: Page) -> Collection[Key]:
        schema = self._subject.catalog.schema(walk.collection)
        if walk.stretches[0].on_primary:
            return await run.comparison.differing(schema, page.points)
        return await run.comparison.extra(walk.collection, [point.key for point in page.points])

    async def _record(self, run: _Run, collection: str, suspects: Collection[Key]) -> None:
        found = await run.comparison.persisting(self._subject.catalog.schema(collection), suspects)
        await self._subject.ledger.record([Divergence(key, reason) for key, reason in found.items()])

    async def _keep(self, run: _Run, walk: Walk) -> None:
        await save(self._checkpoints, TASK, walk)
        run.progress.report(walk.done, walk.total)
