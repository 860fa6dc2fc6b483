"""Brings an accepted change of schema to the catalog and to the secondary.

Owns: what each change means for dirty keys and debts. Not: its place among the writes (applier).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import assert_never

from proxy.errors import ProxyError, Refused
from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.entry import Entry, Reader
from proxy.mirror.owing import Owing
from proxy.mirror.pace import Pace
from proxy.mirror.parts import Parts
from proxy.mirror.turns import Turns, names_of
from proxy.model.operation import (
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropIndex,
    DropPartition,
    DropVector,
    RenameCollection,
    SchemaWrite,
    SetAlias,
    SetLoaded,
    UpdateSettings,
    collection_of,
)
from proxy.model.schema import VectorField
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
            if (took_effect := happened_of(change, seen, self._parts.catalog.collections())) is None:
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
            *await self._parts_of(change),
        )

    async def _parts_of(self, change: SchemaWrite) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The partitions and the vectors of its collection, where they tell whether it happened."""
        if not isinstance(change, CreatePartition | DropPartition | AddVector | DropVector):
            return (), ()
        collection = change.collection
        try:
            schema = await self._pace.insist(lambda: self._parts.roles.primary.describe(collection))
        except Refused:
            return (), ()
        return schema.partitions, tuple(schema.vectors)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the primary has. `aliases`: pairs of alias and collection; `partitions` and `vectors` of the change's collection."""

    collections: frozenset[str]
    aliases: frozenset[tuple[str, str]]
    partitions: tuple[str, ...]
    vectors: tuple[str, ...] = ()


def happened(change: SchemaWrite, seen: Seen, known: Collection[str]) -> bool:
    """Whether a change took effect that nobody answered for. What harms nothing on the secondary counts as done."""
    match change:
        case CreateCollection(schema):
            return schema.collection in seen.collections and schema.collection not in known
        case DropCollection(collection):
            return collection not in seen.collections
        case RenameCollection(collection, to):
            return to in seen.collections and collection not in seen.collections
        case SetAlias() | DropAlias() | ChangeAliases():
            return _aliased(change, seen)
        case CreatePartition(partition=partition) | DropPartition(partition=partition):
            return (partition in seen.partitions) is isinstance(change, CreatePartition)
        case AddVector(field=VectorField(name=name)) | DropVector(name=name):
            return (name in seen.vectors) is isinstance(change, AddVector)
        case CreateIndex() | DropIndex() | SetLoaded() | UpdateSettings():
            return True
        case _:
            assert_never(change)


def _aliased(change: SetAlias | DropAlias | ChangeAliases, seen: Seen) -> bool:
    match change:
        case SetAlias(alias, collection):
            return (alias, collection) in seen.aliases
        case DropAlias(gone):
            return all(alias != gone for alias, _ in seen.aliases)
        case ChangeAliases(changes):
            return all(_aliased(each, seen) for each in changes)


def happened_of(change: SchemaWrite, seen: Seen, known: Collection[str]) -> SchemaWrite | None:
    """The part of it that took effect; None where nothing did."""
    if isinstance(change, ChangeAliases):
        done = tuple(each for each in change.changes if _aliased(each, seen))
        return ChangeAliases(done) if done else None
    return change if happened(change, seen, known) else None


def _collections(change: SchemaWrite) -> tuple[str, ...]:
    match change:
        case RenameCollection(collection, to):
            return (collection, to)
        case DropAlias() | ChangeAliases():
            return ()
        case _:
            return (collection_of(change),)
