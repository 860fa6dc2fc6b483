"""Search: partition by partition, with more candidates where the expression or the range leaves too few. Not: requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.backends.milvus import parse, reads
from proxy.backends.milvus.rows import Rows
from proxy.errors import Reason, Refused
from proxy.model.distance import nearest_first, within
from proxy.model.operation import Hit, Hits, Search
from proxy.model.schema import Metric, Schema

_MORE: Final = 4
"""How many times more candidates are asked for when some fell out."""
_EXACT_INDEXES: Final = frozenset({"FLAT", "BIN_FLAT"})


def is_exact(schema: Schema, search: Search) -> bool:
    """Whether the index gives what is asked for."""
    return not search.exact or schema.vectors[search.using].index.get("index_type") in _EXACT_INDEXES


async def nearest(rows: Rows, search: Search, metric: Metric, partitions: Sequence[str | None]) -> Hits:
    """Raises Refused where more candidates are needed than Milvus gives."""
    found = [await _in_partition(rows, search, metric, partition) for partition in partitions]
    joined = [[hit for hits in found for hit in hits[query]] for query in range(len(search.vectors))]
    ranked = (sorted(hits, key=lambda hit: nearest_first(metric, hit.value)) for hits in joined)
    return tuple(tuple(hits[search.offset : search.offset + search.k]) for hits in ranked)


async def _in_partition(rows: Rows, search: Search, metric: Metric, partition: str | None) -> list[list[Hit]]:
    asked, stored = within(metric, search.threshold, search.far), rows.landing.stored_search(search)
    needed = topk = search.offset + search.k
    while True:
        request = reads.search(rows.plan, stored, metric, partition, topk)
        reply = await rows.read("Search", request, partition)
        if reply is None:
            return [[] for _ in search.vectors]
        raw = [[rows.landing.hit(hit) for hit in hits] for hits in parse.hits(rows.schema, metric, reply, partition)]
        kept = [[hit for hit in hits if asked(hit.value) and rows.keeps(hit.point)] for hits in raw]
        if rows.exact or all(len(k) >= needed or len(r) < topk for k, r in zip(kept, raw, strict=True)):
            return [[Hit(hit.key, hit.value, parse.trimmed(hit.point, rows.fields)) for hit in hits] for hits in kept]
        if topk == reads.MAX_ROWS:
            raise Refused(f"Milvus gives {topk} candidates at most, and too few of them satisfy the filter", Reason.TOO_LARGE)
        topk = min(topk * _MORE, reads.MAX_ROWS)
