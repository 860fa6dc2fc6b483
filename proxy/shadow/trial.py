"""Repeats one sampled read on the secondary and says what came of it.

Owns: the calls of one trial and their order. Not: which samples (shadow), comparing (judge), counting (figures).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from proxy.errors import Broken, ProxyError, Refused, Unsupported
from proxy.model.operation import Consistency, Count, Fetch, Hits, Read, Result, Scan, Search
from proxy.ports import Backend, Catalog, Clock, Frontend
from proxy.shadow.findings import Compared, Failed, Finding, Skip, Skipped, Unanswerable
from proxy.shadow.judge import Busy, Rules, differences
from proxy.shadow.pair import Extras, Pair, WriteWindow
from proxy.shadow.sample import Sample
from proxy.shadow.search import SearchTrial

DETAIL_DIFFERENCES: Final = 100  # enough to see what is wrong


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
            read, reply = self._read(sample)
        except Unsupported as gap:
            return self._gap(collection, sample, gap, pair)
        except Refused:
            return Skipped(collection, Skip.UNREADABLE)
        try:
            return await self._repeat(sample, read, reply, pair, extras)
        except Unsupported as gap:
            return self._gap(read.collection, sample, gap, pair)
        except ProxyError as error:
            return Failed(read.collection, str(error))

    def _gap(self, collection: str, sample: Sample, gap: Unsupported, pair: Pair) -> Finding:
        if pair.same_product:
            return Skipped(collection, Skip.UNREADABLE)
        return Unanswerable(collection, sample.route.name, gap.feature)

    def _collection(self, sample: Sample) -> str:
        """ "" for one that the catalog does not know: clients may ask for any name, figures are kept for known ones."""
        name = self._frontend.collection(sample.request, self._catalog)
        return name if name in self._catalog.collections() else ""

    def _read(self, sample: Sample) -> tuple[Read, Result]:
        operation = self._frontend.decode(sample.request, self._catalog)
        if not isinstance(operation, Search | Fetch | Scan | Count):
            raise Refused(f"{sample.route.name} is no read")
        reply = self._frontend.parse_read(sample.request, operation, sample.reply, self._catalog)
        return replace(operation, collection=self._catalog.resolve(operation.collection)), reply

    async def _repeat(self, sample: Sample, read: Read, reply: Result, pair: Pair, extras: Extras) -> Finding:
        begun = self._clock.monotonic()
        answer = await _ask(pair.secondary, read)
        seconds = self._clock.monotonic() - begun
        schema = self._catalog.schema(read.collection)
        if isinstance(read, Search):
            asked = SearchTrial(read, _hits(reply), _hits(answer), pair, self.window, sample.since, schema)
            return await asked.finding(seconds, extras)
        rules = Rules(schema, self._tolerance, pair.exact_length)
        busy = Busy(self.window.touched(read.collection, sample.since), schema.partitions)
        found = differences(read, reply, answer, busy, rules)
        if found is None:
            return Skipped(read.collection, Skip.BUSY)
        return Compared(read.collection, seconds, not found, {"differences": found[:DETAIL_DIFFERENCES]})


async def _ask(backend: Backend, read: Read) -> Result:
    match read:
        case Search():
            return await backend.search(read, Consistency.CLIENT)
        case Fetch():
            return await backend.fetch(read)
        case Scan():
            return await backend.scan(read)
        case Count():
            return await backend.count(read)
        case _:
            assert_never(read)


def _hits(result: Result) -> Hits:
    if not isinstance(result, tuple):
        raise Broken(f"a search was answered by {type(result).__name__}")
    return result
