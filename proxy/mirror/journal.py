"""The durable record of writes that the secondary may not have yet, and of the keys that are to be settled.

Owns: numbering, limits, who waits for which mark. Not: threads and fsync (writer), what a record holds (record), when an entry
may leave (applier).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from proxy.config import JournalConfig
from proxy.errors import Broken, ConfigError, ProxyError, Uncertain
from proxy.mirror import tables
from proxy.mirror.damage import damaged
from proxy.mirror.pulse import Pulse
from proxy.mirror.record import OUTCOME_OF, OUTCOMES, Intent
from proxy.mirror.sealed import DIRTY, PARKED, PLAIN_ROWS, RECHECKS, Rows, check_key
from proxy.mirror.tables import Change, rows
from proxy.mirror.writer import Progress, ThreadWriter, Writer
from proxy.model.point import Key
from proxy.ports import Outcome, Reply
from proxy.store.seal import seal_of

Told: TypeAlias = Callable[[ProxyError | None], None]

FILE: Final = "journal.db"
UNWRITTEN_LIMIT: Final = 64 * 2**20
"""Bytes of bodies that may wait for the disk before new writes wait too."""
KEYS_AT_ONCE: Final = 500
"""Keys of a step that the loop encodes itself; more would hold up everybody."""
BYTES_AT_ONCE: Final = 256 * 2**10
"""Of a body that the loop writes itself. A longer one is on its way for long anyhow."""
PAGE_BYTES: Final = 8 * 2**20
PAGE_ENTRIES: Final = 1000
"""What is read back at a time; a page holds at least one entry."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry whose outcome is known, as read back. `horizon`: the tick at which it came, None where it was unknown."""

    seq: int
    ended: int
    intent: Intent
    outcome: Outcome
    horizon: int | None
    reply: Reply | None


@dataclass(frozen=True, slots=True)
class Parked:
    """A key whose state the secondary refuses for good; `at` in seconds since the epoch."""

    id: int
    key: Key
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Contents:
    """What an opened journal held. `position`: the last tick that it knows of. `unended`: intents whose outcome nobody saw."""

    entries: int
    bytes: int
    position: int
    ended: int
    unended: Mapping[int, Intent]
    dirty: Mapping[Key, str]
    rechecks: Mapping[Key, str]
    parked: tuple[Parked, ...]
    parked_number: int


