"""An application at work: threads that write, delete and read without pause, and remember what they were told.

Each writer has keys of its own, so it knows what each may be: exactly the state of the last acknowledged write, or one of
those that were sent since and got no answer. A delete by filter that Milvus runs may miss the last rows, so it only allows.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

from pymilvus import MilvusClient, MilvusException

from tests.migration.judge import Name, Rows, Sides
from tests.migration.shelf import BUCKETS, DEFAULT, Shelf, vector
from tests.servers.sidecar import wait_until

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # errors are counted here, not printed with their stacks

PAUSE: Final = 0.01
BATCH: Final = 10
JOIN_SECONDS: Final = 60.0
RECOVER_SECONDS: Final = 60.0
State: TypeAlias = int | None
"""The version of a row; None: it is not there."""


@dataclass(frozen=True, slots=True)
class Call:
    kind: str
    begun: float
    took: float
    error: str = ""


@dataclass(slots=True)
class History:
    """What each key may be at the end."""

    possible: dict[Name, set[State]] = field(default_factory=dict)
    acknowledged: int = 0

    def told(self, states: Mapping[Name, State]) -> None:
        self.acknowledged += 1
        self.possible.update({name: {state} for name, state in states.items()})

    def untold(self, states: Mapping[Name, State]) -> None:
        for name, state in states.items():
            self.possible.setdefault(name, set()).add(state)

    def check(self, rows: Rows) -> None:
        """Raises AssertionError for what was acknowledged and is not so."""
        wrong = {
            name: (state, allowed)
            for name, allowed in self.possible.items()
            if (state := rows[name]["version"] if name in rows else None) not in allowed
        }
        assert not wrong, f"{len(wrong)} of {len(self.possible)} keys are not what was acknowledged: {list(wrong.items())[:5]}"


class Load:
    """`numbers`: the rows that it works on. Begins with `with`, ends there too, or with `stop`."""

    def __init__(self, uri: str, shelf: Shelf, numbers: int, *, writers: int = 2, readers: int = 1, token: str = "") -> None:
        self.shelf = shelf
        self.calls: list[Call] = []
        self.history = History()
        self.pause = PAUSE
        self._client = MilvusClient(uri=uri, token=token)
        self._numbers = numbers
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._broken: list[BaseException] = []
        work: list[tuple[Callable[..., None], Any]] = [(self._write, range(lane, numbers, writers)) for lane in range(writers)]
        work += [(self._read, None)] * readers
        self._threads = [threading.Thread(target=self._work, args=each, daemon=True) for each in work]
        for name in ((part, shelf.id(number)) for part in self._partitions for number in range(numbers)):
            self.history.possible[name] = {1}

    @property
    def _partitions(self) -> tuple[str, ...]:
        return self.shelf.partitions or (DEFAULT,)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Raises what ended a thread before its time."""
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        assert not any(thread.is_alive() for thread in self._threads), "a call of the application hangs"
        if self._broken:
            raise self._broken[0]

    # ---- what it saw ----

    @property
    def errors(self) -> list[Call]:
        return [call for call in self.calls if call.error]

    def took(self, kind: str, since: float = 0.0) -> list[float]:
        """Seconds of each call that began after `since` (time.monotonic)."""
        return [call.took for call in self.calls if call.kind == kind and call.begun >= since]

    def work_for(self, seconds: float) -> None:
        """Lets it work, and fails at once where a thread ended."""
        time.sleep(seconds)
        if self._broken:
            raise self._broken[0]

    def recover(self) -> None:
        """Returns when its calls succeed again; gRPC's channels wait longer and longer between two tries to connect."""
        wait_until(
            lambda: len(self.calls) > 20 and not any(call.error for call in self.calls[-20:]),
            RECOVER_SECONDS,
            lambda: self.errors[-1],
        )

    def check(self, found: Sides) -> None:
        """Both sides equal, and all that was acknowledged there."""
        found.check()
        self.history.check(found.source)
        assert self.history.acknowledged > 0

    # ---- the threads ----

    def _work(self, call: Callable[..., None], given: Any) -> None:
        try:
            call(given)
        except BaseException as error:  # noqa: BLE001  kept for `stop`, which raises it in the test
            self._broken.append(error)

    def _write(self, numbers: range) -> None:
        chance = random.Random(numbers.start)
        version = 1
        while not self._stop.wait(self.pause):
            version += 1
            partition = chance.choice(self._partitions)
            chosen = chance.sample(numbers, BATCH)
            match version % 10:
                case 3:
                    self._delete(partition, chosen[:3])
                case 7:
                    self._delete_by_filter(partition, numbers, chosen[0] % BUCKETS)
                case _:
                    self._upsert(partition, chosen, version)

    def _upsert(self, partition: str, numbers: list[int], version: int) -> None:
        rows = [self.shelf.row(number, version) for number in numbers]
        states = self._states(partition, numbers, version)
        self._tell(states, self._timed("upsert", self._client.upsert, self.shelf.called, rows, partition_name=partition))

    def _delete(self, partition: str, numbers: list[int]) -> None:
        ids = [self.shelf.id(number) for number in numbers]
        states = self._states(partition, numbers, None)
        self._tell(states, self._timed("delete", self._client.delete, self.shelf.called, ids=ids, partition_name=partition))

    def _delete_by_filter(self, partition: str, numbers: range, bucket: int) -> None:
        touched = [number for number in numbers if number % BUCKETS == bucket]
        names = [self.shelf.id(number) for number in touched]
        expression = f"bucket == {bucket} and id in {names}"
        given = {"filter": expression, "partition_name": partition}
        self._timed("delete by filter", self._client.delete, self.shelf.called, **given)
        with self._lock:
            self.history.untold(self._states(partition, touched, None))

    def _states(self, partition: str, numbers: Iterable[int], state: State) -> dict[Name, State]:
        return {(partition, self.shelf.id(number)): state for number in numbers}

    def _tell(self, states: Mapping[Name, State], answer: object | None) -> None:
        with self._lock:
            (self.history.untold if answer is None else self.history.told)(states)

    def _read(self, _: None) -> None:
        chance = random.Random(4711)
        while not self._stop.wait(self.pause):
            number, bucket = chance.randrange(self._numbers), chance.randrange(BUCKETS)
            query = vector(number, 1, self.shelf.dim).tolist()
            expression = chance.choice(["", f"bucket == {bucket}"])
            # One id may be in two partitions; Milvus then answers with one of them, so the application says which.
            where = {"partition_names": [chance.choice(self._partitions)]}
            given = {"data": [query], "limit": 10, "filter": expression, "output_fields": ["bucket", "version", "name", "note"]}
            found = self._timed("search", self._client.search, self.shelf.called, **given, **where)
            if found is not None:
                _check_hits(found, bucket if expression else None)
            if number % 5 == 0:
                self._timed("get", self._client.get, self.shelf.called, ids=[self.shelf.id(number)], **where)

    def _timed(self, kind: str, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """None where it failed."""
        begun, error = time.monotonic(), ""
        try:
            return call(*given, **named)
        except MilvusException as raised:
            error = str(raised)
        finally:
            self.calls.append(Call(kind, begun, time.monotonic() - begun, error))
        self._stop.wait(0.05)
        return None


def _check_hits(found: Any, bucket: int | None) -> None:
    assert len(found) == 1, f"{len(found)} answers for one vector"
    for hit in found[0]:
        row = hit["entity"]
        version = row["version"]
        assert (row["name"].rpartition("-")[2], row["note"]) == (str(version), f"dynamic {version}"), f"half a row: {row}"
        assert bucket in (None, row["bucket"]), f"the filter lets {row} through"
