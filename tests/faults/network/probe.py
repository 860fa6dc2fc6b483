"""A client below pymilvus, without its retries: every call has a deadline, and its answer is kept as gRPC tells it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import grpc
from pymilvus.grpc_gen import milvus_pb2

from tests.migration.judge import Name
from tests.migration.load import History
from tests.migration.raw import PREFIX, SERVICE, upsert
from tests.migration.shelf import DEFAULT, Shelf

DEADLINE: Final = 2.0
PAUSE: Final = 0.05
BATCH: Final = 5
OK: Final = "OK"
OPTIONS: Final = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 500, "grpc.enable_retries": 0}


@dataclass(frozen=True, slots=True)
class Answer:
    """`code`: gRPC's name, or Milvus's own words where it answered so."""

    kind: str
    code: str
    begun: float
    took: float
    words: str = ""


class Probe:
    """Writes rows from number `first` on, each once, and reads them. Begins and ends with `with`."""

    def __init__(self, url: str, shelf: Shelf, first: int) -> None:
        self.answers: list[Answer] = []
        self.history = History()
        self._shelf = shelf
        self._next = first
        self._channel = grpc.insecure_channel(url.removeprefix("http://"), list(OPTIONS.items()))
        self._stop = threading.Event()
        self._broken: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._channel.close()
        if self._broken:
            raise self._broken[0]

    def failures(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.code != OK]

    def codes(self) -> set[str]:
        return {answer.code for answer in self.failures()}

    def _run(self) -> None:
        try:
            while not self._stop.wait(PAUSE):
                self._write()
                self._read()
        except BaseException as error:  # noqa: BLE001  kept for the end of `with`, which raises it in the test
            self._broken.append(error)

    def _write(self) -> None:
        numbers = range(self._next, self._next + BATCH)
        self._next += BATCH
        body = upsert(self._shelf, numbers, 1)[PREFIX:]
        good = self._timed("upsert", "Upsert", milvus_pb2.MutationResult.FromString, body)
        names: list[Name] = [(DEFAULT, self._shelf.id(number)) for number in numbers]
        self.history.possible.update({name: {1} if good else {1, None} for name in names})

    def _read(self) -> None:
        request = milvus_pb2.QueryRequest(
            collection_name=self._shelf.called, expr="id in [1, 2, 3]", output_fields=["id"], guarantee_timestamp=1
        )
        self._timed("query", "Query", milvus_pb2.QueryResults.FromString, request.SerializeToString())

    def _timed(self, kind: str, method: str, parse: Callable[[bytes], Any], body: bytes) -> bool:
        begun = time.monotonic()
        try:
            status = self._channel.unary_unary(SERVICE + method, response_deserializer=parse)(body, timeout=DEADLINE).status
            code, words = OK if status.code == 0 else f"Milvus {status.code}", status.reason
        except grpc.RpcError as error:
            code, words = error.code().name, error.details()
        self.answers.append(Answer(kind, code, begun, time.monotonic() - begun, words))
        return code == OK
