"""Copies every point of the migrated collections once, resumably.

Owns: the walk over the collections and its checkpoint. Not: the rule that keeps live writes safe (writer.py), the pace
(reader.py), what is written when (pipeline.py), comparing (verify).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from proxy.backfill.pipeline import Pipeline
from proxy.backfill.reader import Reader, read_at_once
from proxy.backfill.target import create_collections
from proxy.backfill.writer import Writer
from proxy.config import BackfillConfig
from proxy.errors import NotFound, Refused
from proxy.live import LiveWrites, Progress, Roles
from proxy.model.operation import Count, Scan
from proxy.patience import Patience
from proxy.ports import Clock
from proxy.store.catalog import StoredCatalog
from proxy.store.checkpoints import Checkpoints
from proxy.store.keys import load_keys
from proxy.store.walk import Walk, exists, load, save, stretches_of

TASK: Final = "backfill"


@dataclass(frozen=True, slots=True)
class BackfillSettings:
    """`linger`: seconds after which a write that was given up can no longer land."""

    config: BackfillConfig
    linger: float


@dataclass(frozen=True, slots=True)
class _Run:
    """What holds for one run."""

    roles: Roles
    reader: Reader
    writer: Writer
    progress: Progress
    patient: Patience


class Backfill:
    """`roles` is asked once a run, and must not change while one runs."""

    def __init__(
        self,
        roles: Callable[[], Roles],
        mirror: LiveWrites,
        catalog: StoredCatalog,
        checkpoints: Checkpoints,
        settings: BackfillSettings,
        clock: Clock,
    ) -> None:
        self._roles = roles
        self._mirror = mirror
        self._catalog = catalog
        self._checkpoints = checkpoints
        self._settings = settings
        self._clock = clock

    async def run(self, collections: tuple[str, ...], progress: Progress) -> None:
        """A task's job: () for every migrated collection. Goes on where it stopped if it is asked for the same.

        Raises Refused (before anything is written where the secondary cannot hold a collection) and NotFound.
        """
        roles = self._roles()
        reader = Reader(roles.primary, self._mirror, self._settings.config, self._clock, progress)
        writer = Writer(roles.secondary, self._mirror, reader, self._settings.linger, self._clock, progress)
        stopped = await load(self._checkpoints, TASK)
        names = tuple(map(self._catalog.resolve, collections)) or self._catalog.migrated()
        walk = stopped if stopped and stopped.continues(collections, roles.epoch) else Walk(roles.epoch, collections, names)
        run = _Run(roles, reader, writer, progress, Patience(self._clock, progress.stalled))
        walk = await self._prepare(run, walk)
        if stopped is not None:
            await writer.settle(load_keys(stopped.collection, stopped.claims), "the backfill was stopped while it wrote it")
        while walk.ahead:
            walk = await self._collection(run, walk if walk.collection else self._begin(walk))
        await self._checkpoints.drop(TASK)

    async def _prepare(self, run: _Run, walk: Walk) -> Walk:
        """Makes what is missing on the secondary, and counts what there is to copy."""
        there = [name for name in walk.ahead if name in self._catalog.collections()]
        await run.patient(create_collections, run.roles.secondary, self._catalog, there, self._mirror)
        counts = [await self._count(run, name) for name in there]
        return replace(walk, total=walk.total or sum(counts))

    async def _count(self, run: _Run, name: str) -> int:
        try:
            return await run.patient(run.roles.primary.count, Count(name))
        except NotFound:
            return 0  # dropped by the application, and the catalog is not told yet

    def _begin(self, walk: Walk) -> Walk:
        name = walk.remaining[0]
        there = name in self._catalog.collections()  # dropped meanwhile: nothing to copy
        return walk.begin(stretches_of(self._catalog.schema(name)) if there else ())

    async def _collection(self, run: _Run, walk: Walk) -> Walk:
        while walk.stretches:
            await self._keep(run, walk)
            walk = (await self._stretch(run, walk)).turn()
        await self._keep(run, walk)  # the secondary may take long to come to rest
        if walk.collection in self._catalog.collections():
            with suppress(NotFound):  # dropped at this moment
                await run.patient(run.roles.secondary.quiesce, walk.collection)
        walk = walk.leave()
        await self._keep(run, walk)
        return walk

    async def _stretch(self, run: _Run, walk: Walk) -> Walk:
        pipeline = Pipeline(walk, run.writer.write, partial(self._keep, run), self._settings.config.concurrency)
        try:
            limit = read_at_once(self._catalog.schema(walk.collection), self._settings.config.page)
            scan = Scan(walk.collection, limit, walk.cursor, partitions=walk.stretches[0].partitions)
            return await pipeline.run(run.reader.pages(scan))
        except Refused:
            # Where only the catalog lacks it, it was made again, and its creation is on its way to the mirror.
            if walk.collection in self._catalog.collections() and await run.patient(exists, run.roles.primary, walk):
                raise
            return pipeline.walk.unclaimed()  # dropped by the application while it was copied

    async def _keep(self, run: _Run, walk: Walk) -> None:
        await save(self._checkpoints, TASK, walk)
        run.progress.report(walk.done, walk.total)
