"""Qdrant as a side: thin I/O. What is sent is made by compile.py, upsert.py and schema.py, what comes back read by parse.py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from proxy.backends.qdrant import compile, order, upsert
from proxy.backends.qdrant.client import Client
from proxy.backends.qdrant.features import FEATURES
from proxy.backends.qdrant.ids import is_own_kind, parse_id, point_id
from proxy.backends.qdrant.parse import beyond, parse_hits, parse_points
from proxy.backends.qdrant.schema import fit
from proxy.backends.qdrant.structure import Structure
from proxy.config import SideConfig
from proxy.errors import Reason, Refused, Unsupported
from proxy.model.evolve import evolved
from proxy.model.feature import Feature, Support
from proxy.model.operation import (
    AddVector,
    ChangeAliases,
    Consistency,
    Count,
    CreateCollection,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropCollection,
    DropIndex,
    DropPartition,
    DropVector,
    Fetch,
    Hits,
    Page,
    RenameCollection,
    Scan,
    SchemaWrite,
    Search,
    SetAlias,
    SetLoaded,
    UpdateSettings,
)
from proxy.model.point import Key, Point
from proxy.model.schema import Product, Schema
from proxy.ports import Catalog, Fit, ServerInfo

MINIMUM_VERSION: Final = (1, 16)
"""The first that is sure to read vectors in the form in which we send them."""
COMPILED_AT_ONCE: Final = 100
"""Points of one write: less than half a millisecond in which nothing else is done."""
MAX_RANGE_CANDIDATES: Final = 65_536
"""Hits fetched for one query with a far bound: those nearer than it come along and are cut away."""


class QdrantBackend:
    """Implements `ports.Backend`. Raises ConfigError where `side` cannot be reached as it is written."""

    product = Product.QDRANT
    features: Mapping[Feature, Support] = FEATURES

    def __init__(self, side: SideConfig, catalog: Catalog) -> None:
        self._catalog = catalog
        self._client = Client(side)
        self._structure = Structure(self._client)

    async def ping(self) -> ServerInfo:
        version = await self._client.version()
        if _numbers(version) < MINIMUM_VERSION:
            wanted = ".".join(map(str, MINIMUM_VERSION))
            raise Refused(f"Qdrant at {self._client.url} is {version}; {wanted} or later is needed", Reason.UNSUPPORTED)
        return ServerInfo(Product.QDRANT, version)

    async def close(self) -> None:
        await self._client.close()

    # ---- data ----

    async def put(self, points: Sequence[Point]) -> None:
        if not points:
            return
        schema = self._catalog.schema(points[0].key.collection)
        request: list[upsert.Piece] = [upsert.beginning(schema)]
        for first in range(0, len(points), COMPILED_AT_ONCE):
            request += upsert.pieces(points[first : first + COMPILED_AT_ONCE], schema)
            await asyncio.sleep(0)  # clients are served in between
        await self._client.update(self._client.upsert, b"".join(request))

    async def remove(self, keys: Sequence[Key]) -> None:
        if keys:
            schema = self._catalog.schema(keys[0].collection)
            await self._client.update(self._client.points.Delete, compile.delete(keys, schema))

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        if not fetch.keys:
            return {}
        schema = self._catalog.schema(fetch.collection)
        reply = await self._client.read(self._client.points.Get, compile.get(fetch, schema, consistency))
        points = parse_points(reply.result, fetch.fields, fetch.vector_names, schema)
        return {point.key: point for point in points}

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        """Numbers in their order, other ids in that of Qdrant. See order.py."""
        schema = self._catalog.schema(scan.collection)
        bare = replace(scan, fields=(), vector_names=())
        start = order.behind(scan.after, schema) if scan.after else order.first(schema)
        if scan.offset and start is not None:
            start = (await order.walk(self._pages(bare, schema, consistency), start, scan.offset, schema)).next
        if start is None:
            return Page((), end=True)
        found = await order.walk(self._pages(scan, schema, consistency), start, scan.limit, schema)
        return Page(parse_points(found.records, scan.fields, scan.vector_names, schema), end=found.next is None)

    def _pages(self, scan: Scan, schema: Schema, consistency: Consistency) -> order.ReadPage:
        async def read(start: int | UUID, limit: int) -> order.Stretch:
            request = compile.scroll(replace(scan, limit=limit), schema, consistency, point_id(start))
            reply = await self._client.read(self._client.points.Scroll, request)
            following = parse_id(reply.next_page_offset) if reply.HasField("next_page_offset") else None
            return order.Stretch(tuple(reply.result), following)

        return read

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits:
        schema = self._catalog.schema(search.collection)
        if search.far is None:
            return await self._query(search, schema, consistency)
        return await self._range_search(search, schema, consistency)

    async def duplicates(self, collection: str) -> int:
        return 0

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int:
        schema = self._catalog.schema(count.collection)
        reply = await self._client.read(self._client.points.Count, compile.count(count, schema, consistency))
        return int(reply.result.count)

    async def _query(self, search: Search, schema: Schema, consistency: Consistency) -> Hits:
        request = compile.query_batch(search, schema, consistency)
        reply = await self._client.read(self._client.points.QueryBatch, request)
        return tuple(parse_hits(batch.result, search, schema) for batch in reply.result)

    async def _range_search(self, search: Search, schema: Schema, consistency: Consistency) -> Hits:
        """Fetches ever more, until enough of them are beyond the far bound or there are no more."""
        wanted = search.offset + search.k
        candidates = 4 * wanted
        while candidates <= MAX_RANGE_CANDIDATES:
            nearest = await self._query(replace(search, k=candidates, offset=0), schema, consistency)
            hits = tuple(beyond(search, schema, found) for found in nearest)
            if all(len(cut) >= wanted or len(found) < candidates for cut, found in zip(hits, nearest, strict=True)):
                return tuple(cut[search.offset : wanted] for cut in hits)
            candidates *= 4
        detail = f"more than {MAX_RANGE_CANDIDATES // 4} points are nearer than the far bound"
        raise Unsupported(Feature.SEARCH_RANGE, Product.QDRANT, detail)

    # ---- schema ----

    async def collections(self) -> tuple[str, ...]:
        return await self._structure.collections()

    async def describe(self, collection: str) -> Schema:
        return await self._structure.describe(collection)

    async def aliases(self) -> Mapping[str, str]:
        return await self._structure.aliases()

    def fit(self, schema: Schema) -> Fit:
        return fit(schema)

    async def apply(self, change: SchemaWrite) -> None:
        match change:
            case CreateCollection(wanted):
                await self._structure.create(wanted)
            case DropCollection(collection):
                await self._structure.drop(collection)
            case RenameCollection():
                raise Unsupported(Feature.RENAME, Product.QDRANT, "its collections keep their names")
            case CreateIndex(collection):
                await self._structure.create_index(change, evolved(self._catalog.schema(collection), change))
            case DropPartition(collection, partition):
                await self._structure.drop_partition(collection, partition)
            case SetAlias() | DropAlias() | ChangeAliases():
                await self._structure.change_aliases(change.changes if isinstance(change, ChangeAliases) else (change,))
            case DropIndex() | CreatePartition() | SetLoaded():
                pass  # an index more changes no answer; partitions are values; collections are always loaded
            case _:
                await self._apply_own(change)

    async def _apply_own(self, change: UpdateSettings | AddVector | DropVector) -> None:
        """What only Qdrant's own clients ask for."""
        match change:
            case UpdateSettings(collection, _, patch):
                if is_own_kind(self._catalog.schema(collection)):
                    await self._structure.update_settings(collection, patch)
            case AddVector(collection, field):
                await self._structure.add_vector(collection, field)
            case DropVector(collection, name):
                await self._structure.drop_vector(collection, name)

    async def quiesce(self, collection: str) -> None:
        await self._structure.quiesce(collection)


def _numbers(version: str) -> tuple[int, ...]:
    """Of `1.19.0-dev`: (1, 19)."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
