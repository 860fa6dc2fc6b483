"""The requests that the official client sends for each step of the scenario."""

from __future__ import annotations

from dataclasses import dataclass

from qdrant_client import QdrantClient
from qdrant_facade import Facade, FacadeServer
from qdrant_failure import failure
from qdrant_scenario import WRITES, C, create

from proxy.model.operation import Scan
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.ports import Request


@dataclass
class Step:
    """`after`: all points as they are then."""

    asked: list[tuple[str, Request]]
    after: dict[Key, Point]


@dataclass
class Recording:
    schema: Schema
    steps: dict[str, Step]


def record(*, prefer_grpc: bool) -> Recording:
    with FacadeServer(Facade()) as server:
        client = server.client(prefer_grpc=prefer_grpc)
        create(client)
        steps = {name: _step(server, client, name) for name in WRITES}
        client.close()
        return Recording(server.facade.catalog.schema(C), steps)


def _step(server: FacadeServer, client: QdrantClient, name: str) -> Step:
    before = len(server.facade.asked)
    failure(client, WRITES[name])
    page = server.call(server.facade.backend.scan(Scan(C, 1000)))
    return Step(server.facade.asked[before:], {point.key: point for point in page.points})
