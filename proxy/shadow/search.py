"""The trial of one search, once both sides have answered.

Owns: the further calls (payloads, the primary again, exact vectors) and leaving out what changed meanwhile.
Not: comparing (judge), ruling (referee).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from proxy.compare.hits import mean_agreement, violations
from proxy.errors import ProxyError
from proxy.model.filter import EVERYTHING
from proxy.model.operation import Consistency, Fetch, Hit, Hits, Search
from proxy.model.point import Key
from proxy.model.schema import Schema
from proxy.shadow.findings import Finding, Ruling, Searched, Skip, Skipped, Unchecked
from proxy.shadow.judge import Busy, Ranked, by_id, ranked
from proxy.shadow.pair import Extras, Pair, WriteWindow
from proxy.shadow.referee import rule

DETAIL_HITS: Final = 100  # of each answer: enough to see what is wrong
DETAIL_TEXT: Final = 1000  # characters of a filter


@dataclass(frozen=True, slots=True)
class SearchTrial:
    """`first` is the primary's answer, `second` the secondary's; `since` the mirror's position before the first."""

    search: Search
    first: Hits
    second: Hits
    pair: Pair
    window: WriteWindow
    since: int
    schema: Schema

    async def finding(self, seconds: float, extras: Extras) -> Finding:
        """`seconds`: what the secondary took. Raises our errors where the secondary fails now."""
        wrong = await self._violations()
        busy = self._busy()
        pairs = ranked(self.search, self.first, self.second, busy)
        if pairs is None:
            return Skipped(self.search.collection, Skip.BUSY)
        agreement = mean_agreement([pair.agreement for pair in pairs])
        worst = min(range(len(pairs)), key=lambda i: pairs[i].agreement.recall)
        noise = await self._noise() if extras.noise else None
        ruling = await self._ruling(worst, pairs[worst]) if extras.referee and agreement.recall < 1 else None
        return Searched(
            self.search.collection,
            seconds,
            agreement,
            violations=sum(key not in busy for key in wrong),
            noise=None if isinstance(noise, Unchecked) else noise,
            ruling=None if isinstance(ruling, Unchecked) else ruling,
            unchecked=tuple(check for check in (noise, ruling) if isinstance(check, Unchecked)),
            detail=self._detail(pairs[worst], worst, ruling),
        )

    def _busy(self) -> Busy:
        """Asked for again after each call: a write may have come while it ran."""
        return Busy(self.window.touched(self.search.collection, self.since), self.schema.partitions)

    async def _violations(self) -> frozenset[Key]:
        """Of the secondary's hits, judged by the payload that the secondary holds."""
        if self.search.filter == EVERYTHING:
            return frozenset()
        keys = tuple({hit.key: None for hits in self.second for hit in hits})
        points = await self.pair.secondary.fetch(Fetch(self.search.collection, keys, fields=None, vector_names=()))
        return frozenset(violations(tuple(points.values()), self.search.filter))

    async def _noise(self) -> float | Unchecked:
        try:
            again = await self.pair.primary.search(self.search, Consistency.CLIENT)
        except ProxyError:
            return Unchecked.PRIMARY_FAILED
        pairs = ranked(self.search, self.first, again, self._busy())
        return Unchecked.BUSY if pairs is None else mean_agreement([pair.agreement for pair in pairs]).recall

    async def _ruling(self, query: int, pair: Ranked) -> Ruling | Unchecked:
        using = self.search.using
        metric = self.schema.vectors[using].metric if using in self.schema.vectors else None
        if metric is None:
            return Unchecked.NO_METRIC
        union = _union(pair, (*self.first[query], *self.second[query]))
        fetch = Fetch(self.search.collection, union, fields=None, vector_names=(using,))
        try:
            points = await self.pair.primary.fetch(fetch)
        except ProxyError:
            return Unchecked.PRIMARY_FAILED
        known = {by_id(key): point for key, point in points.items()}
        busy = self._busy()
        if busy.all or any(key in busy for key in union):
            return Unchecked.BUSY
        return rule(pair, known, metric, using, self.search.vectors[query], self.search.filter)

    def _detail(self, pair: Ranked, query: int, ruling: Ruling | Unchecked | None) -> dict[str, Any]:
        """JSON values: what `vecferry diff` shows of the worst query vector."""
        condition = "" if self.search.filter == EVERYTHING else repr(self.search.filter)[:DETAIL_TEXT]
        decided = None
        if isinstance(ruling, Ruling):
            decided = {"right": ruling.right, "primary": ruling.primary, "secondary": ruling.secondary}
        return {
            "k": self.search.k,
            "offset": self.search.offset,
            "using": self.search.using,
            "filter": condition,
            "query": query,
            "primary": _shown(pair.first),
            "secondary": _shown(pair.second),
            "ruling": decided,
        }


def _union(pair: Ranked, hits: Iterable[Hit]) -> tuple[Key, ...]:
    """The keys of what is compared, one an id. A reply may not tell partitions; the other side's hit of that id does."""
    compared = {hit.key for hit in (*pair.first, *pair.second)}
    keys: dict[Key, Key] = {}
    for key in (hit.key for hit in hits if by_id(hit.key) in compared):
        if by_id(key) not in keys or key.partition is not None:
            keys[by_id(key)] = key
    return tuple(keys.values())


def _shown(hits: Iterable[Hit]) -> list[tuple[str, float]]:
    return [(str(hit.key.id), hit.value) for hit in hits][:DETAIL_HITS]
