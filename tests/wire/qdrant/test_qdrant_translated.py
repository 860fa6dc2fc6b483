"""The official client's writes, recorded, through the whole sidecar: mirrored before the cutover, translated after it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes.sidecar import Sidecar, SourceUpstream, begin, see
from qdrant_client import grpc as pb
from qdrant_recording import Recording, record
from qdrant_scenario import C

from proxy.backends.memory import MemoryBackend
from proxy.clock import SystemClock
from proxy.compare.points import equal
from proxy.errors import ProxyError
from proxy.frontends.grpc import framed
from proxy.frontends.qdrant.frontend import QdrantFrontend
from proxy.frontends.qdrant.routes import is_grpc
from proxy.model.operation import Done, Scan, SchemaWrite
from proxy.model.phase import Phase
from proxy.model.point import Key, Point
from proxy.model.schema import Product
from proxy.ports import Kind, Outcome, Reply, Request, Route


class Refusing(SourceUpstream):
    async def answer(self, request: Request) -> Reply:
        try:
            if self._route(request).kind is Kind.SCHEMA:
                return await self._changed(request)
            return await super().answer(request)
        except ProxyError as error:
            return self._frontend.refuse(request, error)

    async def _changed(self, request: Request) -> Reply:
        change = self._frontend.decode(request, self._catalog)
        assert isinstance(change, SchemaWrite)
        await self._backend.apply(change)
        return self._frontend.encode(request, change, Done(), self._catalog)

    def _route(self, request: Request) -> Route:
        return self._frontend.route(request.method, request.path, "grpc" if is_grpc(request.path) else "rest")


class QdrantSidecar(Sidecar):
    """Before a target of another product."""

    products = (Product.QDRANT, Product.MILVUS)
    roles = ("rest", "grpc")

    def __init__(self, directory: Path, recording: Recording, **settings: Any) -> None:
        self.schema = recording.schema
        super().__init__(directory, mirror={"linger": 0.01}, **settings)

    def _speaking(self) -> QdrantFrontend:
        return QdrantFrontend(SystemClock())

    def _sides(self) -> Any:
        self.upstream = Refusing(self.frontend, self.upstream._catalog, self.source)
        return super()._sides()

    async def send(self, role: str, request: Request) -> Outcome:
        reply = await see(begin(self.parts.router, request, role), request)
        return self.frontend.outcome(request, reply)


@pytest.fixture(scope="module", params=[False, True], ids=["rest", "grpc"])
def recording(request: pytest.FixtureRequest) -> Recording:
    return record(prefer_grpc=request.param)


async def _points(side: MemoryBackend) -> dict[Key, Point]:
    return {point.key: point for point in (await side.scan(Scan(C, 1000))).points}


async def _check(sidecar: QdrantSidecar, recording: Recording, name: str) -> None:
    wanted = recording.steps[name].after
    for side in (sidecar.source, sidecar.target):
        found = await _points(side)
        assert found.keys() == wanted.keys(), (name, side.product)
        for key, point in wanted.items():
            assert equal(point, found[key], recording.schema, 0.0), (name, side.product, key)


@pytest.mark.parametrize("phase", [Phase.MIRROR, Phase.CUTOVER])
async def test_both_sides_have_every_write(tmp_path: Path, recording: Recording, phase: Phase) -> None:
    async with QdrantSidecar(tmp_path, recording) as sidecar:
        if phase is Phase.CUTOVER:
            await sidecar.change(phase)
        for name, step in recording.steps.items():
            for role, request in step.asked:
                await sidecar.send(role, request)
            await sidecar.drained()
            await _check(sidecar, recording, name)
        assert sidecar.parts.debts.all() == {}


async def test_a_selection_that_is_too_large_to_be_listed_is_changed_all_the_same(tmp_path: Path, recording: Recording) -> None:
    async with QdrantSidecar(tmp_path, recording) as sidecar:
        sidecar.parts.router._translator._expand_limit = 1
        await sidecar.change(Phase.CUTOVER)
        for step in recording.steps.values():
            for role, request in step.asked:
                await sidecar.send(role, request)
        found, wanted = await _points(sidecar.target), list(recording.steps.values())[-1].after
        assert found.keys() == wanted.keys()
        assert all(equal(point, found[key], recording.schema, 0.0) for key, point in wanted.items())
        await sidecar.drained()
        assert C in sidecar.parts.debts.all()


async def test_partial_updates_beside_each_other_lose_nothing(tmp_path: Path, recording: Recording) -> None:
    name = "set payload by ids"
    ((role, request),) = recording.steps[name].asked
    async with QdrantSidecar(tmp_path, recording) as sidecar:
        await sidecar.change(Phase.CUTOVER)
        for each in recording.steps["upsert"].asked:
            await sidecar.send(*each)
        others = [recording.steps[other].asked[0] for other in ("set payload by filter", "set payload at a key", "batch")]
        await asyncio.gather(*(sidecar.send(*each) for each in [(role, request), *others] * 3))
        await sidecar.drained()
        source, target = await _points(sidecar.source), await _points(sidecar.target)
        assert source.keys() == target.keys()
        assert all(equal(point, target[key], recording.schema, 0.0) for key, point in source.items())
        colors = {key.id: point.payload.get("color") for key, point in target.items()}
        assert colors[1] == "red"
        assert {colors[5], colors[8], colors[11]} == {"blue"}


CREATE = {
    "rest": lambda name: Request(b"PUT", f"/collections/{name}".encode(), (), b'{"vectors":{"size":2,"distance":"Cosine"}}'),
    "grpc": lambda name: Request(b"POST", b"/qdrant.Collections/Create", (), framed(_creation(name).SerializeToString())),
}


def _creation(name: str) -> Any:
    params = pb.VectorParams(size=2, distance=pb.Distance.Cosine)
    return pb.CreateCollection(collection_name=name, vectors_config=pb.VectorsConfig(params=params))


@pytest.mark.parametrize("role", ["rest", "grpc"])
async def test_a_new_collection_is_made_on_both_sides_and_only_once(tmp_path: Path, recording: Recording, role: str) -> None:
    async with QdrantSidecar(tmp_path, recording) as sidecar:
        assert await sidecar.send(role, CREATE[role]("before")) is Outcome.ACCEPTED
        await sidecar.drained()
        await sidecar.change(Phase.CUTOVER)
        assert await sidecar.send(role, CREATE[role]("after")) is Outcome.ACCEPTED
        assert await sidecar.send(role, CREATE[role]("before")) is Outcome.REFUSED
        await sidecar.drained()
        for side in (sidecar.source, sidecar.target):
            assert set(await side.collections()) == {C, "before", "after"}
        assert sidecar.parts.catalog.schema("after") == await sidecar.source.describe("after")
        assert sidecar.parts.debts.all() == {}
