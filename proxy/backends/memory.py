"""The reference: a backend in memory whose behaviour is the meaning of the model.

Owns: what each operation means, by the plainest code. Not: speed, durability, any product's quirk.
Partitions are part of a key's identity and need not be created. The metric of a vector is what the catalog says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Final
from uuid import UUID

import numpy as np

from proxy.errors import AlreadyExists, NotFound, Refused
from proxy.model.distance import check_dimension, is_hit, metric_of, nearest_first, values, within
from proxy.model.edit import DropVectors, edited
from proxy.model.evaluate import matches
from proxy.model.evolve import Evolution, evolved, same_collection
from proxy.model.feature import Feature, Support
from proxy.model.filter import Filter
from proxy.model.operation import (
    ChangeAliases,
    Consistency,
    Count,
    CreateCollection,
    DropAlias,
    DropCollection,
    DropPartition,
    DropVector,
    Fetch,
    Hit,
    Hits,
    Page,
    RenameCollection,
    Scan,
    SchemaWrite,
    Search,
    SetAlias,
    SetLoaded,
)
from proxy.model.point import Key, Point, PointId, Sparse, Vector
from proxy.model.schema import Metric, Product, Schema
from proxy.ports import Catalog, Fit, ServerInfo

ABSENT: Final = frozenset(
    {
        # the model has no words for these
        Feature.FILTER_ARITHMETIC,
        Feature.FILTER_FIELD_COMPARE,
        Feature.SEARCH_FULL_TEXT,
        # ids are made by servers that clients speak to; a backend is given the key of every point
        Feature.AUTO_IDS,
    }
)
EMULATED: Final = frozenset({Feature.SEARCH_GROUP, Feature.SEARCH_HYBRID})
"""Made of plain searches, in `proxy.reads`."""

Space = dict[Key, Point]


class MemoryBackend:
    """Implements `ports.Backend`. Points and schemas given and taken are copies: nobody else's change is seen."""

    features: Mapping[Feature, Support] = {
        feature: Support.ABSENT if feature in ABSENT else Support.EMULATED if feature in EMULATED else Support.NATIVE
        for feature in Feature
    }

    def __init__(self, catalog: Catalog, product: Product = Product.QDRANT) -> None:
        self.product = product
        self._catalog = catalog
        self._schemas: dict[str, Schema] = {}
        self._points: dict[str, Space] = {}
        self._aliases: dict[str, str] = {}

    async def ping(self) -> ServerInfo:
        return ServerInfo(self.product, "memory")

    async def close(self) -> None:
        pass

    # ---- data ----

    async def put(self, points: Sequence[Point]) -> None:
        for point in points:
            _check(self._schema(point.key.collection), point)
        for point in points:
            self._points[point.key.collection][point.key] = _copy(point)

    async def remove(self, keys: Sequence[Key]) -> None:
        for key in keys:
            self._space(key.collection).pop(key, None)

    async def fetch(self, fetch: Fetch, consistency: Consistency = Consistency.LATEST) -> dict[Key, Point]:
        space = self._space(fetch.collection)
        return {key: _select(space[key], fetch.fields, fetch.vector_names) for key in fetch.keys if key in space}

    async def scan(self, scan: Scan, consistency: Consistency = Consistency.LATEST) -> Page:
        found = self._where(scan.collection, scan.filter, scan.partitions)
        behind = [point for point in found if scan.after is None or _order(point.key) > _order(scan.after)]
        last = scan.offset + scan.limit
        page = behind[scan.offset : last]
        return Page(tuple(_select(p, scan.fields, scan.vector_names) for p in page), end=len(behind) <= last)

    async def search(self, search: Search, consistency: Consistency = Consistency.CLIENT) -> Hits:
        self._space(search.collection)
        metric = metric_of(self._catalog.schema(search.collection), search)
        found = self._where(search.collection, search.filter, search.partitions)
        rows = [point for point in found if search.using in point.vectors]
        return tuple(_nearest(metric, search, vector, rows) for vector in search.vectors)

    async def duplicates(self, collection: str) -> int:
        return 0

    async def count(self, count: Count, consistency: Consistency = Consistency.LATEST) -> int:
        return len(self._where(count.collection, count.filter, count.partitions))

    def _where(self, collection: str, condition: Filter, partitions: Iterable[str | None] | None) -> list[Point]:
        wanted = None if partitions is None else frozenset(partitions)
        points = self._space(collection).values()
        found = (p for p in points if (wanted is None or p.key.partition in wanted) and matches(condition, p))
        return sorted(found, key=lambda point: _order(point.key))

    def _space(self, collection: str) -> Space:
        self._schema(collection)
        return self._points[collection]

    def _schema(self, collection: str) -> Schema:
        if collection not in self._schemas:
            raise NotFound(f"collection {collection} does not exist")
        return self._schemas[collection]

    # ---- schema ----

    async def collections(self) -> tuple[str, ...]:
        return tuple(sorted(self._schemas))

    async def describe(self, collection: str) -> Schema:
        return deepcopy(self._schema(collection))

    async def aliases(self) -> Mapping[str, str]:
        return dict(self._aliases)

    def fit(self, schema: Schema) -> Fit:
        return Fit(schema.collection, target={}, refusals=schema.refusals)

    async def apply(self, change: SchemaWrite) -> None:
        match change:
            case CreateCollection(schema):
                self._create(schema)
            case DropCollection(collection):
                self._drop(collection)
            case RenameCollection():
                self._rename(change)
            case SetAlias() | DropAlias() | ChangeAliases():
                self._alias(change)
            case SetLoaded(collection):
                self._schema(collection)
            case _:
                self._evolve(change)

    async def quiesce(self, collection: str) -> None:
        self._schema(collection)

    def _create(self, schema: Schema) -> None:
        there = self._schemas.get(schema.collection)
        if there is not None and not same_collection(there, schema):
            raise AlreadyExists(f"collection {schema.collection} exists with another schema")
        if there is None:
            self._schemas[schema.collection] = deepcopy(schema)
            self._points[schema.collection] = {}

    def _drop(self, collection: str) -> None:
        self._schemas.pop(collection, None)
        self._points.pop(collection, None)
        self._aliases = {alias: name for alias, name in self._aliases.items() if name != collection}

    def _rename(self, change: RenameCollection) -> None:
        if change.collection not in self._schemas and change.to in self._schemas:
            return  # renamed before
        schema = self._schema(change.collection)
        if change.to in self._schemas:
            raise AlreadyExists(f"collection {change.to} exists")
        moved = (
            replace(point, key=key._replace(collection=change.to)) for key, point in self._space(change.collection).items()
        )
        self._schemas[change.to] = evolved(schema, change)
        self._points[change.to] = {point.key: point for point in moved}
        self._aliases = {a: change.to if name == change.collection else name for a, name in self._aliases.items()}
        self._drop(change.collection)

    def _evolve(self, change: Evolution) -> None:
        self._schemas[change.collection] = evolved(self._schema(change.collection), change)
        if isinstance(change, DropPartition):
            space = self._points[change.collection]
            self._points[change.collection] = {k: p for k, p in space.items() if k.partition != change.partition}
        if isinstance(change, DropVector):
            space, gone = self._points[change.collection], DropVectors((change.name,))
            self._points[change.collection] = {key: edited(point, gone) for key, point in space.items()}

    def _alias(self, change: SetAlias | DropAlias | ChangeAliases) -> None:
        match change:
            case ChangeAliases(changes):
                for each in changes:
                    self._alias(each)
            case SetAlias(alias, collection):
                self._schema(collection)
                self._aliases[alias] = collection
            case DropAlias(alias):
                self._aliases.pop(alias, None)


