"""Milvus as a side: `ports.Backend` over gRPC.

Owns: the calls of the port. Not: what a request says (writes.py, reads.py, expr.py), paging (rows.py), searching (nearest.py,
exact.py), what a reply means (parse.py), collections (structure.py).

Milvus is read only where the collection is loaded. Loading is the client's decision, so a read of one that is not is refused.
A reply never tells the partition of a row, so partitions are asked one by one. Of rows with the same id, which Milvus's Insert
can make, a read gives the one that Milvus shows, and that may be another one the next time; `duplicates` counts the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from proxy.backends.milvus.calls import Calls
from proxy.backends.milvus.exact import exactly_nearest
from proxy.backends.milvus.features import FEATURES, features_of
from proxy.backends.milvus.fit import fit, unsupported
from proxy.backends.milvus.foreign_names import identifier, parse_identifier
from proxy.backends.milvus.generation import UNKNOWN, generation_of, numbers
from proxy.backends.milvus.landing import Landing, landing_of, stored_index
from proxy.backends.milvus.naming import by_partition, slices
from proxy.backends.milvus.nearest import is_exact, nearest
from proxy.backends.milvus.rare import Rare
from proxy.backends.milvus.rows import View, gone, partitions_of
from proxy.backends.milvus.structure import Structure, renamed
from proxy.backends.milvus.writes import IDS_AT_ONCE, deletes, upserts
from proxy.config import SideConfig
from proxy.errors import NotFound, Reason, Refused, Unsupported
from proxy.milvus.schema import split_name
from proxy.milvus.sdk.grpc_gen import milvus_pb2
from proxy.model.distance import metric_of
from proxy.model.feature import Feature, Support
from proxy.model.filter import EVERYTHING
from proxy.model.operation import (
    Consistency,
    Count,
    CreateCollection,
    CreateIndex,
    DropCollection,
    DropIndex,
    Fetch,
    Hits,
    Page,
    RenameCollection,
    Scan,
    SchemaWrite,
    Search,
    SetLoaded,
)
from proxy.model.point import Key, Point
from proxy.model.schema import Metric, Product, Schema
from proxy.ports import Catalog, Fit, ServerInfo

OLDEST: Final = (2, 3)
T = TypeVar("T")


class MilvusBackend:
    product = Product.MILVUS
    features: Mapping[Feature, Support] = FEATURES

    def __init__(self, side: SideConfig, catalog: Catalog, clients: Product = Product.MILVUS) -> None:
        """`clients`: the product that the clients speak. Another one's collections may have names that Milvus does not take."""
        self._url = side.url
        self._catalog = catalog
        self._calls = Calls(side)
        self._structure = Structure(self._calls)
        self._rename = clients is not Product.MILVUS
        self._generation = UNKNOWN
        self._written: dict[str, int] = {}
        """Collections that are not Milvus's own -> Milvus's time of our last write."""
        self._rare = Rare()

    async def ping(self) -> ServerInfo:
        await self._calls.read("Connect", milvus_pb2.ConnectRequest())
        version = (await self._calls.read("GetVersion", milvus_pb2.GetVersionRequest())).version
        if (found := numbers(version)) and found < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise Refused(f"Milvus at {self._url} is version {version}: {oldest} or later is needed", Reason.UNSUPPORTED)
        self._generation = generation_of(version)
        self.features = features_of(self._generation)
        return ServerInfo(self.product, version)

    async def close(self) -> None:
        await self._calls.close()

    # ---- data ----

    async def put(self, points: Sequence[Point]) -> None:
        if not points:
            return
        landing = self._landing(points[0].key.collection)
        await self._check_ids(landing.schema)
        rows = landing.stored_points(points)
        self._rare.writes(landing, rows)
        for request in upserts(landing.stored, rows):
            reply = await self._calls.write("Upsert", request, split_name(landing.stored.collection)[0])
            self._wrote(landing, int(reply.timestamp))

    async def remove(self, keys: Sequence[Key]) -> None:
        if not keys:
            return
        landing = self._landing(keys[0].collection)
        schema = landing.stored
        for partition, request in deletes(schema, landing.stored_keys(keys)):
            try:
                await self._calls.write("Delete", request, split_name(schema.collection)[0])
            except NotFound:
                if not await gone(self._calls, schema, partition):
                    raise
        if landing.foreign:
            self._wrote(landing, await self._now())  # Milvus tells no time of a delete

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        view = await self._view(fetch.collection, consistency)
        rows = view.rows(EVERYTHING, fetch.fields, fetch.vector_names)
        found: dict[Key, Point] = {}
        for partition, keys in by_partition(fetch.keys):
            for some in slices([key.id for key in keys], IDS_AT_ONCE):
                found |= {point.key: point for point in await rows.by_ids(partition, some)}
        return found

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        view = await self._view(scan.collection, consistency)
        return await self._trusting(view, view.landing.trusted(scan.filter), lambda seen: _page(seen, scan))

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits:
        view = await self._view(search.collection, consistency)
        metric = metric_of(view.schema, search)
        columns = view.landing.trusted(search.filter, search.using)
        return await self._trusting(view, columns, lambda seen: _nearest(seen, search, metric))

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int:
        view = await self._view(count.collection, consistency)
        return await self._trusting(view, view.landing.trusted(count.filter), lambda seen: _count(seen, count))

    async def duplicates(self, collection: str) -> int:
        """Rows that no read shows, because another has their id. Reads every id."""
        scan = Scan(collection, limit=IDS_AT_ONCE, fields=(), vector_names=())
        page = await self.scan(scan)
        distinct = len(page.points)
        while not page.end:
            page = await self.scan(replace(scan, after=page.points[-1].key))
            distinct += len(page.points)
        return await self.count(Count(collection)) - distinct

    async def _view(self, collection: str, consistency: Consistency) -> View:
        """Clients of other products see at once what they wrote, so their reads wait for it."""
        since = await self._now() if consistency is Consistency.LATEST else self._written.get(collection)
        return View(self._calls, self._landing(collection), since)

    async def _trusting(self, view: View, columns: Sequence[str], read: Callable[[View], Awaitable[T]]) -> T:
        if unknown := self._rare.unknown(view.schema.collection, columns):
            await self._rare.ask(replace(view, since=await self._now()), unknown)
        return await self._rare.read(view, columns, read)

    def _wrote(self, landing: Landing, moment: int) -> None:
        collection = landing.schema.collection
        if landing.foreign and moment > self._written.get(collection, 0):
            self._written[collection] = moment

    def _landing(self, collection: str) -> Landing:
        return landing_of(self._catalog.schema(collection), rename=self._rename)

    async def _now(self) -> int:
        """Milvus's time; 0 where it does not tell it, and then every request of a read waits for its own moment."""
        try:
            return int((await self._calls.read("AllocTimestamp", milvus_pb2.AllocTimestampRequest())).timestamp)
        except Refused as refusal:
            if refusal.reason is not Reason.UNSUPPORTED:
                raise
            return 0

    async def _check_ids(self, schema: Schema) -> None:
        """Milvus 2.3 refuses ids of ours where it makes them; later versions take the write and make others."""
        if schema.auto_id and (await self._structure.describe(schema.collection)).auto_id:
            raise Unsupported(
                Feature.AUTO_IDS, self.product, f"{schema.collection} makes its own ids and cannot take given ones"
            )

    # ---- schema ----

    async def collections(self) -> tuple[str, ...]:
        return tuple(sorted(map(self._client_name, await self._structure.collections())))

    async def describe(self, collection: str) -> Schema:
        return replace(await self._structure.describe(self._name(collection)), collection=collection)

    async def aliases(self) -> Mapping[str, str]:
        found = await self._structure.aliases()
        return {self._client_name(alias): self._client_name(collection) for alias, collection in found.items()}

    def fit(self, schema: Schema) -> Fit:
        return fit(landing_of(schema, rename=self._rename), self._generation)

    async def apply(self, change: SchemaWrite) -> None:
        """Raises Unsupported by feature where the schema has what Milvus does not."""
        if isinstance(change, CreateCollection):
            await self._create(change.schema)
            return
        if isinstance(change, CreateIndex | DropIndex):
            await self._index(change)
            return
        await self._structure.apply(renamed(change, self._name))
        if isinstance(change, DropCollection | RenameCollection):
            self._written.pop(change.collection, None)
            self._rare.forget(change.collection)

    async def quiesce(self, collection: str) -> None:
        await self._structure.quiesce(self._name(collection))

    async def _create(self, schema: Schema) -> None:
        if not self._generation.version:
            await self.ping()
        landing = landing_of(schema, rename=self._rename)
        for refusal in unsupported(landing, self._generation):
            raise refusal
        await self._structure.apply(CreateCollection(landing.stored))

    async def _index(self, change: CreateIndex | DropIndex) -> None:
        landing = self._landing(change.collection)
        stored = stored_index(change, landing)
        if stored is None:
            return
        await self._structure.apply(stored)
        if isinstance(stored, CreateIndex) and landing.foreign:
            await self._structure.apply(SetLoaded(stored.collection, loaded=True))

    def _name(self, collection: str) -> str:
        return identifier(collection) if self._rename else collection

    def _client_name(self, name: str) -> str:
        return parse_identifier(name) if self._rename else name


async def _page(view: View, scan: Scan) -> Page:
    partitions, after = partitions_of(view.schema, scan.partitions), scan.after
    if scan.offset:
        skipped = await view.rows(scan.filter, (), ()).take(partitions, after, scan.offset)
        if len(skipped) < scan.offset:
            return Page((), end=True)
        after = skipped[-1].key
    rows = view.rows(scan.filter, scan.fields, scan.vector_names)
    found = await rows.take(partitions, after, scan.limit + 1)
    return Page(tuple(found[: scan.limit]), end=len(found) <= scan.limit)


async def _nearest(view: View, search: Search, metric: Metric) -> Hits:
    partitions = partitions_of(view.schema, search.partitions)
    if is_exact(view.schema, search):
        return await nearest(view.candidates(search, search.vector_names), search, metric, partitions)
    vectors = tuple({*search.vector_names, search.using})
    return await exactly_nearest(view.candidates(search, vectors), search, metric, partitions)


async def _count(view: View, count: Count) -> int:
    return await view.rows(count.filter, (), ()).count(partitions_of(view.schema, count.partitions))
