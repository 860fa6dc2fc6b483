"""What a dead sidecar left on its disk, read from a copy: the keys that it owes, how far its tasks say they have come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from proxy.clock import SystemClock
from proxy.config import JournalConfig
from proxy.mirror.journal import Journal
from proxy.mirror.record import Intent
from proxy.model.point import Key
from proxy.store.checkpoints import Checkpoints
from proxy.store.debts import Debts
from proxy.store.keys import load_keys
from proxy.store.ledger import Ledger
from proxy.store.store import Store
from proxy.store.walk import Walk, load


@dataclass(frozen=True, slots=True)
class Progress:
    """`walk` None: it was not begun, or came to its end."""

    walk: Walk | None

    def passed(self, key: Key) -> bool:
        """Whether the task, which is under way, says that it is done with that key of the primary."""
        walk = self.walk
        if walk is None:
            return False
        if key.collection not in walk.ahead:
            return True
        if key.collection != walk.collection:
            return False
        behind_primary = not walk.stretches or not walk.stretches[0].on_primary
        return behind_primary or (walk.cursor is not None and int(key.id) <= int(walk.cursor.id))


@dataclass(frozen=True, slots=True)
class Belongings:
    """`owed` keys: in a write of the journal, marked to be settled, parked, or claimed by a page on its way. `debts`:
    collections. `divergent` keys are in the ledger."""

    owed: frozenset[Key]
    debts: frozenset[str]
    divergent: frozenset[Key]
    backfill: Progress
    verify: Progress

    def owes(self, key: Key) -> bool:
        return key in self.owed or key.collection in self.debts


async def open_belongings(state: Path) -> Belongings:
    with closing(Store(state / "state.db")) as store:
        ledger, checkpoints = Ledger(store, SystemClock()), Checkpoints(store)
        divergent = [found.key for name in ledger.counts() for found in await ledger.page(name, 10_000)]
        backfill, verify = await load(checkpoints, "backfill"), await load(checkpoints, "verify")
        debts = Debts(store, SystemClock()).all()
    return Belongings(
        frozenset([*await _journaled(state), *_claimed(backfill)]),
        frozenset(debts),
        frozenset(divergent),
        Progress(backfill),
        Progress(verify),
    )


async def _journaled(state: Path) -> set[Key]:
    with closing(Journal.open(state, JournalConfig(log_bytes=2**16))) as journal:
        found = journal.found
        ended = [stored.intent for stored in await journal.page(0)]
        assert len(ended) + len(found.unended) == journal.entries, "the journal is longer than a page"
        keys = {key for intent in (*ended, *found.unended.values()) for key in _keys(intent)}
        return keys | found.dirty.keys() | found.rechecks.keys() | {parked.key for parked in found.parked}


def _keys(intent: Intent) -> Iterator[Key]:
    """Of the bodies that PlainFrontend takes; read here once more, so that a fault of the sidecar's own reading shows."""
    yield from intent.keys or ()
    if not intent.keys_only:
        body = json.loads(intent.request.body)
        for number in (*body.get("ids", ()), *(number for number, _ in body.get("points", ()))):
            yield Key(body["c"], None, number)


def _claimed(walk: Walk | None) -> tuple[Key, ...]:
    return () if walk is None else load_keys(walk.collection, walk.claims)
