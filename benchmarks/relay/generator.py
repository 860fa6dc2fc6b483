"""A load of ours, in a process of its own: a closed loop, or calls at a fixed rate whose times count from when they were due.

The second is what tells latencies: a closed loop waits for a slow reply before it asks again, and so leaves out the very calls
that would have been slow (coordinated omission).
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

import numpy as np
import numpy.typing as npt
import uvloop

from benchmarks.relay.bodies import Call
from benchmarks.relay.wire import Connection, connected

PATIENCE: Final = 60.0
"""Seconds until a run that does not end is given up."""
_LEAD: Final = 0.01
"""Seconds before a schedule begins."""
_MONOTONIC: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Job:
    """Ends after `seconds`, or with call number `count`. `rate`: calls a second, at times that chance and `seed` give; None: a
    closed loop with `streams` calls on each of the connections at a time."""

    port: int
    call: Call
    connections: int
    streams: int = 1
    seconds: float = PATIENCE
    count: int | None = None
    rate: float | None = None
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Took:
    """`each` in seconds; `seconds` from the first call to the last reply."""

    seconds: float
    each: npt.NDArray[np.float64]

    @property
    def rate(self) -> float:
        return len(self.each) / self.seconds

    def percentile(self, percent: float) -> float:
        """Milliseconds."""
        return float(1000 * np.percentile(self.each, percent))


class Generator:
    """Runs jobs one after the other. Raises RuntimeError where a peer fails."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def run(self, job: Job) -> Took:
        return self._pool.submit(_run, job).result()

    def close(self) -> None:
        self._pool.shutdown()


def _run(job: Job) -> Took:
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(_Load(job).took())
    finally:
        gc.enable()


class _Load:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._free: deque[Connection] = deque()
        self._due: deque[float] = deque()
        self._each: list[float] = []
        self._started = 0
        self._under_way = 0
        self._last = 0.0

    async def took(self) -> Took:
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        job = self._job
        connections = [await connected(job.call, job.port, self._fail) for _ in range(job.connections)]
        self._free.extend(connections * job.streams)
        times = _schedule(job)
        self._total = len(times) if job.rate else job.count
        self._begun = time.perf_counter()
        with _paced(times, self._arrive):
            if job.rate is None:
                self._fill()
            async with asyncio.timeout(job.seconds + PATIENCE):
                await self._over
        for connection in connections:
            connection.close()
        return Took(self._last - self._begun, np.array(self._each))

    def _fail(self, text: str) -> None:
        if not self._over.done():
            self._over.set_exception(RuntimeError(f"after {len(self._each)} calls of {self._job.call.path}: {text}"))

    # ---- closed ----

    def _fill(self) -> None:
        while self._free and not self._enough():
            self._start(time.perf_counter())

    def _enough(self) -> bool:
        late = self._job.rate is None and time.perf_counter() - self._begun > self._job.seconds
        return late or self._started == self._total

    # ---- at a rate ----

    def _arrive(self, due: float) -> None:
        self._due.append(due)
        self._serve_due()

    def _serve_due(self) -> None:
        while self._due and self._free:
            self._start(self._due.popleft())

    # ---- both ----

    def _start(self, since: float) -> None:
        connection = self._free.popleft()
        number = self._started
        self._started += 1
        self._under_way += 1
        connection.call(number, lambda: self._done(connection, since))

    def _done(self, connection: Connection, since: float) -> None:
        self._last = time.perf_counter()
        self._each.append(self._last - since)
        self._under_way -= 1
        self._free.append(connection)
        if self._job.rate is None:
            self._fill()
        else:
            self._serve_due()
        if not self._under_way and self._enough() and not self._over.done():
            self._over.set_result(None)


def _schedule(job: Job) -> deque[float]:
    """Seconds from the beginning. Empty for a closed loop."""
    if job.rate is None:
        return deque()
    gaps = np.random.default_rng(job.seed).exponential(1 / job.rate, max(int(job.rate * job.seconds), 1))
    return deque(np.cumsum(gaps).tolist())


@contextmanager
def _paced(schedule: deque[float], arrive: Callable[[float], None]) -> Iterator[None]:
    """Calls `arrive` with each of its times, when it has come. By a timer of the kernel: a loop's own are of whole ms."""
    if not schedule:
        yield
        return
    begun = time.perf_counter() + _LEAD
    loop, timer = asyncio.get_running_loop(), _LIBC.timerfd_create(_MONOTONIC, os.O_NONBLOCK)

    def due() -> None:
        os.read(timer, 8)
        while schedule and begun + schedule[0] <= time.perf_counter():
            arrive(begun + schedule.popleft())
        if schedule:
            _set_timer(timer, begun + schedule[0] - time.perf_counter())

    _set_timer(timer, begun + schedule[0] - time.perf_counter())
    loop.add_reader(timer, due)
    try:
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _set_timer(timer: int, seconds: float) -> None:
    nanoseconds = max(int(seconds * 1e9), 1)
    when = (ctypes.c_long * 4)(0, 0, nanoseconds // 10**9, nanoseconds % 10**9)
    _LIBC.timerfd_settime(timer, 0, ctypes.byref(when), None)
