"""Qdrant's calls, ready in both of its protocols, so that what is measured is the way to the server and not the making.

The messages and bodies are those of the official client: a vector is texts of doubles in REST, floats in gRPC.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any, Final, Protocol, Self

import grpc
from pydantic import BaseModel
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as messages
from qdrant_client.conversions.conversion import RestToGrpc

from benchmarks.calls import BATCH, DIM, TOP, vectors

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ends:
    """Ports of a Qdrant, or of what stands for it."""

    rest: int
    grpc: int


@dataclass(frozen=True, slots=True)
class Calls:
    """Many of one kind. `expected`: whether a message of `rpc` is the reply of a call that did what it should."""

    rpc: str
    messages: Sequence[Any]
    requests: Sequence[bytes]
    expected: Callable[[Any], bool]


class Caller(AbstractContextManager["Caller"], Protocol):
    """One connection. Raises RuntimeError where the server refuses."""

    def __call__(self, number: int) -> None: ...


class Rest:
    """Whole requests from bytes; `http.client` would send a head and its body one after the other."""

    def __init__(self, ends: Ends, calls: Calls) -> None:
        self._requests = calls.requests
        self._socket = socket.create_connection((HOST, ends.rest))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, number: int) -> None:
        self._socket.sendall(self._requests[number % len(self._requests)])
        with HTTPResponse(self._socket) as reply:
            reply.begin()
            body = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"Qdrant refused a call: {reply.status} {body[:500]!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class Grpc:
    def __init__(self, ends: Ends, calls: Calls) -> None:
        self._calls = calls
        self._channel = grpc.insecure_channel(f"{HOST}:{ends.grpc}", options=[("grpc.use_local_subchannel_pool", 1)])
        self._rpc = getattr(messages.PointsStub(self._channel), calls.rpc)  # type: ignore[no-untyped-call]  # generated

    def __call__(self, number: int) -> None:
        reply = self._rpc(self._calls.messages[number % len(self._calls.messages)])
        if not self._calls.expected(reply):
            raise RuntimeError(f"Qdrant answered {self._calls.rpc} with {reply}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()


PROTOCOLS: Final[Mapping[str, Callable[[Ends, Calls], Caller]]] = {"REST": Rest, "gRPC": Grpc}


def create(client: QdrantClient, name: str, count: int) -> None:
    """A collection with `count` points in it."""
    client.create_collection(name, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.EUCLID))
    for start in range(0, count, 1000):
        client.upsert(name, _points(range(start, min(start + 1000, count))), wait=True)


def _points(ids: range) -> list[models.PointStruct]:
    rows = zip(ids, vectors(len(ids), ids.start).tolist(), strict=True)
    return [models.PointStruct(id=id, vector=row, payload={"bucket": id % 10, "name": f"n{id}"}) for id, row in rows]


def searches(name: str, count: int) -> Calls:
    queries: list[list[float]] = vectors(count, 7).tolist()
    bodies = [models.QueryRequest(query=query, limit=TOP, with_payload=True) for query in queries]
    return Calls("Query", [_query(name, query) for query in queries], _http("POST", name, "/query", bodies), _found_all)


def _query(name: str, query: list[float]) -> messages.QueryPoints:
    nearest = RestToGrpc.convert_query(models.NearestQuery(nearest=query))
    payload = messages.WithPayloadSelector(enable=True)
    return messages.QueryPoints(collection_name=name, query=nearest, limit=TOP, with_payload=payload)


def _found_all(reply: messages.QueryResponse) -> bool:
    return len(reply.result) == TOP


def upserts(name: str, count: int) -> Calls:
    """BATCH points each, and the reply waits until they are written."""
    batches = [_points(range(first, first + BATCH)) for first in range(0, count * BATCH, BATCH)]
    bodies = [models.PointsList(points=points) for points in batches]
    return Calls("Upsert", [_upsert(name, points) for points in batches], _http("PUT", name, "?wait=true", bodies), _written)


def _upsert(name: str, points: Iterable[models.PointStruct]) -> messages.UpsertPoints:
    return messages.UpsertPoints(collection_name=name, wait=True, points=map(RestToGrpc.convert_point_struct, points))


def _written(reply: messages.PointsOperationResponse) -> bool:
    return bool(reply.result.status == messages.UpdateStatus.Completed)


def _http(method: str, name: str, end: str, bodies: Iterable[BaseModel]) -> list[bytes]:
    return [_request(f"{method} /collections/{name}/points{end}", body.model_dump_json(exclude_none=True)) for body in bodies]


def _request(line: str, body: str) -> bytes:
    lines = [f"{line} HTTP/1.1", f"host: {HOST}", "content-type: application/json", f"content-length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()
