"""What a case is given: the side under test and the reference, which get the same schemas and points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.backends.memory import MemoryBackend
from proxy.errors import NotFound
from proxy.model.evolve import evolved
from proxy.model.feature import Feature, Support
from proxy.model.operation import (
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropCollection,
    DropIndex,
    DropPartition,
    RenameCollection,
    SchemaWrite,
)
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.ports import Backend


@dataclass(slots=True)
class CaseCatalog:
    """ports.Catalog: what the cases created."""

    schemas: dict[str, Schema] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        if name not in self.schemas:
            raise NotFound(f"there is no collection {name}")
        return name

    def schema(self, collection: str) -> Schema:
        return self.schemas[self.resolve(collection)]

    def collections(self) -> tuple[str, ...]:
        return tuple(self.schemas)

    def aliases(self) -> Mapping[str, str]:
        return {}

    def loaded(self, collection: str) -> bool:
        return self.resolve(collection) in self.schemas

    def fact(self, name: str) -> str:
        return ""

    def apply(self, change: SchemaWrite) -> None:
        match change:
            case CreateCollection(schema):
                self.schemas.setdefault(schema.collection, schema)
            case DropCollection(collection):
                self.schemas.pop(collection, None)
            case RenameCollection(collection, to):
                self.schemas[to] = evolved(self.schemas.pop(collection), change)
            case CreateIndex() | DropIndex() | CreatePartition() | DropPartition():
                self.schemas[change.collection] = evolved(self.schemas[change.collection], change)
            case _:
                pass


class World:
    """Collections that several cases read are made once: `collection` keeps them."""

    def __init__(self, side: Backend, catalog: CaseCatalog, supports: Mapping[Feature, Support]) -> None:
        self.side = side
        self.catalog = catalog
        self.reference = MemoryBackend(catalog)
        self._supports = supports

    def has(self, *features: Feature) -> bool:
        return all(self._supports[feature] is not Support.ABSENT for feature in features)

    async def apply(self, *changes: SchemaWrite) -> None:
        for change in changes:
            # the side first: what it refuses must not be known
            await self.side.apply(change)
            self.catalog.apply(change)
            await self.reference.apply(change)

    async def put(self, points: Sequence[Point]) -> None:
        await self.reference.put(points)
        await self.side.put(points)

    async def remove(self, keys: Sequence[Key]) -> None:
        await self.reference.remove(keys)
        await self.side.remove(keys)

    async def collection(self, schema: Schema, points: Sequence[Point]) -> str:
        """Made and filled at the first call."""
        if schema.collection not in self.catalog.schemas:
            partitions = [CreatePartition(schema.collection, name) for name in schema.partitions]
            await self.apply(CreateCollection(schema), *partitions)
            await self.put(points)
        return schema.collection
