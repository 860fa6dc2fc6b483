"""Changes of schema at the secondary: one at a time for each name, and nothing behind one that may still land.

Owns: turns, what may land late, the wait for it. Not: what a change means (changes), when collections are made (tasks, stages).

A change that was given up, or that a killed process had sent, may land when its successors are there: a late creation brings
back what was dropped, a late drop takes what was made again. So whoever changes a name of which something may still land does
it at once, waits until nothing can, does it again, and only then lets those behind it go on. The names are durable
(store.unlanded), so a death in between begins the wait anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

from proxy.errors import ProxyError, Refused, Unavailable, Uncertain
from proxy.mirror.pace import Pace
from proxy.mirror.parts import Parts
from proxy.mirror.pulse import Pulse
from proxy.model.operation import ChangeAliases, DropAlias, RenameCollection, SchemaWrite, SetAlias, collection_of


class Turns:
    def __init__(self, parts: Parts) -> None:
        self._unlanded = parts.unlanded
        self._roles = parts.roles
        self._clock = parts.clock
        self._linger = parts.config.linger
        self._pace = Pace(parts.clock, parts.config.retry_max)
        self._disk = Pace(parts.clock, parts.config.retry_max)
        self._taken: set[str] = set()
        self._late: dict[str, float] = {}
        """Until when something may land, by the clock's monotonic scale."""
        self._changed = Pulse()
        self.may_land(parts.unlanded.all())

    @property
    def error(self) -> ProxyError | None:
        return self._disk.error or self._pace.error

    @property
    def lingering(self) -> int:
        """Names of which something sent may still land."""
        return len(self._late)

    async def landed(self) -> None:
        """Until nothing may land late."""
        await self._changed.until(lambda: not self._late)

    async def run(self) -> None:
        """Forgets what can land no more."""
        while True:
            await self._changed.until(lambda: bool(self._late))
            await self._clock.sleep(max(min(self._late.values()) - self._clock.monotonic(), 0.0))
            over = [name for name in self._late if not self._left([name])]
            for name in over:
                del self._late[name]
            self._changed.ring()
            await self._forget(name for name in over if name not in self._taken)

    # ---- turns ----

    @asynccontextmanager
    async def taken(self, names: Collection[str]) -> AsyncIterator[None]:
        """Nobody else changes what has one of these names, in the catalog or at the secondary."""
        await self._changed.until(lambda: self._taken.isdisjoint(names))
        self._taken.update(names)
        try:
            yield
        finally:
            self._taken.difference_update(names)
            self._changed.ring()

    @asynccontextmanager
    async def sending(self, *names: str) -> AsyncIterator[None]:
        """For one try beside the journal, which does not wait: the next change of one of these names does."""
        async with self.taken(names):
            await self._unlanded.begin(names)
            try:
                yield
            except BaseException as error:
                if isinstance(error, Uncertain) or not isinstance(error, ProxyError):
                    self.may_land(names)
                raise
            finally:
                await self._forget(names)

    async def bring(self, change: SchemaWrite) -> None:
        """Within `taken`. Returns when it is there and neither it nor what was sent before can land late. Raises Refused."""
        names = names_of(change)
        await self._disk.insist(lambda: self._unlanded.begin(names))
        refusal = await self._sent(change, names)
        while left := self._left(names):
            self._pace.error = Unavailable(f"{_titled(change)} may still land: what comes after it waits for mirror.linger")
            await self._clock.sleep(left)
            refusal = await self._sent(change, names)
        await self._forget(names)
        if refusal is not None:
            raise refusal

    # ---- inside ----

    def may_land(self, names: Iterable[str]) -> None:
        until = self._clock.monotonic() + self._linger
        self._late |= dict.fromkeys(names, until)
        self._changed.ring()

    def _left(self, names: Iterable[str]) -> float:
        """Seconds in which something may still land."""
        now = self._clock.monotonic()
        return max([0.0, *(self._late.get(name, now) - now for name in names)])

    async def _sent(self, change: SchemaWrite, names: Collection[str]) -> Refused | None:
        """Until it is there, or refused."""

        async def once() -> None:
            try:
                await self._roles.secondary.apply(change)
            except Uncertain:
                self.may_land(names)
                raise

        try:
            await self._pace.insist(once)
        except Refused as refusal:
            return refusal
        return None

    async def _forget(self, names: Iterable[str]) -> None:
        gone = tuple(name for name in names if name not in self._late or not self._left([name]))
        if gone:
            await self._disk.insist(lambda: self._unlanded.end(gone))


def names_of(change: SchemaWrite) -> tuple[str, ...]:
    """Of the collections and aliases that it changes."""
    match change:
        case RenameCollection(collection, to):
            return (collection, to)
        case SetAlias(alias, collection):
            return (alias, collection)
        case DropAlias(alias):
            return (alias,)
        case ChangeAliases(changes):
            return tuple(dict.fromkeys(name for each in changes for name in names_of(each)))
        case _:
            return (collection_of(change),)


def _titled(change: SchemaWrite) -> str:
    return f"{type(change).__name__} of {', '.join(names_of(change))}"