class Journal:
    """Everything but `page` and `entry` comes from the loop and returns at once."""

    def __init__(self, writer: Writer, found: Contents, config: JournalConfig, sealed: Rows = PLAIN_ROWS) -> None:
        self._writer = writer
        self._sealed = sealed
        self.config = config
        self.found = found
        self.entries = found.entries
        self.bytes = found.bytes
        self.ended = found.ended
        self.progress = Progress()
        self._parked = found.parked_number
        self._order = itertools.count()
        self._awaiting_write: list[tuple[int, int, Told]] = []
        self._awaiting_sync: list[tuple[int, int, Told]] = []
        self._unwritten: deque[tuple[int, int]] = deque()
        self._unwritten_bytes = 0
        self._failing_since: float | None = None
        self._pulse = Pulse()

    @classmethod
    def open(cls, directory: Path, config: JournalConfig, *, after_power_loss: bool = False) -> Journal:
        """Raises Broken where the file is damaged, with what to do; Unavailable where the disk refuses; ConfigError where
        it is sealed with another key.
        """
        seal = seal_of(config.key)
        writer = ThreadWriter(directory / FILE, config, after_power_loss=after_power_loss)
        try:
            check_key(writer.connection, seal)
            sealed = Rows(seal)
            return cls(writer, contents(writer.connection, sealed), config, sealed)
        except ConfigError:
            writer.close()
            raise
        except (sqlite3.DatabaseError, Broken) as error:
            writer.close()
            raise damaged(directory / FILE, error) from error

    @staticmethod
    def exists(directory: Path) -> bool:
        return (directory / FILE).exists()

    def start(self) -> None:
        """Binds it to the running loop."""
        self._writer.watch(self._advance)

    def close(self) -> None:
        self._writer.close()

    # ---- limits ----

    @property
    def error(self) -> ProxyError | None:
        """Why it takes nothing now."""
        return self.progress.error

    @property
    def full(self) -> bool:
        return self.bytes >= self.config.max_bytes or self.entries >= self.config.max_entries

    @property
    def takes_keys(self) -> bool:
        """Entries without a body still have a place."""
        return self.entries < self.config.max_entries

    @property
    def keeps_up(self) -> bool:
        return self.error is None and self._unwritten_bytes < UNWRITTEN_LIMIT

    async def broken(self) -> None:
        """Raises Broken when it cannot go on at all."""
        await self.until(lambda: isinstance(self.error, Broken))
        assert self.error is not None
        raise self.error

    async def until(self, holds: Callable[[], bool]) -> None:
        """Looks again whenever something was written or removed."""
        await self._pulse.until(holds)

    # ---- entries ----

    def append(self, seq: int, intent: Intent) -> int:
        """The number of the step that writes it."""
        size = 0 if intent.keys_only else len(intent.request.body)
        self.entries += 1
        self.bytes += size
        change = Change(tables.APPEND, lambda: (self._sealed.entry(seq, intent),))
        step = self._writer.submit([change], sync=True, light=_is_light(intent))
        self._unwritten.append((step, size))
        self._unwritten_bytes += size
        return step

    def end(self, seq: int, outcome: Outcome, horizon: int | None, reply: Reply | None) -> int:
        """Its place in the order of outcomes."""
        self.ended = ended = self.ended + 1
        row = ended, seq, OUTCOMES[outcome], horizon
        change = Change(tables.END, lambda: ((*row, self._sealed.reply(seq, reply)),))
        self._writer.submit([change], sync=False, light=reply is None or len(reply.body) <= BYTES_AT_ONCE)
        return ended

    def move(self, seq: int, horizon: int) -> int:
        """It can land no more: its new place in the order of outcomes is the last."""
        self.ended = ended = self.ended + 1
        self._writer.submit([rows(tables.MOVE, (ended, horizon, seq))], sync=False)
        return ended

    def remove(self, seqs: Sequence[int], freed: int, position: int) -> int:
        """On the secondary or refused; `freed` bytes of bodies. The step's number. `position`: no tick up to it comes again."""
        self.entries -= len(seqs)
        self.bytes -= freed
        gone = tuple((seq,) for seq in seqs)
        removal = [
            rows(tables.REMOVE_OUTCOME, *gone),
            rows(tables.REMOVE_ENTRY, *gone),
            rows(tables.RAISE_FACT, (position, "position")),
        ]
        step = self._writer.submit(removal, sync=False)
        self._pulse.ring()
        return step

    async def page(self, after: int) -> Sequence[Stored]:
        """Entries in the order of their outcomes, behind place `after`; only what is written."""
        return await self._writer.read(lambda db: _page(db, after, self._sealed))

    # ---- keys ----

    def mark(self, marks: Mapping[Key, str]) -> None:
        self._put(tables.MARK, DIRTY, marks)

    def unmark(self, keys: Iterable[Key]) -> None:
        self._drop(tables.UNMARK, DIRTY, keys)

    def mark_later(self, marks: Mapping[Key, str]) -> None:
        self._put(tables.MARK_LATER, RECHECKS, marks)

    def unmark_later(self, keys: Iterable[Key]) -> None:
        self._drop(tables.UNMARK_LATER, RECHECKS, keys)

    def park(self, key: Key, reason: str, at: float) -> Parked:
        self._parked += 1
        parked = Parked(self._parked, key, reason, at)
        blob = self._sealed.key(PARKED, key)
        self._writer.submit(
            [
                rows(tables.PARK, (blob, parked.id, self._sealed.text(PARKED, blob, reason), at)),
                rows(tables.UNMARK, (self._sealed.key(DIRTY, key),)),
                rows(tables.RAISE_FACT, (parked.id, "parked")),
            ],
            sync=False,
        )
        return parked

    def unpark(self, keys: Iterable[Key]) -> None:
        self._drop(tables.UNPARK, PARKED, keys)

    def _put(self, sql: str, table: bytes, marks: Mapping[Key, str]) -> None:
        if marked := tuple(marks.items()):
            change = Change(sql, lambda: [self._sealed.mark(table, key, why) for key, why in marked])
            self._writer.submit([change], sync=True, light=len(marked) <= KEYS_AT_ONCE)

    def _drop(self, sql: str, table: bytes, keys: Iterable[Key]) -> None:
        if gone := tuple(keys):
            change = Change(sql, lambda: [(self._sealed.key(table, key),) for key in gone])
            self._writer.submit([change], sync=False, light=len(gone) <= KEYS_AT_ONCE)

    # ---- marks of progress ----

    def when_written(self, step: int, call: Told) -> None:
        """At once where it is so already. With an error: it is not written, and must not be taken for granted."""
        self._await(self._awaiting_write, self._writer.written, step, call)

    def when_durable(self, step: int, call: Told) -> None:
        self._await(self._awaiting_sync, self.progress.durable, step, call)

    async def written(self, step: int) -> None:
        await self.until(lambda: self.progress.written >= step or isinstance(self.error, Broken))
        if isinstance(self.error, Broken):
            raise self.error

    def _await(self, waiting: list[tuple[int, int, Told]], reached: int, step: int, call: Told) -> None:
        if step <= reached:
            call(None)
        elif isinstance(self.error, Broken):
            call(self.error)
        else:
            heapq.heappush(waiting, (step, next(self._order), call))

    def _advance(self, progress: Progress) -> None:
        self.progress = progress
        while self._unwritten and self._unwritten[0][0] <= progress.written:
            _, size = self._unwritten.popleft()
            self._unwritten_bytes -= size
        _tell(self._awaiting_write, progress.written, None)
        _tell(self._awaiting_sync, progress.durable, None)
        if progress.error is None:
            self._failing_since = None
        else:
            self._tell_failing(progress.error)
        self._pulse.ring()

    def _tell_failing(self, error: ProxyError) -> None:
        """The steps are tried on; but whoever waits for one to be written is told now, and what it wrote is dropped when it
        is written. What the primary has already is waited for as long as a new write would be."""
        now = asyncio.get_running_loop().time()
        if self._failing_since is None:
            self._failing_since = now
        _tell(self._awaiting_write, self._last_step(), error)
        if isinstance(error, Broken):
            _tell(self._awaiting_sync, self._last_step(), error)
        elif now - self._failing_since > self.config.block_timeout:
            _tell(self._awaiting_sync, self._last_step(), Uncertain(f"the primary has the write, but {error}"))

    def _last_step(self) -> int:
        return max((step for waiting in (self._awaiting_write, self._awaiting_sync) for step, _, _ in waiting), default=0)


