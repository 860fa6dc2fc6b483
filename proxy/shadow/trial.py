"""Repeats one sampled read on the secondary and says what came of it.

Owns: the calls of one trial and their order. Not: which samples (shadow), comparing (judge), counting (figures).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeAlias

from proxy.errors import Broken, ProxyError, Refused, Unsupported
from proxy.model.operation import BackendRead, Count, Fetch, Hits, Like, PageFrom, Read, Result, Scan, Search, Write
from proxy.ports import Catalog, Clock, Frontend
from proxy.reads import answer, searched
from proxy.shadow.findings import Compared, Failed, Finding, Skip, Skipped, Unanswerable
from proxy.shadow.judge import Busy, Rules, differences
from proxy.shadow.pair import Extras, Pair, WriteWindow
from proxy.shadow.sample import Sample
from proxy.shadow.search import SearchTrial

DETAIL_DIFFERENCES: Final = 100  # enough to see what is wrong

Comparable: TypeAlias = BackendRead | PageFrom | Like


class Trials:
    def __init__(self, frontend: Frontend, catalog: Catalog, window: WriteWindow, clock: Clock, tolerance: float) -> None:
        """`tolerance`: of vector components, see VerifyConfig."""
        self._frontend = frontend
        self._catalog = catalog
        self.window = window
        self._clock = clock
        self._tolerance = tolerance

    async def run(self, sample: Sample, pair: Pair, extras: Extras) -> Finding:
        """Never raises ProxyError: every end is a finding."""
        collection = self._collection(sample)
        try:
            operation = self._frontend.decode(sample.request, self._catalog)
        except Refused as refusal:
            return self._unread(collection, sample, refusal, pair)
        try:
            read, reply = self._read(sample, operation)
        except Unsupported as gap:
            return self._unread(collection, sample, gap, pair)
        except Refused:
            return Skipped(collection, Skip.UNREADABLE)
        try:
            return await self._repeat(sample, read, reply, pair, extras)
        except Unsupported as gap:
            return self._unread(read.collection, sample, gap, pair)
        except ProxyError as error:
            return Failed(read.collection, str(error))

    def _unread(self, collection: str, sample: Sample, refusal: Refused, pair: Pair) -> Finding:
        if pair.same_product or not refusal.unsupported:
            return Skipped(collection, Skip.UNREADABLE)
        return Unanswerable(collection, sample.route.name, refusal.unsupported)

    def _collection(self, sample: Sample) -> str:
        """ "" for one that the catalog does not know: clients may ask for any name, figures are kept for known ones."""
        name = self._frontend.collection(sample.request, self._catalog)
        return name if name in self._catalog.collections() else ""

    def _read(self, sample: Sample, operation: Write | Read) -> tuple[Comparable, Result]:
        if not isinstance(operation, Search | Fetch | Scan | Count | PageFrom | Like):
            raise Refused(f"{sample.route.name} is no read that can be compared")
        reply = self._frontend.parse_read(sample.request, operation, sample.reply, self._catalog)
        if isinstance(operation, PageFrom | Like):
            return operation, reply
        return replace(operation, collection=self._catalog.resolve(operation.collection)), reply

    async def _repeat(self, sample: Sample, read: Comparable, reply: Result, pair: Pair, extras: Extras) -> Finding:
        begun = self._clock.monotonic()
        schema = self._catalog.schema(read.collection)
        if isinstance(read, Like):
            read = await searched(pair.secondary, read, schema)
        second = await answer(pair.secondary, read, self._catalog)
        seconds = self._clock.monotonic() - begun
        if isinstance(read, Search):
            asked = SearchTrial(read, _hits(reply), _hits(second), pair, self.window, sample.since, schema)
            return await asked.finding(seconds, extras)
        rules = Rules(schema, self._tolerance, pair.kept)
        busy = Busy(self.window.touched(read.collection, sample.since), schema.partitions)
        found = differences(_scan_of(read) if isinstance(read, PageFrom) else read, reply, second, busy, rules)
        if found is None:
            return Skipped(read.collection, Skip.BUSY)
        return Compared(read.collection, seconds, not found, {"differences": found[:DETAIL_DIFFERENCES]})


def _scan_of(read: PageFrom) -> Scan:
    """For what it says of the page: that it begins somewhere in between."""
    return replace(read.scan, after=read.start)


def _hits(result: Result) -> Hits:
    if not isinstance(result, tuple):
        raise Broken(f"a search was answered by {type(result).__name__}")
    return result
