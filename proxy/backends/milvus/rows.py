"""Rows of one collection under one filter: by key, page by page, counted. Keeps requests and replies within Milvus's limits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.backends.milvus import parse, reads
from proxy.backends.milvus.calls import Calls
from proxy.backends.milvus.expr import expression, fields_of, ids_in
from proxy.backends.milvus.foreign_large import LARGE, REST
from proxy.backends.milvus.landing import Landing
from proxy.backends.milvus.naming import local_name
from proxy.errors import Reason, Refused
from proxy.milvus.schema import split_name
from proxy.milvus.sdk.grpc_gen import milvus_pb2
from proxy.model.evaluate import matches
from proxy.model.filter import EVERYTHING, AllOf, AnyOf, Filter, Not
from proxy.model.operation import Search
from proxy.model.point import Key, Point, PointId
from proxy.model.schema import IdKind, Schema

PAGE_OF_CANDIDATES: Final = 1_000
"""Rows asked for at once where the expression may match too many."""


@dataclass(frozen=True, slots=True)
class View:
    """A collection as of a moment (`reads.Plan.since`), so that a read of many requests waits for it only once."""

    calls: Calls
    landing: Landing
    since: int | None
    unusual: frozenset[str] = frozenset()
    """Columns of `Landing.usual` in which rows have something else, and which matter to this read."""

    @property
    def schema(self) -> Schema:
        """The client's."""
        return self.landing.schema

    def rows(self, condition: Filter, fields: tuple[str, ...] | None, vector_names: tuple[str, ...] | None) -> Rows:
        """Raises Unsupported."""
        return self._rows(condition, EVERYTHING, fields, vector_names)

    def candidates(self, search: Search, vector_names: tuple[str, ...]) -> Rows:
        """Those that have the vector by which is searched. Raises Unsupported."""
        there = [Not(self.landing.unusual(column)) for column in self.unusual - {REST}]
        return self._rows(search.filter, AllOf(tuple(there)), search.fields, vector_names)

    async def count_unusual(self, column: str) -> int:
        stored = self.landing.stored
        plan = reads.Plan(stored, expression(self.landing.unusual(column), stored).text, (), self.since)
        rows = Rows(self.calls, self.landing, plan, EVERYTHING, exact=True, fields=())
        return await rows.count(partitions_of(self.schema, None))

    def _rows(
        self, condition: Filter, guard: Filter, fields: tuple[str, ...] | None, vector_names: tuple[str, ...] | None
    ) -> Rows:
        """`guard` is in terms of the rows, and decides by itself."""
        landing, untrusted = self.landing, REST in self.unusual
        stored = landing.stored_filter(condition)
        expr = expression(AllOf((guard, AnyOf((stored, LARGE)) if untrusted else stored)), landing.stored)
        expr = replace(expr, exact=expr.exact and not untrusted)
        asked = fields if expr.exact or fields is None else tuple({*fields, *fields_of(condition)})
        needed = landing.stored_fields(asked, vector_names)
        output = reads.output_fields(landing.stored, needed, landing.stored_vectors(vector_names))
        plan = reads.Plan(landing.stored, expr.text, output, self.since)
        return Rows(self.calls, landing, plan, condition, expr.exact, fields)


