"""Which writes were under way together, and what was touched since when. In memory; decides nothing durable.

Owns: the time order of writes by number. Not: their meaning (Reader), their order on the secondary (applier).

A write lives from its number to its horizon. Two writes overlap when neither ended before the other began; only then is their
order on the primary unknown. A write that is no longer remembered may have overlapped: then the answer is "cannot tell".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.mirror.entry import Entry, Reader, Scope
from proxy.model.point import Key

REMEMBERED_ENTRIES: Final = 20_000
REMEMBERED_KEYS: Final = 200_000
"""What is kept of writes that have ended; above it the oldest are forgotten and questions about them get "cannot tell"."""
OVERLAP_LIMIT: Final = 4096
"""Writes that one write is compared with; above it, it counts as overlapping."""


@dataclass(frozen=True, slots=True)
class Touched:
    """`all`: it cannot be told, any key of the collection may have been touched."""

    keys: frozenset[Key]
    all: bool


class Window:
    def __init__(self, reader: Reader, position: int) -> None:
        self._reader = reader
        self.position = position
        self.open: dict[int, Entry] = {}
        """May still land on the primary: no outcome yet, or an unknown one and its linger not over. In order of number."""
        self._entries: dict[int, Entry] = {}
        self._ends: deque[Entry] = deque()
        self._end_keys = 0
        self._forgotten = position - 1
        """What ended while a number up to this one was the last given out may be forgotten."""

    def begin(self, entry: Entry) -> None:
        self.position = entry.seq
        self.open[entry.seq] = entry
        self._entries[entry.seq] = entry

    def skip(self, seq: int) -> None:
        """A number whose write is not kept: nothing can be told of its time."""
        self.position = seq
        self._forgotten = seq

    def lowest(self, since: int | None) -> int:
        """Of a write that begins now, and whose keys were listed from position `since` on: no lower number overlaps it."""
        lowest = next(iter(self.open), self.position + 1)
        if since is None:
            return lowest
        if since <= self._forgotten:
            return 0
        ended = min((entry.seq for entry in self._ended_since(since)), default=lowest)
        return min(lowest, ended, since + 1)

    def end(self, entry: Entry) -> None:
        """It can land no more."""
        self.open.pop(entry.seq, None)
        entry.horizon = self.position
        entry.remembered = True
        self._ends.append(entry)
        self._forget()

    def add(self, entry: Entry) -> None:
        """One read back from the journal."""
        self._entries[entry.seq] = entry
        if entry.horizon is None:
            self.open[entry.seq] = entry

    def spill(self, entry: Entry) -> None:
        """Its request is only in the journal from now on."""
        if entry.seq not in self.open:
            self._entries.pop(entry.seq, None)
        entry.unload()

    def finish(self, entry: Entry) -> None:
        self._end_keys += _weight(entry) if entry.remembered else 0
        if not entry.remembered and entry.horizon is not None:
            self._entries.pop(entry.seq, None)
        self._forget()

    def _forget(self) -> None:
        while len(self._ends) > REMEMBERED_ENTRIES or self._end_keys > REMEMBERED_KEYS:
            oldest = self._ends.popleft()
            oldest.remembered = False
            self._forgotten = max(self._forgotten, oldest.horizon or 0)
            if oldest.finished:
                self._end_keys -= _weight(oldest)
                self._entries.pop(oldest.seq, None)

    def rivals(self, entry: Entry) -> list[Entry] | None:
        """The writes that overlap it; None where that cannot be told."""
        last = self.position if entry.horizon is None else entry.horizon
        if last - entry.lowest > OVERLAP_LIMIT:
            return None
        found = [self._entries.get(seq) for seq in range(entry.lowest, last + 1)]
        if None in found:
            return None
        return [other for other in found if other is not None and other is not entry and not _before(other, entry)]

    def shared(self, scope: Scope, rivals: list[Entry]) -> frozenset[Key] | None:
        """The keys of `scope` that one of the rivals may touch too; None: any of them."""
        assert scope.keys is not None
        shared: set[Key] = set()
        for rival in rivals:
            other = self._reader.scope(rival)
            if other.collection not in (None, scope.collection):
                continue
            if other.keys is None:
                return None
            shared |= scope.keys & other.keys
        return frozenset(shared)

    def touched(self, collection: str, since: int, until: int) -> Touched:
        """By writes numbered up to `until` that were under way at `since` or began after it."""
        if since <= self._forgotten:
            return Touched(frozenset(), all=True)
        found = [*self.open.values(), *self._ended_since(since)]
        scopes = [self._reader.scope(entry) for entry in found if entry.seq <= until]
        here = [scope.keys for scope in scopes if scope.collection in (None, collection)]
        if None in here:
            return Touched(frozenset(), all=True)
        return Touched(frozenset().union(*(keys for keys in here if keys is not None)), all=False)

    def _ended_since(self, since: int) -> Iterator[Entry]:
        for entry in reversed(self._ends):
            if entry.horizon is None or entry.horizon < since:
                return
            yield entry


def _before(other: Entry, entry: Entry) -> bool:
    return other.horizon is not None and other.horizon < entry.floor


def _weight(entry: Entry) -> int:
    return 1 + len(entry.scope.keys) if entry.scope is not None and entry.scope.keys is not None else 1