def _nearest(metric: Metric, search: Search, query: Vector, rows: Sequence[Point]) -> tuple[Hit, ...]:
    rows = [point for point in rows if is_hit(query, point.vectors[search.using])]
    found = values(metric, query, [point.vectors[search.using] for point in rows])
    ranked = np.argsort(nearest_first(metric, found), kind="stable")  # rows come in the order of ids: ties too
    asked = within(metric, search.threshold, search.far)
    hits = [
        Hit(rows[i].key, float(found[i]), _select(rows[i], search.fields, search.vector_names))
        for i in ranked
        if asked(float(found[i]))
    ]
    return tuple(hits[search.offset : search.offset + search.k])


def _check(schema: Schema, point: Point) -> None:
    for name, vector in point.vectors.items():
        if name not in schema.vectors:
            raise Refused(f"collection {schema.collection} has no vector {name!r}")
        check_dimension(schema.collection, schema.vectors[name], vector)


def _order(key: Key) -> tuple[int, PointId, str]:
    kinds = (int, UUID, str)
    return kinds.index(type(key.id)), key.id, key.partition or ""


def _select(point: Point, fields: tuple[str, ...] | None, vector_names: tuple[str, ...] | None) -> Point:
    vectors = {n: v for n, v in point.vectors.items() if vector_names is None or n in vector_names}
    payload = {n: v for n, v in point.payload.items() if fields is None or n in fields}
    return Point(point.key, vectors, deepcopy(payload))


def _copy(point: Point) -> Point:
    """Arrays are made read-only, so that reads can share them."""
    return Point(point.key, {name: _frozen(vector) for name, vector in point.vectors.items()}, deepcopy(dict(point.payload)))


def _frozen(vector: Vector) -> Vector:
    if isinstance(vector, Sparse):
        return Sparse(vector.indices.copy(), vector.values.copy())
    copied = vector.copy()
    copied.flags.writeable = False
    return copied
