"""The mirror as others see it: writes begin and end here, and come to the secondary in the order that keeps both sides equal.

Owns: how a write enters, limits, questions about keys, the change of direction. Not: the work itself (applier, settle).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from proxy.config import Fsync, WhenFull
from proxy.errors import Broken, ProxyError, Refused, Unavailable
from proxy.mirror.applier import Applier
from proxy.mirror.backlog import Backlog
from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.entry import Entry, Reader
from proxy.mirror.journal import Parked, Told
from proxy.mirror.parts import Parts
from proxy.mirror.record import Intent
from proxy.mirror.settle import Settler
from proxy.mirror.shed import Shedding
from proxy.mirror.turns import Turns
from proxy.mirror.window import Touched, Window
from proxy.model.operation import Write, collection_of, keys_of
from proxy.model.point import Key
from proxy.ports import Backend, Kind, Outcome, Reply, Request, Route

_PROMISES: Final = {
    Fsync.EVERY_WRITE: "an acknowledged write survives a power cut",
    Fsync.INTERVAL: "a power cut may lose the writes of the last {interval:g} s; a kill of the process loses none",
    Fsync.OFF: "a power cut may lose acknowledged writes; a kill of the process loses none",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """The keys that a write by filter matched on the primary; `since` is the mirror's position before they were read."""

    keys: tuple[Key, ...]
    since: int


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """`bytes` of bodies in the journal; `last_error`: what holds the mirror up now, "" where nothing does.

    `oldest_seconds`: age of the oldest write that the secondary lacks; `dirty_seconds`: for how long a dirty key waits to be
    settled. `lingering`: writes, keys and names of collections and aliases of which something that was given up may still land.
    """

    entries: int
    bytes: int
    oldest_seconds: float
    dirty_keys: int
    dirty_seconds: float
    lingering: int
    parked: int
    promise: str
    last_error: str
    paused: bool


class Ticket:
    """One write of a client."""

    __slots__ = ("_entry", "_mirror")

    def __init__(self, mirror: Mirror, entry: Entry) -> None:
        self._mirror = mirror
        self._entry = entry

    @property
    def seq(self) -> int:
        return self._entry.seq

    @property
    def entry(self) -> Entry:
        return self._entry

    def when_written(self, call: Told) -> None:
        """`call(None)` when the intent survives the death of this process, at once where it does already. With an error: the
        write must not be forwarded, and is to be ended as refused."""
        self._mirror.when_written(self._entry, call)

    @property
    def durable(self) -> bool:
        """It survives a power cut (as journal.fsync promises) already."""
        return self._mirror.durable(self._entry)

    def when_durable(self, call: Told) -> None:
        """`call(None)` when it survives a power cut (as journal.fsync promises). With an error: it may not."""
        self._mirror.when_durable(self._entry, call)

    async def applied(self, within: float) -> ProxyError | None:
        """None when the secondary has it; Refused where it was parked; Unavailable after `within` seconds."""
        return await self._mirror.applied(self._entry, within)


