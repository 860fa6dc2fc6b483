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
from proxy.model.operation import (
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropIndex,
    DropPartition,
    RenameCollection,
    SchemaWrite,
    SetAlias,
    SetLoaded,
    collection_of,
)
from proxy.ports import Outcome


def lane_of(change: SchemaWrite) -> str | None:
    """The one collection that it concerns; None where other names may mean something else after it."""
    return None if isinstance(change, SetAlias | DropAlias | RenameCollection) else collection_of(change)


class SchemaChanges:
    def __init__(self, parts: Parts, reader: Reader, dirty: DirtyKeys, owing: Owing) -> None:
        self._parts = parts
        self._reader = reader
        self._dirty = dirty
        self._owing = owing
        self._pace = Pace(parts.clock, parts.config.retry_max)

    @property
    def error(self) -> ProxyError | None:
        return self._pace.error

    async def apply(self, entry: Entry, change: SchemaWrite) -> None:
        """Retries until the secondary has it or refuses it."""
        known = entry.outcome is not Outcome.UNKNOWN or self._parts.catalog.is_ahead(entry.seq)
        if not known and not await self._happened(change):
            return
        async with self._dirty.quiet(_collections(change)):
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
            await self._pace.insist(lambda: self._parts.roles.secondary.apply(change))
        except Refused as error:
            await self._owing.mark(collection, f"the secondary refuses {type(change).__name__}: {error}")

    async def _happened(self, change: SchemaWrite) -> bool:
        primary = self._parts.roles.primary
        seen = Seen(
            frozenset(await self._pace.insist(primary.collections)),
            frozenset((await self._pace.insist(primary.aliases)).items()),
            await self._partitions(collection_of(change)) if isinstance(change, CreatePartition | DropPartition) else (),
        )
        return happened(change, seen, self._parts.catalog.collections())

    async def _partitions(self, collection: str) -> tuple[str, ...]:
        try:
            schema = await self._pace.insist(lambda: self._parts.roles.primary.describe(collection))
        except Refused:
            return ()
        return schema.partitions


@dataclass(frozen=True, slots=True)
class Seen:
    """What the primary has. `aliases`: pairs of alias and collection; `partitions` of the change's collection."""

    collections: frozenset[str]
    aliases: frozenset[tuple[str, str]]
    partitions: tuple[str, ...]


def happened(change: SchemaWrite, seen: Seen, known: Collection[str]) -> bool:
    """Whether a change took effect that nobody answered for. What harms nothing on the secondary counts as done."""
    match change:
        case CreateCollection(schema):
            return schema.collection in seen.collections and schema.collection not in known
        case DropCollection(collection):
            return collection not in seen.collections
        case RenameCollection(collection, to):
            return to in seen.collections and collection not in seen.collections
        case SetAlias(alias, collection):
            return (alias, collection) in seen.aliases
        case DropAlias(gone):
            return all(alias != gone for alias, _ in seen.aliases)
        case CreatePartition(partition=partition) | DropPartition(partition=partition):
            return (partition in seen.partitions) is isinstance(change, CreatePartition)
        case CreateIndex() | DropIndex() | SetLoaded():
            return True
        case _:
            assert_never(change)


def _collections(change: SchemaWrite) -> tuple[str, ...]:
    match change:
        case RenameCollection(collection, to):
            return (collection, to)
        case DropAlias():
            return ()
        case _:
            return (collection_of(change),)
