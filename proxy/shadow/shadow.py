"""Repeats sampled reads on the secondary, off the client's path, and keeps the figures.

Owns: the queue, its bounds, the workers, writing to the store. Not: choosing samples (the router, by Sampler), one trial
(trial), what the figures must be (proxy/routing/gate.py). Nothing here may delay, change or fail a client's reply.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, assert_never

from proxy.config import GatesConfig, ShadowConfig
from proxy.errors import Unavailable
from proxy.ports import Backend, Clock
from proxy.shadow.figures import Figures, figures
from proxy.shadow.findings import Compared, Failed, Finding, Searched, Skipped, Unanswerable
from proxy.shadow.lookback import Lookback
from proxy.shadow.pair import Extras, Pair
from proxy.shadow.sample import Sample, Sampler
from proxy.shadow.tally import RECENT_LIMIT, Record, Tally
from proxy.shadow.trial import Trials
from proxy.store.samples import SampleRow, Samples

QUEUE_BYTES: Final = 32 * 2**20  # of bodies waiting: a thousand replies of the largest size would fill the memory
FLUSH_SECONDS: Final = 1.0  # a kill loses the findings of that long
UNWRITTEN_LIMIT: Final = 10_000  # rows kept while the store cannot be written; the oldest go first
_NOISE, _REFEREE = Sampler(1), Sampler(2)


@dataclass(frozen=True, slots=True)
class ShadowStatus:
    """`dropped`: samples that newer ones pushed out of the queue. `unwritten`: rows that wait for the store."""

    waiting: int
    tried: int
    dropped: int
    unwritten: int
    last_error: str


class Shadow:
    """`offer` is called on the client's path; `run` does the work and is cancelled to stop."""

    def __init__(self, trials: Trials, samples: Samples, pair: Pair, config: ShadowConfig, clock: Clock) -> None:
        """Takes up the figures that the store has of the pair's epoch."""
        self._trials = trials
        self._samples = samples
        self._pair = pair
        self._config = config
        self._clock = clock
        self._queue: deque[Sample] = deque()
        self._queued_bytes = 0
        self._waiting = asyncio.Event()
        self._lookback = Lookback(trials.window, clock)
        self._dropped = 0
        self._tried = 0
        self._records = {name: self._restored(name, text) for name, text in samples.figures(pair.epoch).items()}
        self._changed: set[str] = set()
        self._rows: deque[SampleRow] = deque(maxlen=UNWRITTEN_LIMIT)
        self._last_error = ""

    def __repr__(self) -> str:
        return f"<Shadow epoch={self._pair.epoch} waiting={len(self._queue)} tried={self._tried} dropped={self._dropped}>"

    # ---- on the client's path ----

    def offer(self, sample: Sample) -> None:
        """Never waits, never raises; the newest win."""
        self._queue.append(replace(sample, since=self._lookback.before(sample.since)))
        self._queued_bytes += sample.size
        while len(self._queue) > self._config.queue or (self._queued_bytes > QUEUE_BYTES and len(self._queue) > 1):
            self._queued_bytes -= self._queue.popleft().size
            self._dropped += 1
        self._waiting.set()

    def note_unanswerable(self, route: str, why: str, collection: str = "") -> None:
        """A call was seen that the secondary could not answer, sampled or not."""
        self._record(collection).tally.add_unanswerable(route, why)

    # ---- beside it ----

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self._config.concurrency):
                    tasks.create_task(self._work(), name=f"shadow.{number}")
                tasks.create_task(self._write(), name="shadow.write")
                tasks.create_task(self._lookback.run(), name="shadow.lookback")
        finally:
            await self.flush()

    async def turn(self, primary: Backend, secondary: Backend, epoch: int) -> None:
        """The primary changed: what was learned of the other direction stays in the store, and the figures begin anew."""
        await self.flush()
        self._pair = Pair(primary, secondary, epoch)
        self._queue.clear()
        self._queued_bytes = 0
        self._records.clear()
        self._changed.clear()
        self._rows.clear()

    def figures(self, config: GatesConfig) -> dict[str, Figures]:
        """Collection -> figures; "" holds what named no known collection."""
        return {name: figures(record, config) for name, record in self._records.items()}

    def status(self) -> ShadowStatus:
        return ShadowStatus(len(self._queue), self._tried, self._dropped, len(self._rows), self._last_error)

    async def flush(self) -> None:
        """Writes what is not written yet. A store that refuses keeps it waiting, bounded, and shows in the status."""
        pair, rows, changed = self._pair, list(self._rows), frozenset(self._changed)
        self._rows.clear()
        self._changed.clear()
        if not rows and not changed:
            return
        documents = {name: self._records[name].tally.document for name in changed}
        try:
            await self._samples.add(pair.epoch, rows, documents)
        except Unavailable as error:
            self._last_error = str(error)
            if pair is self._pair:
                self._rows = deque([*rows, *self._rows], maxlen=UNWRITTEN_LIMIT)
                self._changed |= changed

    async def _write(self) -> None:
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            await self.flush()

    async def _work(self) -> None:
        while True:
            await self._waiting.wait()
            if self._queue:
                await self._try(self._next())
            else:
                self._waiting.clear()

    def _next(self) -> Sample:
        """The newest: the fewest writes have touched its points since."""
        sample = self._queue.pop()
        self._queued_bytes -= sample.size
        return sample

    async def _try(self, sample: Sample) -> None:
        pair, number = self._pair, self._tried
        self._tried += 1
        extras = Extras(
            noise=_NOISE.take(number, self._config.noise),
            referee=_REFEREE.take(number, self._config.referee),
        )
        finding = await self._trials.run(sample, pair, extras)
        if pair is self._pair:
            self._note(sample, finding)

    def _note(self, sample: Sample, finding: Finding) -> None:
        record = self._record(finding.collection)
        record.tally.add(finding)
        if isinstance(finding, Failed):
            self._last_error = finding.why
        row = _row(sample, finding, self._clock.now())
        if row is not None:
            record.recent.append((row.primary_seconds, row.secondary_seconds))
            self._rows.append(row)

    def _record(self, collection: str) -> Record:
        """About to change."""
        self._changed.add(collection)
        if (record := self._records.get(collection)) is None:  # setdefault would make a record for each of the client's calls
            record = self._records[collection] = Record()
        return record

    def _restored(self, collection: str, document: str) -> Record:
        recent = self._samples.latest_seconds(self._pair.epoch, collection, RECENT_LIMIT)
        return Record(Tally.parse(document), deque(recent, maxlen=RECENT_LIMIT))


def _row(sample: Sample, finding: Finding, at: float) -> SampleRow | None:
    """None for what was not compared."""
    head = finding.collection, at, sample.route.name, _digest(sample)
    match finding:
        case Searched(agreement=found):
            measured = found.recall, found.overlap, found.mean_drift, sample.seconds, finding.seconds
            return SampleRow(*head, *measured, finding.detail)
        case Compared():
            return SampleRow(*head, float(finding.equal), None, None, sample.seconds, finding.seconds, finding.detail)
        case Failed():
            return SampleRow(*head, None, None, None, sample.seconds, None, {"error": finding.why})
        case Skipped() | Unanswerable():
            return None
        case _:
            assert_never(finding)


def _digest(sample: Sample) -> str:
    """The same for the same request: repetitions are told without keeping the request."""
    return blake2b(sample.request.path + b"\0" + sample.request.body, digest_size=8).hexdigest()
