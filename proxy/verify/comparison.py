"""Finds keys whose states differ on the two sides, and tells a divergence from a write that is still on its way.

Owns: comparing pages, re-checking suspects. Not: walking the collections (verify.py), mending (repair.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from proxy.compare.kept import kept_by
from proxy.compare.points import Reason, difference
from proxy.live import Progress, Roles, Touched
from proxy.model.operation import Consistency, Fetch
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.patience import Patience
from proxy.ports import Backend
from proxy.verify.subject import Subject

SLICE: Final = 64
"""Points compared before the loop serves clients again."""
RECHECKS: Final = 5
"""Looks at a suspect that keeps being written; after them its own writes vouch for it, because each brings its whole state."""


class Comparison:
    """For one run over the roles of that time."""

    def __init__(self, subject: Subject, roles: Roles, progress: Progress) -> None:
        self._roles = roles
        self._mirror = subject.mirror
        self._config = subject.config
        self._clock = subject.clock
        self._patient = Patience(subject.clock, progress.stalled)
        self._kept = kept_by(roles.primary.features, roles.secondary.features)

    async def differing(self, schema: Schema, points: Sequence[Point]) -> dict[Key, Reason]:
        """Of a page of the primary, against the secondary as it is now."""
        theirs = await self._fetch(self._roles.secondary, schema.collection, [point.key for point in points])
        return await self._compare(schema, {point.key: point for point in points}, theirs)

    async def extra(self, collection: str, keys: Sequence[Key]) -> dict[Key, Reason]:
        """Those of the secondary's keys that the primary lacks."""
        fetch = Fetch(collection, tuple(keys), fields=(), vector_names=())
        found = await self._patient(self._roles.primary.fetch, fetch, Consistency.LATEST)
        return {key: Reason.EXTRA for key in keys if key not in found}

    async def persisting(self, schema: Schema, suspects: Collection[Key]) -> dict[Key, Reason]:
        """Those that still differ when every write that began before this call has reached the secondary."""
        found: dict[Key, Reason] = {}
        left = tuple(suspects)
        for look in range(RECHECKS):
            if not left:
                break
            differing, touched = await self._look_again(schema, left)
            if touched.all and look == RECHECKS - 1:
                return found | differing  # nobody can tell that they were written, so nobody vouches for them
            found |= {key: reason for key, reason in differing.items() if not touched.all and key not in touched.keys}
            left = tuple(key for key in differing if key not in found)
        return found

    async def _look_again(self, schema: Schema, keys: tuple[Key, ...]) -> tuple[dict[Key, Reason], Touched]:
        """What differs, and what was written while we looked."""
        position = self._mirror.position
        await self._mirror.known_until(position)
        await self._mirror.settled(keys)
        await self._clock.sleep(self._config.recheck_delay)
        ours = await self._fetch(self._roles.primary, schema.collection, keys)
        theirs = await self._fetch(self._roles.secondary, schema.collection, keys)
        now = self._mirror.position
        await self._mirror.known_until(now)
        touched = self._mirror.touched(schema.collection, position, now)
        return await self._compare(schema, ours, theirs), touched

    async def _fetch(self, side: Backend, collection: str, keys: Sequence[Key]) -> dict[Key, Point]:
        return await self._patient(side.fetch, Fetch(collection, tuple(keys)), Consistency.LATEST)

    async def _compare(self, schema: Schema, ours: Mapping[Key, Point], theirs: Mapping[Key, Point]) -> dict[Key, Reason]:
        found: dict[Key, Reason] = {}
        for number, key in enumerate(ours.keys() | theirs.keys()):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            reason = difference(ours.get(key), theirs.get(key), schema, self._config.tolerance, self._kept)
            if reason is not None:
                found[key] = reason
        return found
