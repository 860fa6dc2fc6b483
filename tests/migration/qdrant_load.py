"""An application on Qdrant at work: threads that write and read without pause over REST and gRPC, and remember what they heard.

Each writer has keys of its own, so it knows what each may be: the state of the last acknowledged write, or one of those that
were sent since and got no answer.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

import grpc
import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from tests.migration.shelf import BUCKETS, DIM, vector
from tests.servers.sidecar import wait_until

NAME: Final = "books"
BATCH: Final = 8
JOIN_SECONDS: Final = 60.0
FAILURES: Final = (UnexpectedResponse, ResponseHandlingException, grpc.RpcError)
State: TypeAlias = tuple[int, int | None] | None
"""(version, mark) of a point; None: it is not there."""


@dataclass(slots=True)
class Books:
    """What each key may be. A set of one is known."""

    possible: dict[int, set[State]] = field(default_factory=dict)

    def known(self, number: int) -> State | str:
        (state, *others) = self.possible[number]
        return "unknown" if others else state

    def wrong(self, rows: dict[str, dict[str, Any]]) -> dict[int, Any]:
        found = {number: _state(rows.get(str(number))) for number in self.possible}
        return {number: (state, self.possible[number]) for number, state in found.items() if state not in self.possible[number]}


def _state(row: dict[str, Any] | None) -> State:
    return None if row is None else (row["version"], row.get("mark"))


def create(client: QdrantClient, numbers: Iterable[int]) -> None:
    client.create_collection(NAME, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.EUCLID))
    for name in ("bucket", "version"):
        client.create_payload_index(NAME, name, models.PayloadSchemaType.INTEGER)
    client.upsert(NAME, [point(number, 1) for number in numbers])


def point(number: int, version: int) -> models.PointStruct:
    payload = {"number": number, "bucket": number % BUCKETS, "version": version, "tags": [version, "x"]}
    payload["note"] = f"n{number}-{version}"
    return models.PointStruct(id=number, vector=vector(number, version).tolist(), payload=payload)


class QdrantLoad:
    """On the sidecar's ports. One writer and one reader speak REST, one of each gRPC."""

    def __init__(self, url: str, grpc_port: int, numbers: int) -> None:
        self.errors: list[str] = []
        self.calls = 0
        self.books = Books({number: {(1, None)} for number in range(numbers)})
        self._numbers = numbers
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._broken: list[BaseException] = []
        self._clients = [
            QdrantClient(url=url, grpc_port=grpc_port, prefer_grpc=prefer, timeout=30, check_compatibility=False)
            for prefer in (False, True)
        ]
        work = [(self._write, client, lane) for lane, client in enumerate(self._clients)]
        work += [(self._read, client, lane) for lane, client in enumerate(self._clients)]
        self._threads = [threading.Thread(target=self._work, args=each, daemon=True) for each in work]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def work_for(self, seconds: float) -> None:
        time.sleep(seconds)
        if self._broken:
            raise self._broken[0]

    def recover(self) -> None:
        """Returns when its calls succeed again."""
        seen, calls = len(self.errors), self.calls

        def well() -> bool:
            nonlocal seen, calls
            if len(self.errors) > seen:
                seen, calls = len(self.errors), self.calls
            return self.calls > calls + 20

        wait_until(well, JOIN_SECONDS, lambda: self.errors[-1:])

    def stop(self) -> None:
        """Raises what ended a thread before its time."""
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        assert not any(thread.is_alive() for thread in self._threads), "a call of the application hangs"
        for client in self._clients:
            client.close()
        if self._broken:
            raise self._broken[0]

    # ---- the threads ----

    def _work(self, call: Callable[[QdrantClient, int], None], client: QdrantClient, lane: int) -> None:
        try:
            call(client, lane)
        except BaseException as error:  # noqa: BLE001  kept for `stop`, which raises it in the test
            self._broken.append(error)

    def _write(self, client: QdrantClient, lane: int) -> None:
        chance = random.Random(lane)
        own = range(lane, self._numbers, len(self._clients))
        version = 1
        while not self._stop.wait(0.01):
            version += 1
            chosen = chance.sample(own, BATCH)
            match version % 12:
                case 3:
                    self._told(dict.fromkeys(chosen[:3]), client.delete, NAME, chosen[:3])
                case 6:
                    self._mark(client, chosen, version)
                case 9:
                    self._delete_by_filter(client, own, chosen[0] % BUCKETS)
                case _:
                    points = [point(number, version) for number in chosen]
                    self._told(dict.fromkeys(chosen, (version, None)), client.upsert, NAME, points)

    def _mark(self, client: QdrantClient, chosen: list[int], version: int) -> None:
        """A partial update of points that are there."""
        there = {n: state for n in chosen if isinstance(state := self.books.known(n), tuple)}
        if there:
            states = {number: (state[0], version) for number, state in there.items()}
            self._told(states, client.set_payload, NAME, {"mark": version}, list(there))

    def _delete_by_filter(self, client: QdrantClient, own: range, bucket: int) -> None:
        touched = [number for number in own if number % BUCKETS == bucket]
        in_bucket = models.FieldCondition(key="bucket", match=models.MatchValue(value=bucket))
        condition = models.Filter(must=[in_bucket, models.HasIdCondition(has_id=list(touched))])
        self._told(dict.fromkeys(touched), client.delete, NAME, condition)

    def _told(self, states: dict[int, Any], call: Callable[..., Any], *given: Any) -> None:
        answered = self._timed(call, *given) is not None
        with self._lock:
            for number, state in states.items():
                self.books.possible[number] = {state} if answered else self.books.possible[number] | {state}

    def _read(self, client: QdrantClient, lane: int) -> None:
        chance = random.Random(4711 + lane)
        while not self._stop.wait(0.01):
            number, bucket = chance.randrange(self._numbers), chance.randrange(BUCKETS)
            must = chance.choice([[], [models.FieldCondition(key="bucket", match=models.MatchValue(value=bucket))]])
            query = vector(number, 1).tolist()
            found = self._timed(client.query_points, NAME, query, None, None, models.Filter(must=must), None, 10)
            for hit in found.points if found is not None else ():
                assert hit.payload["note"] == f"n{hit.id}-{hit.payload['version']}", f"half a point: {hit}"
                assert not must or hit.payload["bucket"] == bucket, f"the filter lets {hit} through"
            if number % 5 == 0:
                self._timed(client.retrieve, NAME, [number])

    def _timed(self, call: Callable[..., Any], *given: Any) -> Any:
        """None where it failed."""
        try:
            return call(*given)
        except FAILURES as error:
            self.errors.append(f"{call.__name__}: {error}")
            self._stop.wait(0.05)
            return None
        finally:
            self.calls += 1


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Rows of demo.compare, vectors as they are: Euclidean ones are kept."""
    if a.keys() != b.keys():
        return False
    vectors = np.allclose(a["pixels"], b["pixels"], rtol=1e-5)
    return bool(vectors) and all(a[name] == b[name] for name in a if name != "pixels")
