"""Which writes were under way together, and what was touched since when. In memory; decides nothing durable.

Owns: the time order of writes by number. Not: their meaning (Reader), their order on the secondary (applier).

A write lives from its number to its horizon; both are ticks of one counter. Two writes overlap when neither ended before the
other began; only then is their order on the primary unknown. Of two that overlap, the one that is brought to the secondary last
must settle the keys that they share, so each is compared with those that ended before it. One that is no longer remembered may
have overlapped: then the answer is "cannot tell".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from proxy.mirror.entry import Entry, Reader, Scope
from proxy.model.point import Key

REMEMBERED_ENTRIES: Final = 20_000
REMEMBERED_KEYS: Final = 200_000
"""What is kept of writes that have ended; above it the oldest are forgotten and questions about them get "cannot tell"."""


@dataclass(frozen=True, slots=True)
class Touched:
    """`all`: it cannot be told, any key of the collection may have been touched."""

    keys: frozenset[Key]
    all: bool


class Window:
    def __init__(self, reader: Reader, position: int) -> None:
        self._reader = reader
        self.position = position
        """The last tick."""
        self.open: dict[int, Entry] = {}
        """By number: what may still land on the primary. No outcome yet, or an unknown one and its linger not over."""
        self._ended: dict[int, Entry] = {}
        """By place in the order of outcomes, which is the order of horizons too."""
        self._finished: deque[Entry] = deque()
        self._keys = 0
        self._forgotten = position
        """The largest horizon of those that are not remembered any more."""
        self._unread = position
        """The largest horizon, or number, of those that cannot be asked for their keys: spilled, or never kept."""

    # ---- the life of a write ----

    def tick(self) -> int:
        self.position += 1
        return self.position

    def begin(self, entry: Entry) -> None:
        self.open[entry.seq] = entry

    def skip(self, seq: int) -> None:
        """A number whose write is not kept."""
        self._unread = seq

    def close(self, entry: Entry) -> int:
        """It can land no more. Its horizon."""
        self.open.pop(entry.seq, None)
        entry.horizon = self.tick()
        return entry.horizon

    def place(self, entry: Entry) -> None:
        """It has its place in the order of outcomes; after a linger a second one."""
        self._ended[entry.ended] = entry

    def spill(self, entry: Entry) -> None:
        """Its request is only in the journal from now on."""
        self._unread = max(self._unread, entry.horizon or 0)
        entry.unload()

    def restore(self, entry: Entry) -> None:
        """One read back from the journal."""
        self._ended[entry.ended] = entry
        if entry.horizon is None:
            self.open[entry.seq] = entry

    def finish(self, entry: Entry) -> None:
        self._finished.append(entry)
        self._keys += _weight(entry)
        while len(self._finished) > REMEMBERED_ENTRIES or self._keys > REMEMBERED_KEYS:
            self._forget(self._finished.popleft())

    def _forget(self, entry: Entry) -> None:
        self._keys -= _weight(entry)
        self._forgotten = max(self._forgotten, entry.horizon or 0)
        for place in entry.places:
            self._ended.pop(place, None)

    # ---- what overlaps ----

    def rivals(self, entry: Entry) -> list[Entry] | None:
        """The writes that overlap it and ended before it; None where that cannot be told."""
        found = [other for other in self.open.values() if other.outcome is not None and other.ended < entry.ended]
        ended, floor = self._ended, entry.floor
        for place in range(entry.ended - 1, -1, -1):
            other = ended.get(place)
            if other is None:
                # Forgotten, or of a process before this one.
                return None if floor <= self._forgotten else found
            horizon = other.horizon
            if horizon is not None:
                if horizon < floor:
                    break
                if other.places[-1] == place:
                    found.append(other)
        return found

    def shared(self, scope: Scope, rivals: list[Entry]) -> AbstractSet[Key]:
        """The keys of `scope` that one of the rivals may touch too."""
        assert scope.keys is not None
        shared: set[Key] = set()
        for rival in rivals:
            other = self._reader.scope(rival)
            if other.collection not in (None, scope.collection):
                continue
            if other.keys is None or rival.by_filter:
                return scope.keys
            shared |= scope.keys & other.keys
        return shared

    # ---- what was touched ----

    def touched(self, collection: str, since: int, until: int) -> Touched:
        """By writes numbered up to `until` that were under way at `since` or began after it."""
        if since < max(self._forgotten, self._unread):
            return Touched(frozenset(), all=True)
        found = [*self.open.values(), *self._ended_since(since)]
        scopes = [self._reader.scope(entry) for entry in found if entry.seq <= until]
        here = [scope.keys for scope in scopes if scope.collection in (None, collection)]
        if None in here:
            return Touched(frozenset(), all=True)
        return Touched(frozenset().union(*(keys for keys in here if keys is not None)), all=False)

    def _ended_since(self, since: int) -> Iterator[Entry]:
        for place in reversed(self._ended):
            entry = self._ended[place]
            if entry.horizon is not None and entry.horizon <= since:
                return
            yield entry


def _weight(entry: Entry) -> int:
    return 1 + len(entry.scope.keys) if entry.scope is not None and entry.scope.keys is not None else 1
