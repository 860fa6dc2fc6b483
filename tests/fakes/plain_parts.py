"""A catalog, a book of debts and one of what may still land, in memory, as durable as the object that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from proxy.errors import NotFound
from proxy.model.operation import SchemaWrite
from proxy.model.schema import Schema
from proxy.store.catalog import Contents, changed


class PlainCatalog:
    def __init__(self, schemas: Iterable[Schema] = ()) -> None:
        self.contents = Contents({schema.collection: schema for schema in schemas})
        self.left_out: frozenset[str] = frozenset()
        self.ahead: set[int] = set()

    def resolve(self, name: str) -> str:
        if name in self.contents.schemas:
            return name
        if name in self.contents.aliases:
            return self.contents.aliases[name]
        raise NotFound(f"no collection {name}")

    def schema(self, collection: str) -> Schema:
        return self.contents.schemas[self.resolve(collection)]

    def collections(self) -> tuple[str, ...]:
        return tuple(self.contents.schemas)

    def aliases(self) -> Mapping[str, str]:
        return self.contents.aliases

    def loaded(self, collection: str) -> bool:
        return True

    def fact(self, name: str) -> str:
        return ""

    def excluded(self) -> frozenset[str]:
        return self.left_out

    def migrated(self) -> tuple[str, ...]:
        return tuple(name for name in self.contents.schemas if name not in self.left_out)

    async def apply(self, change: SchemaWrite) -> None:
        self.contents = changed(self.contents, change)

    async def follow(self, change: SchemaWrite, entry: int, *, last: bool) -> None:
        if entry not in self.ahead:
            await self.apply(change)
        elif last:
            self.ahead.remove(entry)

    def is_ahead(self, entry: int) -> bool:
        return entry in self.ahead


class PlainDebts:
    def __init__(self) -> None:
        self.owed: dict[str, str] = {}

    def all(self) -> dict[str, str]:
        return dict(self.owed)

    async def mark(self, collection: str, why: str) -> None:
        self.owed[collection] = why

    async def clear(self, collection: str) -> None:
        self.owed.pop(collection, None)


class PlainUnlanded:
    def __init__(self) -> None:
        self.names: set[str] = set()

    def all(self) -> frozenset[str]:
        return frozenset(self.names)

    async def begin(self, names: Iterable[str]) -> None:
        self.names.update(names)

    async def end(self, names: Iterable[str]) -> None:
        self.names.difference_update(names)
