"""What is believed of a change of schema that nobody answered for, by what the primary shows. Pure.

Not: asking the primary, what follows from it (changes).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from proxy.model.evolve import indexed
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
)
from proxy.model.schema import Schema, VectorField

InSchema: TypeAlias = CreatePartition | DropPartition | AddVector | DropVector | CreateIndex | DropIndex | SetLoaded
SEEN_IN_SCHEMA: Final = (CreatePartition, DropPartition, AddVector, DropVector, CreateIndex, DropIndex, SetLoaded)
OF_THE_PRODUCT: Final = (CreateIndex, DropIndex, SetLoaded)
"""Only a primary of the client's product shows them as the client knows them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the primary has. `aliases`: pairs of alias and collection; `schema` of its collection, where it is asked."""

    collections: frozenset[str]
    aliases: frozenset[tuple[str, str]]
    schema: Schema | None = None


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
        case _ if untold(change, seen):
            return True
        case UpdateSettings():
            return False
        case _:
            return seen.schema is not None and _in_schema(change, seen.schema)


def _in_schema(change: InSchema, schema: Schema) -> bool:
    match change:
        case CreatePartition(partition=partition) | DropPartition(partition=partition):
            return (partition in schema.partitions) is isinstance(change, CreatePartition)
        case AddVector(field=VectorField(name=name)) | DropVector(name=name):
            return (name in schema.vectors) is isinstance(change, AddVector)
        case CreateIndex(field=field) | DropIndex(field=field):
            return indexed(schema, field) in (None, isinstance(change, CreateIndex))
        case SetLoaded(loaded=loaded):
            return (schema.native.get("loaded") is not False) is loaded
        case _:
            assert_never(change)


def untold(change: SchemaWrite, seen: Seen) -> bool:
    """Nothing tells whether it took effect. It changes no point, so it counts as done: once, for it may not come last."""
    return isinstance(change, UpdateSettings) or (isinstance(change, OF_THE_PRODUCT) and seen.schema is None)


def emptied_by(change: SchemaWrite) -> tuple[str, ...]:
    """The collections of which it takes points, or parts of points."""
    match change:
        case DropCollection(collection) | DropPartition(collection) | DropVector(collection):
            return (collection,)
        case RenameCollection(collection, to):
            return (collection, to)
        case _:
            return ()


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
