"""Brings an accepted change of schema to the catalog and to the secondary.

Owns: what each change means for dirty keys and debts. Not: its place among the writes (applier).
"""

from __future__ import annotations

from proxy.errors import ProxyError, Refused
from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.entry import Entry, Reader
from proxy.mirror.happened import OF_THE_PRODUCT, SEEN_IN_SCHEMA, Seen, emptied_by, happened_of, untold
from proxy.mirror.owing import Owing
from proxy.mirror.pace import Pace
from proxy.mirror.parts import Parts
from proxy.mirror.turns import Turns, names_of
from proxy.model.operation import (
    ChangeAliases,
    DropAlias,
    DropCollection,
    RenameCollection,
    SchemaWrite,
    SetAlias,
    collection_of,
)
from proxy.model.schema import Schema
from proxy.ports import Outcome


def lane_of(change: SchemaWrite) -> str | None:
    """The one collection that it concerns; None where other names may mean something else after it."""
    other_names = isinstance(change, SetAlias | DropAlias | ChangeAliases | RenameCollection)
    return None if other_names else collection_of(change)


class SchemaChanges:
    def __init__(self, parts: Parts, reader: Reader, dirty: DirtyKeys, owing: Owing, turns: Turns) -> None:
        self._parts = parts
        self._reader = reader
        self._dirty = dirty
        self._owing = owing
        self._turns = turns
        self._pace = Pace(parts.clock, parts.config.retry_max)

    @property
    def error(self) -> ProxyError | None:
        return self._pace.error or self._turns.error

    async def apply(self, entry: Entry, change: SchemaWrite) -> None:
        """Retries until the secondary has it or refuses it."""
        known = entry.outcome is not Outcome.UNKNOWN or self._parts.catalog.is_ahead(entry.seq)
        if not known:
            seen = await self._seen(change)
            took_effect = happened_of(change, seen, self._parts.catalog.collections())
            if took_effect is None or (entry.horizon is not None and untold(took_effect, seen)):
                await self._doubt(entry, change)
                return
            change = took_effect
        async with self._turns.taken(names_of(change)), self._dirty.quiet(_collections(change)):
            await self._parts.catalog.follow(change, entry.seq, last=entry.horizon is not None)
            self._reader.generation += 1
            self._carry_keys(change)
            await self._bring(change)
        if entry.outcome is Outcome.UNKNOWN:
            await self._owing.mark(collection_of(change), f"it is not known when {entry.route.name} took effect")
        await self._carry_debts(change)

    async def _doubt(self, entry: Entry, change: SchemaWrite) -> None:
        """At the last look nothing shows it; but what it empties may have been made again since."""
        if entry.horizon is not None:
            known = self._parts.catalog.collections()
            for name in (name for name in emptied_by(change) if name in known):
                await self._owing.mark(name, f"it is not known whether {entry.route.name} took effect before it was made again")

    def _carry_keys(self, change: SchemaWrite) -> None:
        match change:
            case DropCollection(collection):
                self._dirty.forget(collection)
            case RenameCollection(collection, to):
                self._dirty.rename(collection, to)
            case _:
                return

    async def _carry_debts(self, change: SchemaWrite) -> None:
        debts = self._parts.debts
        match change:
            case DropCollection(collection):
                await debts.clear(collection)
            case RenameCollection(collection, to) if collection in debts.all():
                await self._owing.mark(to, debts.all()[collection])
                await debts.clear(collection)
            case _:
                return

    async def _bring(self, change: SchemaWrite) -> None:
        collection = collection_of(change)
        if collection in self._parts.catalog.excluded():
            return
        try:
            await self._turns.bring(change)
        except Refused as error:
            await self._owing.mark(collection, f"the secondary refuses {type(change).__name__}: {error}")

    async def _seen(self, change: SchemaWrite) -> Seen:
        primary = self._parts.roles.primary
        return Seen(
            frozenset(await self._pace.insist(primary.collections)),
            frozenset((await self._pace.insist(primary.aliases)).items()),
            await self._schema_of(change),
        )

    async def _schema_of(self, change: SchemaWrite) -> Schema | None:
        """Of its collection, where it tells whether it happened: another product than the client's has indexes of its own."""
        own = self._parts.roles.primary.product is self._parts.frontend.product
        if not isinstance(change, SEEN_IN_SCHEMA) or (isinstance(change, OF_THE_PRODUCT) and not own):
            return None
        collection = change.collection
        try:
            return await self._pace.insist(lambda: self._parts.roles.primary.describe(collection))
        except Refused:
            return None


def _collections(change: SchemaWrite) -> tuple[str, ...]:
    match change:
        case RenameCollection(collection, to):
            return (collection, to)
        case DropAlias() | ChangeAliases():
            return ()
        case _:
            return (collection_of(change),)
