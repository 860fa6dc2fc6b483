"""What the client's collections are, kept so that it can be told when the source no longer answers.

Owns: schemas, aliases, load states, facts of the source, the collections left out. Reads come from memory; a change is
durable, then visible. Not: asking the databases when to look again (the caller of `discover` decides).
"""

from __future__ import annotations

import asyncio
import functools
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, assert_never

from pydantic import TypeAdapter

from proxy.errors import NotFound
from proxy.model.evolve import evolved, same_collection
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
from proxy.model.schema import Schema
from proxy.ports import Backend
from proxy.store.store import Store

_TABLE: Final = "create table if not exists catalog (one integer primary key check (one = 1), document text not null)"


@dataclass(frozen=True, slots=True)
class Contents:
    """The whole catalog as one value. `aliases`: alias -> collection. `ahead`: the journal's entries whose change is in it
    already, though the mirror has not come to them."""

    schemas: Mapping[str, Schema] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    released: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    facts: Mapping[str, str] = field(default_factory=dict)
    ahead: frozenset[int] = frozenset()


_DOCUMENT: Final = TypeAdapter(Contents)


class StoredCatalog:
    """ports.Catalog, durable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changing = asyncio.Lock()
        store.declare(_TABLE)
        text = store.start(_read)
        self._contents = Contents() if text is None else _DOCUMENT.validate_python(json.loads(text))

    # ---- reads ----

    def resolve(self, name: str) -> str:
        if name in self._contents.schemas:
            return name
        if name in self._contents.aliases:
            return self._contents.aliases[name]
        raise NotFound(f"there is no collection or alias {name}")

    def schema(self, collection: str) -> Schema:
        return self._contents.schemas[self.resolve(collection)]

    def collections(self) -> tuple[str, ...]:
        return tuple(self._contents.schemas)

    def aliases(self) -> Mapping[str, str]:
        return self._contents.aliases

    def loaded(self, collection: str) -> bool:
        return self.resolve(collection) not in self._contents.released

    def fact(self, name: str) -> str:
        return self._contents.facts.get(name, "")

    def excluded(self) -> frozenset[str]:
        """Collections left out of the migration."""
        return self._contents.excluded

    def migrated(self) -> tuple[str, ...]:
        """The collections that the migration covers."""
        return tuple(name for name in self._contents.schemas if name not in self._contents.excluded)

    # ---- changes: in memory when durable ----

    async def apply(self, change: SchemaWrite) -> None:
        """Idempotent: what is already so, or already gone again, is no error."""
        await self._become(lambda now: changed(now, change))

    async def apply_ahead(self, change: SchemaWrite, entry: int | None) -> None:
        """For the client that asked for it, whose next call may need it. `entry`: its number in the journal, if it has one."""
        ahead = frozenset() if entry is None else frozenset({entry})
        await self._become(lambda now: replace(changed(now, change), ahead=now.ahead | ahead))

    async def follow(self, change: SchemaWrite, entry: int, *, last: bool) -> None:
        """The mirror has come to `entry`. Where it was applied ahead, later ones may have been too: it must not come again."""
        if self.is_ahead(entry):
            if last:
                await self._become(lambda now: replace(now, ahead=now.ahead - {entry}))
        else:
            await self.apply(change)

    def is_ahead(self, entry: int) -> bool:
        return entry in self._contents.ahead

    async def put(self, schema: Schema) -> None:
        await self._become(lambda now: replace(now, schemas={**now.schemas, schema.collection: schema}))

    async def set_fact(self, name: str, value: str) -> None:
        await self._become(lambda now: replace(now, facts={**now.facts, name: value}))

    async def exclude(self, collections: frozenset[str]) -> None:
        """These, and no others, are left out of the migration."""
        await self._become(lambda now: replace(now, excluded=collections))

    async def discover(self, backend: Backend) -> None:
        """Takes over what the source has now; collections that it no longer has are forgotten."""
        server = await backend.ping()
        schemas = {name: await backend.describe(name) for name in await backend.collections()}
        aliases = dict(await backend.aliases())
        released = frozenset(name for name, schema in schemas.items() if not _loaded(schema))
        seen = Contents(schemas, aliases, released)
        facts = {"version": server.version}
        await self._become(lambda now: replace(seen, excluded=now.excluded, facts={**now.facts, **facts}, ahead=now.ahead))

    async def _become(self, change: Callable[[Contents], Contents]) -> None:
        async with self._changing:
            contents = change(self._contents)
            # Python's json has a word for infinite defaults; pydantic's writes null.
            document = json.dumps(_DOCUMENT.dump_python(contents), default=sorted)
            await self._store.run(lambda db: _write(db, document))
            self._contents = contents


def changed(contents: Contents, change: SchemaWrite) -> Contents:
    """What the catalog is after an accepted change of schema."""
    match change:
        case CreateCollection(schema):
            return _created(contents, schema)
        case DropCollection(collection):
            return _without(contents, _named(contents, collection))
        case RenameCollection(collection, to):
            return _renamed(contents, _named(contents, collection), to)
        case SetAlias() | DropAlias():
            return _aliased(contents, change)
        case SetLoaded(collection, loaded):
            one = frozenset({_named(contents, collection)})
            return replace(contents, released=contents.released - one if loaded else contents.released | one)
        case ChangeAliases(changes):
            return functools.reduce(changed, changes, contents)
        case CreateIndex() | DropIndex() | CreatePartition() | DropPartition() | UpdateSettings() | AddVector() | DropVector():
            return _evolved(contents, change)
        case _:
            assert_never(change)


def _aliased(contents: Contents, change: SetAlias | DropAlias) -> Contents:
    match change:
        case SetAlias(alias, collection):
            return replace(contents, aliases={**contents.aliases, alias: _named(contents, collection)})
        case DropAlias(alias):
            return replace(contents, aliases=_less(contents.aliases, alias))


def _created(contents: Contents, schema: Schema) -> Contents:
    """Milvus accepts a second creation and changes nothing: indexes, partitions and what is loaded stay."""
    there = contents.schemas.get(schema.collection)
    if there is not None and same_collection(there, schema):
        return contents
    one = frozenset({schema.collection})
    released = contents.released - one if _loaded(schema) else contents.released | one
    return replace(contents, schemas={**contents.schemas, schema.collection: schema}, released=released)


def _loaded(schema: Schema) -> bool:
    """As the product that described it said; the others have everything loaded."""
    return schema.native.get("loaded") is not False


def _named(contents: Contents, name: str) -> str:
    return contents.aliases.get(name, name)


def _without(contents: Contents, collection: str) -> Contents:
    return replace(
        contents,
        schemas=_less(contents.schemas, collection),
        aliases={alias: name for alias, name in contents.aliases.items() if name != collection},
        released=contents.released - {collection},
    )


def _renamed(contents: Contents, collection: str, to: str) -> Contents:
    if collection not in contents.schemas:
        return contents
    schema = evolved(contents.schemas[collection], RenameCollection(collection, to))
    return replace(
        contents,
        schemas={**_less(contents.schemas, collection), to: schema},
        aliases={alias: to if name == collection else name for alias, name in contents.aliases.items()},
        released=_moved(contents.released, collection, to),
        excluded=_moved(contents.excluded, collection, to),
    )


def _evolved(
    contents: Contents,
    change: CreateIndex | DropIndex | CreatePartition | DropPartition | UpdateSettings | AddVector | DropVector,
) -> Contents:
    collection = _named(contents, change.collection)
    if collection not in contents.schemas:
        return contents
    return replace(contents, schemas={**contents.schemas, collection: evolved(contents.schemas[collection], change)})


def _less(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


def _moved(names: frozenset[str], name: str, to: str) -> frozenset[str]:
    return names - {name} | {to} if name in names else names


def _read(db: sqlite3.Connection) -> str | None:
    row = db.execute("select document from catalog").fetchone()
    return row[0] if row else None


def _write(db: sqlite3.Connection, document: str) -> None:
    db.execute("insert or replace into catalog (one, document) values (1, ?)", (document,))
