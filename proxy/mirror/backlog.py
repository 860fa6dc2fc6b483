"""Ended writes in the order of their outcomes, in memory while they are few, read back from the journal when they are many.

Owns: that order, the bound of memory. Not: what is done with them (applier).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from proxy.mirror.entry import Entry
from proxy.mirror.journal import Journal, Stored
from proxy.mirror.pulse import Pulse
from proxy.mirror.window import Window
from proxy.ports import Frontend

HELD_BYTES: Final = 32 * 2**20
HELD_ENTRIES: Final = 10_000
"""Ended writes whose requests are kept in memory; beyond, they are read back later."""


class Backlog:
    def __init__(self, journal: Journal, window: Window, frontend: Frontend) -> None:
        self._journal = journal
        self._window = window
        self._frontend = frontend
        self._ready: deque[Entry] = deque()
        self._held: dict[int, Entry] = {}
        self._held_bytes = 0
        self._cursor = 0
        self._spilled = journal.ended > 0
        self._pulse = Pulse()

    def add(self, entry: Entry) -> None:
        if self._spilled or (self._held and not self._has_room(entry)):
            self._spilled = True
            self._window.spill(entry)
        else:
            self._cursor = entry.ended
            self._window.place(entry)
            self._hold(entry)
        self._pulse.ring()

    def _has_room(self, entry: Entry) -> bool:
        return len(self._held) < HELD_ENTRIES and self._held_bytes + entry.size <= HELD_BYTES

    def _hold(self, entry: Entry) -> None:
        self._held[entry.seq] = entry
        self._held_bytes += entry.size
        self._ready.append(entry)

    def release(self, entry: Entry) -> None:
        """Its request is needed no more."""
        if self._held.pop(entry.seq, None) is not None:
            self._held_bytes -= entry.size

    async def take(self) -> Entry:
        while not self._ready:
            if self._spilled:
                await self._read_back()
            else:
                await self._pulse.until(lambda: bool(self._ready) or self._spilled)
        return self._ready.popleft()

    async def _read_back(self) -> None:
        behind = self._journal.progress.written
        page = await self._journal.page(self._cursor)
        for stored in page:
            self._restore(stored)
        self._spilled = self._cursor < self._journal.ended
        if self._spilled and not page:
            # The outcomes were on their way to the disk, and may have arrived meanwhile.
            await self._journal.until(lambda: self._journal.progress.written > behind)

    def _restore(self, stored: Stored) -> None:
        request = stored.intent.request
        entry = Entry.read_back(stored, self._frontend.route(request.method, request.path, stored.intent.role))
        self._cursor = stored.ended
        self._window.restore(entry)
        self._hold(entry)

    def is_past(self, ended: int) -> bool:
        """All up to that place in the order of outcomes are on the secondary, dirty, or lingering."""
        return self._cursor >= ended and all(entry.ended > ended for entry in self._held.values())

    def oldest(self) -> float | None:
        """When the oldest of those in memory came, in seconds since the epoch."""
        return next((entry.received for entry in self._held.values()), None)
