"""The sample application's work, whatever database it uses. It knows nothing of any migration.

Keeps the digits of scikit-learn (1,797 images of 8 x 8 pixels, real handwriting) in a collection, and upserts, deletes and
searches without pause. Prints one JSON line each half second: counts, latencies in milliseconds, errors.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from sklearn.datasets import load_digits

COLLECTION = "digits"
DIGITS = load_digits()
DIM = DIGITS.data.shape[1]
SPARE = 2_000_000
LIMIT = 10


class Database(Protocol):
    """What the application does with its database. Rows have an id, pixels and fields."""

    errors: tuple[type[Exception], ...]
    """What the client raises when a call fails."""

    def create(self) -> None: ...

    def fill(self, rows: list[dict[str, Any]]) -> None: ...

    def upsert(self, rows: list[dict[str, Any]]) -> None: ...

    def delete(self, ids: list[int]) -> None: ...

    def delete_between(self, low: int, high: int) -> None:
        """By a filter: low <= number < high."""

    def search(self, pixels: list[float], labels: list[int] | None, ink: float | None) -> list[Any]:
        """The nearest LIMIT, of these labels and with more ink where they are given."""

    def get(self, id: int) -> None: ...


def row(number: int, version: int) -> dict[str, Any]:
    """The digit `number` modulo the data set, as a row; copies differ a little, as other hands would."""
    which = number % len(DIGITS.data)
    pixels = DIGITS.data[which].astype(np.float32)
    if number >= len(DIGITS.data):
        pixels = pixels + np.random.default_rng(number).normal(0, 0.4, pixels.shape).astype(np.float32)
    label = int(DIGITS.target[which])
    return {
        "id": number,
        "pixels": pixels.tolist(),
        "number": number,
        "label": label,
        "ink": float(pixels.mean()),
        "name": f"digit-{label}-{number}",
        "version": version,
        "tags": {"even": label % 2 == 0, "seen": version},
    }


class Tally:
    """Counts and latencies since the last line, by kind of call; errors for good."""

    def __init__(self, failures: tuple[type[Exception], ...]) -> None:
        self._failures = failures
        self._lock = threading.Lock()
        self._took: dict[str, list[float]] = defaultdict(list)
        self.operations = 0
        self.errors: list[str] = []

    def timed(self, kind: str, call: Callable[..., Any], *given: Any) -> Any:
        begun = time.perf_counter()
        try:
            return call(*given)
        except self._failures as error:
            self.fault(f"{kind}: {error}")
        finally:
            with self._lock:
                self._took[kind].append((time.perf_counter() - begun) * 1000)
                self.operations += 1

    def fault(self, text: str) -> None:
        with self._lock:
            self.errors.append(text)

    def line(self) -> str:
        with self._lock:
            took, self._took = self._took, defaultdict(list)
            last = (self.errors or [""])[-1]
            return json.dumps(
                {"operations": self.operations, "errors": len(self.errors), "last_error": last, "took": took},
            )


def write(database: Database, tally: Tally, stop: threading.Event, pause: float, points: int) -> None:
    version = 1
    while not stop.wait(pause):
        version += 1
        batch = [row(number, version) for number in random.sample(range(points), 20)]
        tally.timed("upsert", database.upsert, batch)
        if version % 5 == 0:
            tally.timed("delete", database.delete, random.sample(range(points), 3))
        if version % 20 == 0:
            number = SPARE + version
            tally.timed("upsert", database.upsert, [row(number, version)])
            tally.timed("delete by filter", database.delete_between, SPARE, number - 40)


def read(database: Database, tally: Tally, stop: threading.Event, pause: float) -> None:
    while not stop.wait(pause):
        which = random.randrange(len(DIGITS.data))
        label = int(DIGITS.target[which])
        labels, ink = random.choice([(None, None), ([label], None), ([label, (label + 1) % 10], 4.0)])
        found = tally.timed("search", database.search, DIGITS.data[which].astype(np.float32).tolist(), labels, ink)
        if found is not None and not 0 < len(found) <= LIMIT:
            tally.fault(f"search: {len(found)} hits for one vector")
        if random.random() < 0.1:
            tally.timed("get", database.get, which)


def main(connect: Callable[[str], Database]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--points", type=int, default=len(DIGITS.data))
    parser.add_argument("--load", action="store_true", help="create the collection, fill it, and end")
    parser.add_argument("--writers", type=int, default=1)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two calls of a thread")
    given = parser.parse_args()
    database = connect(given.uri)
    if given.load:
        database.create()
        for start in range(0, given.points, 500):
            database.fill([row(number, 1) for number in range(start, min(start + 500, given.points))])
    else:
        _work(database, given)


def _work(database: Database, given: argparse.Namespace) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    tally = Tally(database.errors)
    work: list[tuple[Callable[..., None], tuple[Any, ...]]]
    work = [(write, (database, tally, stop, given.pause, given.points))] * given.writers
    work += [(read, (database, tally, stop, given.pause))] * given.readers
    threads = [threading.Thread(target=call, args=arguments) for call, arguments in work]
    for thread in threads:
        thread.start()
    while not stop.wait(0.5):
        print(tally.line(), flush=True)
    for thread in threads:
        thread.join()
    print(tally.line(), flush=True)
