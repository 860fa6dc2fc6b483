"""One write of a client on its way through the mirror."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from proxy.errors import NotFound, Refused
from proxy.mirror.journal import Stored
from proxy.mirror.record import Intent
from proxy.model.operation import (
    Batch,
    ChangeAliases,
    CreateIndex,
    DropAlias,
    DropIndex,
    Edit,
    EditWhere,
    Opaque,
    Patch,
    Put,
    PutIf,
    Remove,
    RemoveWhere,
    RenameCollection,
    SetAlias,
    SetLoaded,
    UpdateSettings,
    Write,
    collection_of,
    keys_of,
)
from proxy.model.point import Key, Point
from proxy.ports import Catalog, Frontend, Kind, Outcome, Reply, Route


@dataclass(frozen=True, slots=True)
class Scope:
    """What a write may touch. `collection` None: any; `keys` None: any key there."""

    collection: str | None
    keys: frozenset[Key] | None


NOTHING: Final = Scope("", frozenset())
ANYTHING: Final = Scope(None, None)


class Entry:
    """`seq`, `floor` and `horizon` are ticks of the window's counter. `floor`: when it began, or when its keys began to be
    listed: what ended before does not overlap it. `horizon`: when it ended; None while it may still land on the primary.
    `places` in the order of outcomes: one, and a second one where it lingered; `ended` is the last.
    """

    __slots__ = (
        "_applied",
        "by_filter",
        "finished",
        "floor",
        "generation",
        "horizon",
        "intent",
        "only_removes",
        "outcome",
        "places",
        "received",
        "reply",
        "route",
        "scope",
        "seq",
        "size",
        "step",
        "write",
    )

    def __init__(self, intent: Intent, route: Route) -> None:
        self.intent: Intent | None = intent
        self.route = route
        self.seq = 0
        self.step = 0
        self.floor = 0
        self.horizon: int | None = None
        self.outcome: Outcome | None = None
        self.places: tuple[int, ...] = ()
        self.reply: Reply | None = None
        self.scope: Scope | None = None
        self.write: Write | None = None
        self.generation = 0
        self.received = intent.received
        self.size = 0 if intent.keys_only else len(intent.request.body)
        self.by_filter = False
        """Its scope holds the keys that it may have touched, and yet any write beside it may have come under the filter."""
        self.only_removes = False
        """Nothing came under a filter by it."""
        self.finished = False
        self._applied: asyncio.Future[None] | None = None

    @classmethod
    def read_back(cls, stored: Stored, route: Route) -> Entry:
        entry = cls(stored.intent, route)
        entry.number(stored.seq)
        entry.horizon = stored.horizon
        entry.outcome = stored.outcome
        entry.places = (stored.ended,)
        entry.reply = stored.reply
        return entry

    def __repr__(self) -> str:
        return f"<{self.route.name} {self.seq} {self.outcome or 'under way'}{' finished' if self.finished else ''}>"

    def number(self, seq: int) -> None:
        since = self.intent.since if self.intent is not None else None
        self.seq = seq
        self.floor = seq if since is None else min(seq, since + 1)

    @property
    def ended(self) -> int:
        return self.places[-1]

    def unload(self) -> None:
        """Drops what only its application needs; what a change of schema was, those beside it ask."""
        self.intent = self.reply = None
        if self.route.kind is not Kind.SCHEMA:
            self.write = None

    def finish(self) -> None:
        """The secondary has it, or its keys are dirty or parked or a debt."""
        self.finished = True
        self.unload()
        if self._applied is not None and not self._applied.done():
            self._applied.set_result(None)

    async def until_finished(self) -> None:
        if not self.finished:
            if self._applied is None:
                self._applied = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._applied)


class Reader:
    """Decodes entries, each once where that is possible."""

    def __init__(self, frontend: Frontend, catalog: Catalog) -> None:
        self._frontend = frontend
        self._catalog = catalog
        self.generation = 0
        """Grows with every change of the catalog: what was decoded before may mean other keys now."""

    def names(self, entry: Entry) -> bool:
        """Whether its collection is known without its body, or not at all."""
        return entry.intent is None or entry.intent.keys_only or entry.intent.collection != ""

    def collection(self, entry: Entry) -> str:
        """Empty where it names none that we know."""
        if entry.intent is None:
            return ""
        if self.names(entry):
            return entry.intent.collection
        try:
            return self._frontend.collection(entry.intent.request, self._catalog)
        except NotFound:
            return ""

    def write(self, entry: Entry) -> Write:
        """Raises Refused where it cannot be understood."""
        if entry.write is None or not self.knows(entry):
            write = self._decode(entry)
            entry.generation = self.generation
            # Until the reply is there, what it adds is missing.
            entry.write = write if entry.outcome is not None or not entry.route.needs_reply else None
            return write
        return entry.write

    def knows(self, entry: Entry) -> bool:
        """It is decoded already."""
        return entry.write is not None and entry.generation == self.generation

    def _decode(self, entry: Entry) -> Write:
        intent = entry.intent
        if intent is None:
            raise Refused("its request is not kept")
        if intent.keys_only:
            return _of_keys(intent)
        operation = self._frontend.decode(intent.request, self._catalog, entry.reply)
        if not isinstance(operation, Write):
            raise Refused(f"it is routed as a write and means {type(operation).__name__}")
        return operation

    def scope(self, entry: Entry) -> Scope:
        """Best knowledge; ANYTHING where there is none."""
        if entry.scope is not None:
            return entry.scope
        if entry.outcome is Outcome.REFUSED:
            return NOTHING
        if entry.intent is None:
            return _kept_scope(entry.write)
        try:
            scope = scope_of(self.write(entry))
        except Refused:
            return Scope(self.collection(entry) or None, None)
        if scope.keys is not None:
            entry.scope = scope
        return scope


def scope_of(write: Write) -> Scope:
    match write:
        case Put() | Patch() | PutIf() | Edit() | Remove() | Batch():
            return Scope(write.collection, keys_of(write))
        case RemoveWhere() | EditWhere() | Opaque():
            return Scope(write.collection or None, None)
        case CreateIndex() | DropIndex() | SetLoaded() | UpdateSettings():
            return NOTHING
        case _:
            return Scope(collection_of(write) or None, None)


def _kept_scope(write: Write | None) -> Scope:
    """Of an entry whose request is not kept: what a change of schema was still is, but where it moved names."""
    match write:
        case None | SetAlias() | DropAlias() | ChangeAliases() | RenameCollection():
            return ANYTHING
        case _:
            return scope_of(write)


def _of_keys(intent: Intent) -> Write:
    if intent.keys is None:
        return Opaque(intent.collection, f"the journal was full and kept nothing but the call {intent.route}")
    points = tuple(Point(key, {}) for key in intent.keys)
    return Put(intent.collection, points, complete=False)