class Mirror:
    """Everything that is not a coroutine returns at once and comes from the loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._journal = parts.journal
        self._reader = Reader(parts.frontend, parts.catalog)
        self._window = Window(self._reader, parts.journal.found.position)
        self._dirty = DirtyKeys(parts.journal, parts.clock)
        self._backlog = Backlog(parts.journal, self._window, parts.frontend)
        self._turns = Turns(parts)
        self._applier = Applier(parts, self._reader, self._window, self._backlog, self._dirty, self._turns)
        self._settler = Settler(parts, self._dirty)
        self._shedding = Shedding(parts)
        self._recover()

    def _recover(self) -> None:
        """What nobody saw the end of may have been forwarded just before the last process ended: its outcome is unknown."""
        self._dirty.recover(self._parts.config.linger)
        for seq, intent in self._journal.found.unended.items():
            request = intent.request
            entry = Entry(intent, self._parts.frontend.route(request.method, request.path, intent.role))
            entry.number(seq)
            self._window.begin(entry)
            self._end(entry, Outcome.UNKNOWN)

    async def run(self) -> None:
        """Works until cancelled; once. Raises Broken (in a group) where the journal cannot go on."""
        self._journal.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._journal.broken(), name="mirror.journal")
            group.create_task(self._applier.run(), name="mirror.applier")
            group.create_task(self._settler.run(), name="mirror.settler")
            group.create_task(self._turns.run(), name="mirror.turns")
            group.create_task(self._shedding.run(), name="mirror.shedding")

    # ---- a client's write ----

    @property
    def position(self) -> int:
        """Grows with every write that begins or ends."""
        return self._window.position

    def has_room(self) -> bool:
        sheds = self._journal.config.when_full is WhenFull.SHED
        return self._journal.keeps_up and (sheds or not self._journal.full)

    async def room(self) -> None:
        """Returns when the journal takes another write; Unavailable after journal.block_timeout, Broken where it never will."""
        limit = self._journal.config.block_timeout
        try:
            async with asyncio.timeout(limit):
                await self._journal.until(lambda: self.has_room() or isinstance(self._journal.error, Broken))
        except TimeoutError:
            raise Unavailable(f"the journal had no room for this write within {limit:g} s: {self._lacks()}") from None
        if self._journal.error is not None:
            raise self._journal.error

    def _lacks(self) -> object:
        return self._journal.error or "it holds as much as journal.max_bytes or journal.max_entries allows"

    def begin(
        self, request: Request, route: Route, role: str, *, listing: Listing | None = None, collection: str = ""
    ) -> Ticket:
        """Before anything of the write may reach the primary. `collection`: what its name means, where we resolve it.

        Raises Unavailable or Broken where the journal takes nothing.
        """
        if self._journal.error is not None:
            raise self._journal.error
        intent = self._intent(request, route, role, listing, collection)
        kept = not intent.keys_only or self._journal.takes_keys
        if not kept and self._journal.config.when_full is WhenFull.BLOCK:  # others that were told of room took it
            raise Unavailable(f"the journal has no room for this write: {self._lacks()}")
        entry = Entry(intent, route)
        entry.number(self._window.tick())
        if not kept:
            self._window.skip(entry.seq)
            entry.step = -1
        else:
            entry.step = self._journal.append(entry.seq, intent)
            self._window.begin(entry)
        return Ticket(self, entry)

    def _intent(self, request: Request, route: Route, role: str, listing: Listing | None, collection: str) -> Intent:
        epoch, received = self._parts.roles.epoch, self._parts.clock.now()
        fits = len(request.body) <= self._journal.config.body_limit and not self._journal.full
        if fits or route.kind is Kind.SCHEMA:
            keys, since = (None, None) if listing is None else (listing.keys, listing.since)
            return Intent(epoch, route.name, role, request, received, keys, since, collection=collection)
        collection, known = self._keys(request)
        bare = Request(request.method, request.path, request.headers, b"")
        return Intent(epoch, route.name, role, bare, received, known, keys_only=True, collection=collection)

    def _keys(self, request: Request) -> tuple[str, tuple[Key, ...] | None]:
        try:
            operation = self._parts.frontend.decode(request, self._parts.catalog)
        except Refused:
            return "", None
        keys = keys_of(operation) if isinstance(operation, Write) else None
        return collection_of(operation), None if keys is None else tuple(keys)

    def end(self, ticket: Ticket, outcome: Outcome, reply: Reply | None) -> None:
        """Once for each ticket. Refused: the primary did not and will not apply it."""
        entry = ticket.entry
        if entry.outcome is not None:
            raise Broken(f"a write ended twice: {entry!r}")
        entry.reply = reply if entry.route.needs_reply else None
        if entry.step < 0:
            entry.outcome = outcome
            self._window.skip(self._window.tick())
            self._shedding.owe(_named(entry), None)
            return
        self._end(entry, outcome)

    def _end(self, entry: Entry, outcome: Outcome) -> None:
        entry.outcome = outcome
        if outcome is not Outcome.UNKNOWN:
            self._window.close(entry)
        if outcome is Outcome.REFUSED:
            self._journal.remove([entry.seq], entry.size, self._window.position)
            entry.finish()
        else:
            entry.places = (self._journal.end(entry.seq, outcome, entry.horizon, entry.reply),)
            self._backlog.add(entry)
        self._applier.moved.ring()

    def when_written(self, entry: Entry, call: Told) -> None:
        if entry.step < 0:
            self._shedding.owe(_named(entry), call)
        else:
            self._journal.when_written(entry.step, call)

    def durable(self, entry: Entry) -> bool:
        return 0 <= entry.step <= self._journal.progress.durable

    def when_durable(self, entry: Entry, call: Told) -> None:
        if entry.step < 0:
            self._shedding.owe(_named(entry), call)
        else:
            self._journal.when_durable(entry.step, call)

    async def applied(self, entry: Entry, within: float) -> ProxyError | None:
        if entry.step < 0:
            return Unavailable("the journal is full and did not keep this write")
        try:
            async with asyncio.timeout(within):
                await entry.until_finished()
                keys = entry.scope.keys or () if entry.scope else ()
                await self._dirty.changed.until(lambda: not any(map(self._dirty.at_work, keys)))
        except TimeoutError:
            return Unavailable(f"the secondary did not have the write within {within:g} s")
        fault = self._dirty.fault(keys)
        return None if fault is None else Refused(f"the secondary refuses it: {fault}")

    # ---- questions about keys ----

    @property
    def lingering(self) -> int:
        """Writes whose outcome nobody knows, and which may still land on the primary."""
        return sum(entry.outcome is Outcome.UNKNOWN for entry in self._window.open.values())

    async def known_until(self, position: int) -> None:
        """Every write numbered up to `position` has ended (a write whose outcome is unknown has: its keys are dirty)."""
        await self._applier.moved.until(
            lambda: not any(e.seq <= position and e.outcome is None for e in self._window.open.values())
        )

    def touched(self, collection: str, since: int, until: int | None = None) -> Touched:
        """Keys of writes that were under way at `since` or began after it, up to number `until`; and all dirty keys there.

        Await `known_until(until)` first: of a write still under way its keys may not be known, then the answer is `all`.
        """
        touched = self._window.touched(collection, since, self.position if until is None else until)
        return Touched(touched.keys | self._dirty.of(collection), touched.all)

    def mark_dirty(self, keys: Iterable[Key], why: str, *, after: float = 0.0) -> None:
        """Durable request to settle them, `after` seconds from now."""
        marks = dict.fromkeys(keys, why)
        if after > 0:
            self._dirty.mark_later(marks, after)
        else:
            self._dirty.mark(marks)

    async def settled(self, keys: Collection[Key]) -> None:
        """Until no write that has ended by now waits in the journal, and each of them was clean once since."""
        await self._applied_by_now()
        await self._dirty.cleaned(keys)

    def sending(self, *names: str) -> AbstractAsyncContextManager[None]:
        return self._turns.sending(*names)

    async def landed_until(self, position: int) -> None:
        """No write numbered up to `position` can land on the primary any more, and what became of it is planned."""
        await self._applier.moved.until(lambda: all(seq > position for seq in self._window.open))
        await self._applied_by_now()

    async def _applied_by_now(self) -> None:
        ended = self._journal.ended
        await self._applier.moved.until(lambda: self._backlog.is_past(ended))

    # ---- the operator's ----

    async def drained(self) -> None:
        """Until the journal is empty, no key is dirty and no change of schema may land late; parked keys are not waited for."""
        while self._busy() or self._turns.lingering:
            await self._journal.until(lambda: not self._journal.entries)
            await self._turns.landed()
            await self._dirty.changed.until(lambda: not self._dirty.count())

    def _busy(self) -> bool:
        return bool(self._journal.entries or self._dirty.count())

    async def turn(self, primary: Backend, secondary: Backend, epoch: int) -> None:
        """The mirror runs the other way from now on. Raises Broken unless drained."""
        if self._busy():
            raise Broken("the mirror was to turn round with writes on their way")
        roles = self._parts.roles
        roles.primary, roles.secondary, roles.epoch = primary, secondary, epoch

    def status(self) -> MirrorStatus:
        config = self._journal.config
        errors = (self._journal.error, self._applier.error, self._settler.error)
        return MirrorStatus(
            entries=self._journal.entries,
            bytes=self._journal.bytes,
            oldest_seconds=self._oldest_seconds(),
            dirty_keys=self._dirty.count(),
            dirty_seconds=self._dirty.oldest_seconds(),
            lingering=self.lingering + self._dirty.lingering() + self._turns.lingering,
            parked=len(self._dirty.parked()),
            promise=_PROMISES[config.fsync].format(interval=config.fsync_interval),
            last_error=next((str(error) for error in errors if error is not None), ""),
            paused=self._applier.paused,
        )

    def _oldest_seconds(self) -> float:
        """Of what has ended and is not on the secondary."""
        oldest = self._backlog.oldest()
        return 0.0 if oldest is None else max(self._parts.clock.now() - oldest, 0.0)

    def parked(self) -> list[Parked]:
        return self._dirty.parked()

    def retry(self, ids: Collection[int]) -> int:
        """Settles these parked keys once more. How many there were."""
        keys = {parked.key: "a parked write is tried again" for parked in self.parked() if parked.id in ids}
        self._dirty.mark(keys)
        self._dirty.unpark(ids)
        return len(keys)

    async def discard(self, ids: Collection[int]) -> int:
        """Gives these parked keys up. Their collections are unverified until verify has looked at them."""
        keys = [parked.key for parked in self.parked() if parked.id in ids]
        for collection in sorted({key.collection for key in keys}):
            await self._parts.debts.mark(collection, "a parked write was discarded")
        self._dirty.unpark(ids)
        return len(keys)

    def pause(self) -> None:
        """Nothing is sent to the secondary; the journal goes on."""
        self._applier.paused = self._settler.paused = True

    def resume(self) -> None:
        self._applier.paused = self._settler.paused = False
        self._dirty.changed.ring()


def _named(entry: Entry) -> str:
    return entry.intent.collection if entry.intent else ""
