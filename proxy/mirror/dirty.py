"""The keys whose state on the secondary is not known to equal the primary's.

Owns: which keys, why, who works on each one now. Every mark is in the journal too. Not: settling them (settle).

| a key is | meaning |
|---|---|
| waiting | to be settled |
| taken | being settled; a mark meanwhile makes it wait again afterwards |
| claimed | being written directly by the applier; the same |
| later | to be settled when its time has come: something sent may still land until then |
| parked | refused by the secondary for good; a new mark tries again |
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from proxy.mirror.journal import Journal, Parked
from proxy.mirror.pulse import Pulse
from proxy.model.point import Key
from proxy.ports import Clock

DIRTY_LIMIT: Final = 200_000
"""Dirty keys of one collection; above it the applier waits, and what the primary does not let us read becomes a debt."""
PARKED_LIMIT: Final = 100_000
"""Parked keys of all collections; what is refused above it becomes a debt."""

Claim: TypeAlias = dict[Key, str | None]


class DirtyKeys:
    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._waiting: defaultdict[str, dict[Key, str]] = defaultdict(dict)
        self._taken: dict[Key, str | None] = {}
        """Why it is to be settled once more; None where it is not."""
        self._claims: list[dict[Key, str | None]] = []
        self._later: dict[Key, tuple[float, str]] = {}
        self._due: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._since: dict[Key, float] = {}
        """When a dirty key became so, by the clock's monotonic scale; the oldest first."""
        self._parked = {parked.key: parked for parked in journal.found.parked}
        self._quiet: Counter[str] = Counter()
        self._awaited: list[set[Key]] = []
        """Those that somebody wants to see clean once."""
        self.changed = Pulse()

    def recover(self, linger: float) -> None:
        """What the last process left. It may have sent any of these keys just before it ended: all are looked at again."""
        found = self._journal.found
        for key, why in found.dirty.items():
            self._wait(key, why)
        self.mark_later({**found.rechecks, **found.dirty}, linger)

    # ---- marking ----

    def mark(self, marks: Mapping[Key, str]) -> None:
        if not marks:
            return
        self._journal.mark(marks)
        owners = [owner for owner in (self._taken, *self._claims) if owner]
        now = self._clock.monotonic()
        for key, why in marks.items():
            for owner in owners:
                if key in owner:
                    owner[key] = why
                    break
            else:
                self._waiting[key.collection][key] = why
                self._since.setdefault(key, now)
        self.changed.ring()

    def _wait(self, key: Key, why: str) -> None:
        self._waiting[key.collection][key] = why
        self._since.setdefault(key, self._clock.monotonic())

    def mark_later(self, marks: Mapping[Key, str], after: float) -> None:
        """`after` in seconds. A key that has a time already gets the later one."""
        self._journal.mark_later(marks)
        due = self._clock.monotonic() + after
        for key, why in marks.items():
            self._later[key] = (max(due, self._later.get(key, (0.0, ""))[0]), why)
            heapq.heappush(self._due, (due, next(self._order), key))
        self.changed.ring()

    def next_due(self) -> float | None:
        """On the clock's monotonic scale."""
        return self._due[0][0] if self._due else None

    def mark_due(self) -> None:
        now = self._clock.monotonic()
        due: dict[Key, str] = {}
        while self._due and self._due[0][0] <= now:
            key = heapq.heappop(self._due)[2]
            if key in self._later and self._later[key][0] <= now:
                due[key] = self._later.pop(key)[1]
        if due:
            self.mark(due)
            self._journal.unmark_later(due)

    # ---- settling ----

    def collections(self) -> list[str]:
        """Those with waiting keys that may be taken."""
        return [collection for collection, keys in self._waiting.items() if keys and collection not in self._quiet]

    def waiting(self, collection: str) -> int:
        return len(self._waiting.get(collection, ()))

    def take(self, collection: str, limit: int) -> list[Key]:
        """Waiting keys that nobody works on; they are taken now."""
        keys = list(itertools.islice(self._waiting[collection], limit))
        for key in keys:
            del self._waiting[collection][key]
            self._taken[key] = None
        if not self._waiting[collection]:
            del self._waiting[collection]
        return keys

    def settled(self, keys: Collection[Key]) -> None:
        """Taken keys: clean now, unless they were marked meanwhile."""
        clean = [key for key in keys if self._taken[key] is None]
        self._journal.unmark(clean)
        self._release(self._taken, keys)
        self._unpark(clean)

    def untake(self, keys: Iterable[Key], why: str) -> None:
        """Taken keys wait again: they could not be settled."""
        for key in keys:
            self._wait(key, self._taken.pop(key) or why)
        self.changed.ring()

    def overtaken(self, keys: Collection[Key]) -> None:
        """Taken keys wait again: they were written while they were settled."""
        for key in keys:
            self._taken[key] = self._taken[key] or "it changed while it was settled"
        self._release(self._taken, keys)

    def park(self, key: Key, reason: str) -> bool:
        """A taken or claimed key; one that was marked meanwhile waits again instead. False: there is no room, so whoever asks
        owes it and lets it go."""
        owner = self._owner(key)
        assert owner is not None
        if owner[key] is None:
            if key not in self._parked and len(self._parked) >= PARKED_LIMIT:
                return False
            self._parked[key] = self._journal.park(key, reason, self._clock.now())
        self._release(owner, [key])
        return True

    @asynccontextmanager
    async def quiet(self, collections: Collection[str]) -> AsyncIterator[None]:
        """Nobody settles a key of these while their schema changes."""
        self._quiet.update(collections)
        try:
            await self.changed.until(lambda: not any(key.collection in collections for key in self._taken))
            yield
        finally:
            self._quiet.subtract(collections)
            self._quiet = +self._quiet
            self.changed.ring()

    def rename(self, collection: str, to: str) -> None:
        """Its keys, parked ones too, are looked at again under the name that they have now."""
        later = {
            key._replace(collection=to): "its collection was renamed" for key in self._later if key.collection == collection
        }
        keys = self.of(collection) | {key for key in self._parked if key.collection == collection}
        self.mark({key._replace(collection=to): "its collection was renamed" for key in keys})
        if later:
            self.mark_later(
                later, max(self._later[key._replace(collection=collection)][0] for key in later) - self._clock.monotonic()
            )
        self.forget(collection)

    def forget(self, collection: str) -> None:
        """Its waiting keys: it is gone, or a debt now."""
        waiting = self._waiting.pop(collection, {})
        self._journal.unmark(waiting)
        for key in waiting:
            del self._since[key]
        gone = [key for key in self._parked if key.collection == collection]
        self._unpark(gone)
        self._clean(waiting)

    # ---- the applier's direct writes ----

    def claim(self, keys: Iterable[Key]) -> Claim:
        """None of them may be dirty or parked. To be given back."""
        claim: Claim = dict.fromkeys(keys)
        self._claims.append(claim)
        return claim

    def unclaim(self, claim: Claim) -> None:
        self._claims = [other for other in self._claims if other is not claim]
        marked = [key for key, why in claim.items() if why is not None]
        self._release(claim, marked)

    def _owner(self, key: Key) -> dict[Key, str | None] | None:
        """Who works on it now."""
        return next((owner for owner in (self._taken, *self._claims) if key in owner), None)

    def _release(self, owner: dict[Key, str | None], keys: Iterable[Key]) -> None:
        for key in keys:
            self._since.pop(key, None)
            if (why := owner.pop(key)) is not None:
                self._wait(key, why)
        self._clean(keys)

    def _clean(self, keys: Iterable[Key]) -> None:
        """Those of them that are not at work."""
        if self._awaited:
            clean = {key for key in keys if not self.at_work(key)}
            for awaited in self._awaited:
                awaited -= clean
        self.changed.ring()

    async def cleaned(self, keys: Iterable[Key]) -> None:
        """Until each of them was clean once: an application that writes some of them all the time leaves no moment at which all
        are. Parked ones are left aside, and so is what may land only later."""
        awaited = {key for key in keys if self.at_work(key)}
        self._awaited.append(awaited)
        try:
            await self.changed.until(lambda: not awaited)
        finally:
            self._awaited = [other for other in self._awaited if other is not awaited]

    # ---- parked ----

    def parked(self) -> list[Parked]:
        return sorted(self._parked.values(), key=lambda parked: parked.id)

    def unpark(self, ids: Collection[int]) -> list[Key]:
        keys = [parked.key for parked in self.parked() if parked.id in ids]
        self._unpark(keys)
        return keys

    def _unpark(self, keys: Iterable[Key]) -> None:
        gone = [key for key in keys if self._parked.pop(key, None) is not None]
        self._journal.unpark(gone)

    def fault(self, keys: Collection[Key]) -> str | None:
        return next((self._parked[key].reason for key in keys if key in self._parked), None)

    # ---- questions ----

    def unsettled(self, keys: AbstractSet[Key]) -> set[Key]:
        """Those that must not be written directly."""
        if not self._parked and not self._taken and not self._waiting:
            return set()
        return {key for key in keys if key in self._parked or self.at_work(key)}

    def at_work(self, key: Key) -> bool:
        """To be settled as soon as possible."""
        return key in self._taken or key in self._waiting.get(key.collection, ())

    def of(self, collection: str) -> set[Key]:
        """Parked keys aside."""
        others = itertools.chain(self._taken, self._later)
        return {*self._waiting.get(collection, ()), *(key for key in others if key.collection == collection)}

    def full(self, collection: str) -> bool:
        return self.waiting(collection) >= DIRTY_LIMIT

    def oldest_seconds(self) -> float:
        """For how long the first of those to be settled as soon as possible waits for it."""
        first = next(iter(self._since.values()), None)
        return 0.0 if first is None else self._clock.monotonic() - first

    def lingering(self) -> int:
        """Those that something sent may still change."""
        return len(self._later)

    def count(self) -> int:
        """Parked keys aside."""
        waiting = sum(map(len, self._waiting.values()))
        later = sum(not self.at_work(key) for key in self._later)
        return waiting + len(self._taken) + later
