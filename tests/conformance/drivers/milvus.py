"""Milvus's protocol as a way in: the official client, pointed at our Milvus frontend, asked as an application would.

Its own filters (milvus_filter.py) share nothing with the Milvus backend's. What the frontend takes such expressions to mean is
held against a real server's answers in tests/wire/milvus.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from conformance.drivers.milvus_collections import Collections
from conformance.drivers.milvus_errors import asked
from conformance.drivers.milvus_filter import behind, filter_of, ids_in
from conformance.drivers.milvus_partitions import DEFAULT, by_partition, every_partition, left_of, placed
from conformance.drivers.milvus_rows import output_fields, parse_hit, parse_row, row_of, search_params, vector_of
from conformance.drivers.over_wire import NamedRefusals, served
from fakes.plain_parts import PlainCatalog
from pymilvus import MilvusClient

from proxy.clock import SystemClock
from proxy.frontends.milvus.frontend import MilvusFrontend
from proxy.model.feature import Feature
from proxy.model.operation import Consistency, Count, Fetch, Hits, Page, Scan, SchemaWrite, Search
from proxy.model.point import Key, Point, PointId
from proxy.model.schema import IdKind, Schema
from proxy.ports import Backend, Catalog

# no calls of a backend, or no part of the model's filters: tests/wire/milvus asks for them
SPEAKS: Final = MilvusFrontend.speaks - {
    Feature.AUTO_IDS,
    Feature.FILTER_ARITHMETIC,
    Feature.FILTER_FIELD_COMPARE,
    Feature.SEARCH_FULL_TEXT,
    Feature.SEARCH_GROUP,
    Feature.SEARCH_HYBRID,
}
_ROWS_AT_ONCE: Final = 40
"""Of an iterator: less than most of the cases' collections hold."""