def _is_light(intent: Intent) -> bool:
    return len(intent.request.body) <= BYTES_AT_ONCE and len(intent.keys or ()) <= KEYS_AT_ONCE


def _tell(waiting: list[tuple[int, int, Told]], reached: int, error: ProxyError | None) -> None:
    while waiting and waiting[0][0] <= reached:
        heapq.heappop(waiting)[2](error)


def contents(db: sqlite3.Connection, sealed: Rows = PLAIN_ROWS) -> Contents:
    """Reads back all but the ended entries' records. Raises sqlite3.DatabaseError, and Broken for what does not open."""
    entries, size, seq = db.execute("select count(*), total(length(body)), coalesce(max(seq), 0) from entries").fetchone()
    ended, horizon = db.execute("select coalesce(max(ended), 0), coalesce(max(horizon), 0) from outcomes").fetchone()
    return Contents(
        entries,
        int(size) - entries * sealed.overhead,
        max(int(seq), int(horizon), tables.fact(db, "position")),
        int(ended),
        {seq: sealed.intent(seq, head, body) for seq, head, body in db.execute(tables.OPEN_ENTRIES)},
        _marks(db, "select key, why from dirty", DIRTY, sealed),
        _marks(db, "select key, why from rechecks", RECHECKS, sealed),
        tuple(
            Parked(number, sealed.opened_key(PARKED, key), sealed.opened_text(PARKED, key, reason), at)
            for number, key, reason, at in db.execute("select id, key, reason, at from parked")
        ),
        tables.fact(db, "parked"),
    )


def _marks(db: sqlite3.Connection, query: str, table: bytes, sealed: Rows) -> dict[Key, str]:
    return {sealed.opened_key(table, key): sealed.opened_text(table, key, why) for key, why in db.execute(query)}


def _page(db: sqlite3.Connection, after: int, sealed: Rows) -> list[Stored]:
    page: list[Stored] = []
    size = 0
    for ended, seq, outcome, horizon, reply, head, body in db.execute(tables.PAGE, (after,)):
        intent = sealed.intent(seq, head, body)
        page.append(Stored(seq, ended, intent, OUTCOME_OF[outcome], horizon, sealed.opened_reply(seq, reply)))
        size += len(body)
        if size >= PAGE_BYTES or len(page) >= PAGE_ENTRIES:
            break
    return page
