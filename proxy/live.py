"""What a long task beside live writes is told of them, and what it tells of itself.

Owns: Protocols and plain data. Not: the tasks (backfill, verify, tasks), the mirror that knows the writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from proxy.model.place import Place
from proxy.model.point import Key
from proxy.ports import Backend


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is what in this epoch. A task takes it once, when it starts. `place`: of the primary."""

    primary: Backend
    secondary: Backend
    epoch: int
    place: Place = Place.SOURCE


class Touched(Protocol):
    """Keys that live writes may have changed. `all`: it cannot be told, so any key may have been."""

    @property
    def keys(self) -> AbstractSet[Key]: ...

    @property
    def all(self) -> bool: ...


class LiveWrites(Protocol):
    """What a task must know of the writes that go on while it works; the mirror, seen from beside."""

    @property
    def position(self) -> int:
        """Of the last write that began."""

    @property
    def lingering(self) -> int:
        """Writes whose outcome nobody knows, and which may still land."""

    async def known_until(self, position: int) -> None:
        """Returns when every write up to `position` has its outcome and its keys are known."""

    def touched(self, collection: str, since: int, until: int) -> Touched:
        """By writes that were under way at `since` or began after it, up to `until`, or dirty; parked ones aside.

        Await `known_until(until)` first: of a write still under way the keys may not be known.
        """

    def mark_dirty(self, keys: Iterable[Key], why: str, *, after: float = 0.0) -> None:
        """Have them settled, durably, `after` seconds from now."""

    async def settled(self, keys: Collection[Key]) -> None:
        """Returns when each has reached the secondary as it was at some moment from now on; parked ones are left aside."""

    def sending(self, *names: str) -> AbstractAsyncContextManager[None]:
        """Around one try to make these collections or aliases at the secondary: nobody else changes them meanwhile, in the
        catalog neither, and what is given up is waited for by the next who does."""

    async def landed_until(self, position: int) -> None:
        """Returns when no write up to `position` can still land, one whose outcome nobody knows included."""


class Progress(Protocol):
    """What a long task tells of itself."""

    def report(self, done: int, total: int) -> None:
        """In points; clears what `stalled` said."""

    def stalled(self, why: str) -> None:
        """It waits and tries again."""

    async def turn(self) -> None:
        """Returns when it may go on; waits while the task is paused."""
