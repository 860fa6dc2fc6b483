"""The sample application: an ordinary pymilvus program. It knows nothing of any migration.

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
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException
from sklearn.datasets import load_digits

COLLECTION = "digits"
DIGITS = load_digits()
SPARE = 2_000_000


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
        "label": label,
        "ink": float(pixels.mean()),
        "name": f"digit-{label}-{number}",
        "version": version,
        "tags": {"even": label % 2 == 0, "seen": version},
    }


def create(client: MilvusClient) -> None:
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("pixels", DataType.FLOAT_VECTOR, dim=64)
    schema.add_field("label", DataType.INT64)
    schema.add_field("ink", DataType.FLOAT)
    schema.add_field("name", DataType.VARCHAR, max_length=64)
    index = client.prepare_index_params()
    index.add_index("pixels", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 100})
    client.create_collection(COLLECTION, schema=schema, index_params=index)


class Tally:
    """Counts and latencies since the last line, by kind of call; errors for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._took: dict[str, list[float]] = defaultdict(list)
        self.operations = 0
        self.errors: list[str] = []

    def timed(self, kind: str, call: Any, *given: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return call(*given, **named)
        except MilvusException as error:
            with self._lock:
                self.errors.append(f"{kind}: {error}")
        finally:
            with self._lock:
                self._took[kind].append((time.perf_counter() - begun) * 1000)
                self.operations += 1

    def line(self) -> str:
        with self._lock:
            took, self._took = self._took, defaultdict(list)
            return json.dumps(
                {
                    "operations": self.operations,
                    "errors": len(self.errors),
                    "last_error": (self.errors or [""])[-1],
                    "took": took,
                }
            )


def write(client: MilvusClient, tally: Tally, stop: threading.Event, pause: float, points: int) -> None:
    version = 1
    while not stop.wait(pause):
        version += 1
        batch = [row(number, version) for number in random.sample(range(points), 20)]
        tally.timed("upsert", client.upsert, COLLECTION, batch)
        if version % 5 == 0:
            tally.timed("delete", client.delete, COLLECTION, ids=random.sample(range(points), 3))
        if version % 20 == 0:
            number = SPARE + version
            tally.timed("upsert", client.upsert, COLLECTION, [row(number, version)])
            tally.timed("delete by filter", client.delete, COLLECTION, filter=f"id >= {SPARE} and id < {number - 40}")


def read(client: MilvusClient, tally: Tally, stop: threading.Event, pause: float) -> None:
    while not stop.wait(pause):
        which = random.randrange(len(DIGITS.data))
        label = int(DIGITS.target[which])
        found = tally.timed(
            "search",
            client.search,
            COLLECTION,
            data=[DIGITS.data[which].astype(np.float32).tolist()],
            limit=10,
            filter=random.choice(["", f"label == {label}", f"label in [{label}, {(label + 1) % 10}] and ink > 4.0"]),
            output_fields=["label", "name"],
            search_params={"params": {"ef": 64}},
        )
        if found is not None and (len(found) != 1 or len(found[0]) > 10):
            tally.errors.append(f"search: {len(found)} answers for one vector")
        if random.random() < 0.1:
            tally.timed("get", client.get, COLLECTION, ids=[which])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--points", type=int, default=len(DIGITS.data))
    parser.add_argument("--load", action="store_true", help="create the collection, fill it, and end")
    parser.add_argument("--writers", type=int, default=1)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two calls of a thread")
    given = parser.parse_args()
    client = MilvusClient(uri=given.uri, token=given.token)
    if given.load:
        create(client)
        for start in range(0, given.points, 500):
            client.insert(COLLECTION, [row(number, 1) for number in range(start, min(start + 500, given.points))])
        return
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    tally = Tally()
    work = [(write, (client, tally, stop, given.pause, given.points))] * given.writers
    work += [(read, (client, tally, stop, given.pause))] * given.readers
    threads = [threading.Thread(target=call, args=arguments) for call, arguments in work]
    for thread in threads:
        thread.start()
    while not stop.wait(0.5):
        print(tally.line(), flush=True)
    for thread in threads:
        thread.join()
    print(tally.line(), flush=True)


if __name__ == "__main__":
    main()