class Driver:
    """The calls of `ports.Backend` that the conformance cases make."""

    def __init__(self, client: MilvusClient, catalog: Catalog) -> None:
        self._client = client
        self._catalog = catalog
        self._collections = Collections(client)
        self.collections = self._collections.names
        self.aliases = self._collections.aliases
        self.describe = self._collections.describe

    async def apply(self, change: SchemaWrite) -> None:
        await self._collections.apply(change)

    async def put(self, points: Sequence[Point]) -> None:
        for partition, some in by_partition(points, lambda point: point.key).items():
            collection = some[0].key.collection
            rows = [row_of(point, self._schema(collection)) for point in some]
            await asked(self._client.upsert, collection, rows, partition_name=partition or DEFAULT)

    async def remove(self, keys: Sequence[Key]) -> None:
        for partition, some in by_partition(keys, lambda key: key).items():
            collection, ids = some[0].collection, [key.id for key in some]
            chosen = _chosen(ids, self._schema(collection))
            await asked(self._client.delete, collection, partition_name=partition or DEFAULT, **chosen)

    async def fetch(self, fetch: Fetch, _: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        schema = self._schema(fetch.collection)
        points = []
        for partition, keys in by_partition(fetch.keys, lambda key: key).items():
            asks = {"output_fields": output_fields(fetch, schema), **placed(schema, (partition,))}
            found = await asked(self._client.query, fetch.collection, **_chosen([key.id for key in keys], schema), **asks)
            points += [parse_row(row, fetch, partition, schema) for row in found]
        return {point.key: point for point in points}

    async def scan(self, scan: Scan, _: Consistency = Consistency.LATEST) -> Page:
        schema = self._schema(scan.collection)
        wanted = scan.offset + scan.limit
        points: list[Point] = []
        for partition in left_of(scan, schema):
            if len(points) < wanted:
                rows = await asked(self._rows, scan, partition, wanted - len(points))
                points += [parse_row(row, scan, partition, schema) for row in rows]
        return Page(tuple(points[scan.offset :]), end=len(points) < wanted)

    async def count(self, count: Count, _: Consistency = Consistency.LATEST) -> int:
        schema = self._schema(count.collection)
        condition = filter_of(count.filter, schema)
        asks = {"output_fields": ["count(*)"], **placed(schema, count.partitions)}
        (row,) = await asked(self._client.query, count.collection, condition, **asks)
        return int(row["count(*)"])

    async def search(self, search: Search, _: Consistency = Consistency.CLIENT) -> Hits:
        schema = self._schema(search.collection)
        found = await asked(self._client.search, search.collection, **_search(search, schema))
        places = await self._places(search, schema, {hit[schema.id_name] for hits in found for hit in hits})
        return tuple(tuple(parse_hit(hit, search, places[hit[schema.id_name]], schema) for hit in hits) for hits in found)

    def _rows(self, scan: Scan, partition: str | None, wanted: int) -> list[Mapping[str, Any]]:
        schema = self._schema(scan.collection)
        condition = filter_of(scan.filter, schema)
        size = min(wanted, _ROWS_AT_ONCE)
        if scan.after is not None and scan.after.partition == partition:
            condition = behind(scan.after.id, condition, schema)
            # an iterator over texts that has a lower bound of its own is refused from its second page on
            size = wanted if schema.id_kind is IdKind.STRING else size
        asks = {"output_fields": output_fields(scan, schema), **placed(schema, (partition,))}
        return _all_rows(self._client.query_iterator(scan.collection, size, wanted, condition, **asks), size, wanted)

    async def _places(self, search: Search, schema: Schema, ids: set[PointId]) -> dict[PointId, str | None]:
        """In which partition each id is; hits do not tell, and no case has an id in two."""
        where = every_partition(schema) if search.partitions is None else search.partitions
        if len(where) == 1:
            return dict.fromkeys(ids, where[0])
        keys = [Key(search.collection, partition, each) for partition in where for each in ids]
        return {key.id: key.partition for key in await self.fetch(Fetch(search.collection, tuple(keys), (), ()))}

    def _schema(self, collection: str) -> Schema:
        """Of what is not there, one without declarations: it is for the server to say so."""
        return self._catalog.schema(collection) if collection in self._catalog.collections() else Schema(collection, {})


def _all_rows(iterator: Any, size: int, wanted: int) -> list[Mapping[str, Any]]:
    """Up to a short page: the client writes the last key unquoted into its next request, which not every text survives."""
    rows = list(page := iterator.next())
    while len(page) == size and len(rows) < wanted:
        rows += (page := iterator.next())
    iterator.close()
    return rows


def _search(search: Search, schema: Schema) -> dict[str, Any]:
    vector = schema.vectors.get(search.using)
    return {
        "data": [vector_of(each) for each in search.vectors],
        "anns_field": search.using,
        "filter": filter_of(search.filter, schema),
        "limit": search.k,
        "offset": search.offset,
        "search_params": search_params(search, vector.metric if vector else None),
        "output_fields": output_fields(search, schema),
        **placed(schema, search.partitions),
    }


def _chosen(ids: Sequence[PointId], schema: Schema) -> dict[str, Any]:
    """The client writes texts unquoted, so an application whose ids may hold quotes writes them itself."""
    return {"filter": ids_in(ids, schema)} if schema.id_kind is IdKind.STRING else {"ids": list(ids)}


# ---- the way in ----


class _Told(PlainCatalog):
    """What the frontend hears of the client's schemas, and the backend behind it knows."""

    def loaded(self, collection: str) -> bool:
        return self.resolve(collection) not in self.contents.released


@asynccontextmanager
async def through_milvus(build: Callable[[Catalog], Backend], catalog: PlainCatalog) -> AsyncIterator[Backend]:
    told = _Told()
    backend = build(told)
    async with served(MilvusFrontend(SystemClock()), "grpc", backend, told) as address:
        client = await asyncio.to_thread(MilvusClient, f"http://{address}", dedicated=True)
        yield NamedRefusals(Driver(client, catalog))  # type: ignore[arg-type,misc]
        await asyncio.to_thread(client.close)
    await backend.close()