@dataclass(frozen=True, slots=True)
class Rows:
    """`plan` speaks of the rows as stored, all else of the client's points.

    Where the expression is not `exact`, the plan's output has the fields that decide beside those that were asked for.
    """

    calls: Calls
    landing: Landing
    plan: reads.Plan
    condition: Filter
    exact: bool
    fields: tuple[str, ...] | None

    @property
    def schema(self) -> Schema:
        """As stored."""
        return self.plan.schema

    async def by_ids(self, partition: str | None, ids: Sequence[PointId]) -> list[Point]:
        """Absent ones are left out; the filter does not count.

        Milvus drops rows from the end of a reply where an id has duplicates, so what is behind the last row is asked again.
        """
        kind = int if self.schema.id_kind is IdKind.INT64 else str
        left = sorted(each for each in self.landing.stored_ids(ids) if isinstance(each, kind))
        found: list[Point] = []
        while left:
            page = await self._page(replace(self.plan, expr=ids_in(left, self.schema)), partition, reads.MAX_ROWS)
            if not page:
                break
            found.extend(page)
            left = left[bisect_right(left, page[-1].key.id) :]
        return self.trimmed(map(self.landing.point, found))

    async def take(self, partitions: Iterable[str | None], after: Key | None, count: int) -> list[Point]:
        """The first `count` behind `after`, in the order of partitions, then of ids; fewer only at the end."""
        found: list[Point] = []
        for partition, start in _rest(partitions, self._stored(after)):
            last = start
            while len(found) < count:
                missing = count - len(found)
                size = missing if self.exact else max(missing, PAGE_OF_CANDIDATES)
                page = await self._page(reads.behind(self.plan, last), partition, size)
                if not page:
                    break
                last = page[-1].key.id
                found.extend(point for row in page if self.keeps(point := self.landing.point(row)))
        return self.trimmed(found[:count])

    async def count(self, partitions: Iterable[str | None]) -> int:
        if not self.exact:
            return await self._count_candidates(tuple(partitions))
        return sum([await self._count(partition) for partition in partitions])

    def keeps(self, point: Point) -> bool:
        return self.exact or matches(self.condition, point)

    def trimmed(self, points: Iterable[Point]) -> list[Point]:
        return [parse.trimmed(point, self.fields) for point in points]

    async def read(self, method: str, request: Any, partition: str | None) -> Any | None:
        """None where the partition is gone, whatever Milvus calls that. Other refusals are raised."""
        try:
            return await self.calls.read(method, request, split_name(self.schema.collection)[0])
        except Refused as refusal:
            if refusal.reason is Reason.TOO_LARGE or not await gone(self.calls, self.schema, partition):
                raise
            return None

    def _stored(self, after: Key | None) -> Key | None:
        """Raises Refused for what is no id of the collection: nobody can have been given it."""
        if after is None:
            return None
        stored = self.landing.stored_keys([after])
        if not stored:
            raise Refused(f"{after.id!r} is no id of collection {after.collection}")
        return stored[0]

    async def _count_candidates(self, partitions: tuple[str | None, ...]) -> int:
        total, after = 0, None
        while page := await self.take(partitions, after, PAGE_OF_CANDIDATES):
            total, after = total + len(page), page[-1].key
        return total

    async def _count(self, partition: str | None) -> int:
        plan = replace(self.plan, output=("count(*)",))
        reply = await self.read("Query", reads.query(plan, partition), partition)
        return 0 if reply is None else parse.number(reply)

    async def _page(self, plan: reads.Plan, partition: str | None, limit: int) -> list[Point]:
        """The first rows, as stored, in the order of ids; none only where there are none. A short page is not the end."""
        size = min(limit, reads.rows_in_reply(plan))
        while True:
            try:
                reply = await self.read("Query", reads.query(plan, partition, size), partition)
                return [] if reply is None else parse.rows(self.schema, reply, partition)
            except Refused as refusal:
                if refusal.reason is not Reason.TOO_LARGE or size == 1:
                    raise
                size //= 2


async def gone(calls: Calls, schema: Schema, partition: str | None) -> bool:
    if partition is None:
        return False
    request = milvus_pb2.ShowPartitionsRequest(collection_name=local_name(schema))
    reply = await calls.read("ShowPartitions", request, split_name(schema.collection)[0])
    return partition not in reply.partition_names


def partitions_of(schema: Schema, asked: Iterable[str | None] | None) -> tuple[str | None, ...]:
    """Those to ask one by one, in the order of a scan. With a partition key, ids are unique over all of them."""
    there = (None,) if schema.partition_key else (None, *schema.partitions)
    wanted = there if asked is None else set(asked) & {None} if schema.partition_key else set(asked)
    return tuple(sorted(wanted, key=lambda name: name or ""))


def _rest(partitions: Iterable[str | None], after: Key | None) -> Iterator[tuple[str | None, PointId | None]]:
    """Partitions not behind us, each with the id to start behind."""
    for partition in partitions:
        if after is None or (partition or "") > (after.partition or ""):
            yield partition, None
        elif partition == after.partition:
            yield partition, after.id
