"""What a case is given: the side under test and the reference, which get the same schemas and points."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.registry import Pair
from fakes.plain_parts import PlainCatalog

from proxy.backends.memory import MemoryBackend
from proxy.model.feature import Feature
from proxy.model.operation import CreateCollection, CreatePartition, SchemaWrite
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.ports import Backend


class World:
    """Collections that several cases read are made once: `collection` keeps them."""

    def __init__(self, pair: Pair, side: Backend, catalog: PlainCatalog) -> None:
        self.side = side
        self.catalog = catalog
        self.reference = MemoryBackend(catalog)
        self._pair = pair

    def has(self, *features: Feature) -> bool:
        return self._pair.has(*features)

    def keeps(self, feature: Feature) -> bool:
        """Whether the backend does, whatever its clients ask for."""
        return not self._pair.absent(frozenset({feature}))

    async def apply(self, *changes: SchemaWrite) -> None:
        for change in changes:
            # the side first: what it refuses must not be known
            await self.side.apply(change)
            await self.reference.apply(change)
            await self.catalog.apply(change)

    async def put(self, points: Sequence[Point]) -> None:
        await self.reference.put(points)
        await self.side.put(points)

    async def remove(self, keys: Sequence[Key]) -> None:
        await self.reference.remove(keys)
        await self.side.remove(keys)

    async def collection(self, schema: Schema, points: Sequence[Point]) -> str:
        """Made and filled at the first call."""
        if schema.collection not in self.catalog.collections():
            partitions = [CreatePartition(schema.collection, name) for name in schema.partitions]
            await self.apply(CreateCollection(schema), *partitions)
            await self.put(points)
        return schema.collection
