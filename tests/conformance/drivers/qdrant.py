"""Qdrant's protocols as a way in: the official client, pointed at our Qdrant frontend, asked as an application would.

Each way has one port only, so that nothing goes by the other. Its own filters (qdrant_filter.py) share nothing with the Qdrant
backend's; what they mean on Qdrant itself is judged by tests/wire/qdrant, which asks the same of its engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from conformance.drivers.over_wire import Drive, NamedRefusals, served
from conformance.drivers.qdrant_collections import Collections
from conformance.drivers.qdrant_errors import asked
from conformance.drivers.qdrant_filter import filter_of
from conformance.drivers.qdrant_points import (
    behind,
    id_of,
    parse_point,
    payload_selector,
    struct_of,
    vector_of,
    vector_selector,
)
from fakes.plain_parts import PlainCatalog
from qdrant_client import AsyncQdrantClient, models

from proxy.clock import SystemClock
from proxy.frontends.qdrant.frontend import QdrantFrontend
from proxy.model.feature import Feature
from proxy.model.operation import Consistency, Count, Fetch, Hit, Hits, Page, Scan, SchemaWrite, Search
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.ports import Backend, Catalog

# groups, fusions and texts are no calls of a backend: tests/wire/qdrant asks for them
SPEAKS: Final = QdrantFrontend.speaks - {Feature.SEARCH_GROUP, Feature.SEARCH_HYBRID, Feature.SEARCH_FULL_TEXT}
_NO_POINT: Final = Page((), end=True)


class Driver:
    """The calls of `ports.Backend` that the conformance cases make."""

    def __init__(self, client: AsyncQdrantClient, catalog: Catalog) -> None:
        self._client = client
        self._catalog = catalog
        self._collections = Collections(client, catalog)
        self.collections = self._collections.names
        self.aliases = self._collections.aliases
        self.describe = self._collections.describe

    async def apply(self, change: SchemaWrite) -> None:
        await self._collections.apply(change)

    async def put(self, points: Sequence[Point]) -> None:
        if points:
            await asked(self._client.upsert(points[0].key.collection, [struct_of(point) for point in points]))

    async def remove(self, keys: Sequence[Key]) -> None:
        if keys:
            await asked(self._client.delete(keys[0].collection, [id_of(key.id) for key in keys]))

    async def fetch(self, fetch: Fetch, _: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        shown = self._shown(fetch)
        found = await asked(self._client.retrieve(fetch.collection, [id_of(key.id) for key in fetch.keys], **shown))
        points = [parse_point(each, fetch.collection, fetch.fields) for each in found]
        return {point.key: point for point in points}

    async def scan(self, scan: Scan, _: Consistency = Consistency.LATEST) -> Page:
        """Qdrant pages by the id to begin with, which need not exist, and skips none: those are read and left out."""
        start = behind(scan.after.id) if scan.after else None
        if scan.after and start is None:
            return _NO_POINT
        condition = filter_of(scan.filter, self._schema(scan.collection))
        limit = scan.offset + scan.limit
        call = self._client.scroll(scan.collection, condition, limit, offset=start, **self._shown(scan))
        found, following = await asked(call)
        points = tuple(parse_point(each, scan.collection, scan.fields) for each in found[scan.offset :])
        return Page(points, end=following is None)

    async def count(self, count: Count, _: Consistency = Consistency.LATEST) -> int:
        condition = filter_of(count.filter, self._schema(count.collection))
        return (await asked(self._client.count(count.collection, condition))).count

    async def search(self, search: Search, _: Consistency = Consistency.CLIENT) -> Hits:
        if len(search.vectors) == 1:
            rows = [await asked(self._client.query_points(search.collection, **self._query(search)))]
        else:
            rows = await asked(self._client.query_batch_points(search.collection, self._requests(search)))
        return tuple(tuple(_hit(each, search) for each in row.points) for row in rows)

    def _query(self, search: Search) -> dict[str, Any]:
        return {
            "query": vector_of(search.vectors[0]),
            "using": search.using,
            "query_filter": filter_of(search.filter, self._schema(search.collection)),
            "search_params": models.SearchParams(exact=search.exact),
            "limit": search.k,
            "offset": search.offset,
            "score_threshold": search.threshold,
            **self._shown(search),
        }

    def _requests(self, search: Search) -> list[models.QueryRequest]:
        said = self._query(search)
        renamed = {
            "filter": said.pop("query_filter"),
            "params": said.pop("search_params"),
            "with_vector": said.pop("with_vectors"),
        }
        return [models.QueryRequest(**(said | renamed | {"query": vector_of(each)})) for each in search.vectors]

    def _shown(self, read: Fetch | Scan | Search) -> dict[str, Any]:
        vectors = vector_selector(read.vector_names, self._schema(read.collection).vectors)
        return {"with_payload": payload_selector(read.fields), "with_vectors": vectors}

    def _schema(self, collection: str) -> Schema:
        """Of what is not there, one without declarations: it is for the server to say so."""
        return self._catalog.schema(collection) if collection in self._catalog.collections() else Schema(collection, {})


def _hit(found: models.ScoredPoint, search: Search) -> Hit:
    point = parse_point(found, search.collection, search.fields)
    return Hit(point.key, found.score, point)


_PORTS: Final[Mapping[str, str]] = {"rest": "port", "grpc": "grpc_port"}


def through_qdrant(role: str) -> Drive:
    """`role`: the port to which the client speaks."""

    @asynccontextmanager
    async def drive(build: Callable[[Catalog], Backend], catalog: PlainCatalog) -> AsyncIterator[Backend]:
        told = PlainCatalog()  # what the frontend hears of the client's schemas, and the backend behind it knows
        backend = build(told)
        async with served(QdrantFrontend(SystemClock()), role, backend, told) as address:
            client = _client(role, address)
            yield NamedRefusals(Driver(client, catalog))  # type: ignore[arg-type,misc]
            await client.close()
        await backend.close()

    return drive


def _client(role: str, address: str) -> AsyncQdrantClient:
    host, _, port = address.rpartition(":")
    ports: dict[str, Any] = {_PORTS[role]: int(port)}
    return AsyncQdrantClient(host=host, prefer_grpc=role == "grpc", check_compatibility=False, **ports)
