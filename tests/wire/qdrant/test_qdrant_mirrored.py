"""The official client's writes, recorded, on their way through the mirror from one memory backend to another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from fakes.plain_parts import PlainCatalog, PlainDebts
from qdrant_facade import EVERY_KEY
from qdrant_recording import Recording, record
from qdrant_scenario import C

from proxy.backends.memory import MemoryBackend
from proxy.clock import SystemClock
from proxy.compare.points import equal
from proxy.errors import ProxyError, Refused
from proxy.frontends import grpc
from proxy.frontends.qdrant.frontend import QdrantFrontend
from proxy.mirror.mirror import Listing
from proxy.model.operation import CreateCollection, DataWrite, Done, Put, Scan, named_keys, selections
from proxy.model.point import Key, Point
from proxy.model.schema import Schema
from proxy.ports import Outcome, Reply, Request
from proxy.routing import execute
from tests.unit.mirror.mirror_stage import Stage, Watched

MUTATIONS = 1_500
DIRECT = {"upsert", "upsert of columns", "upsert of every spelling of a uuid", "delete by ids", "upload"}
"""The request holds the whole states: they are written without a look at the source."""


@pytest.fixture(scope="module", params=[False, True], ids=["rest", "grpc"])
def recording(request: pytest.FixtureRequest) -> Recording:
    return record(prefer_grpc=request.param)


@pytest.fixture
async def stage(tmp_path: Path, recording: Recording) -> AsyncIterator[Stage]:
    catalog = PlainCatalog([recording.schema])
    frontend = QdrantFrontend(SystemClock())
    made = Stage(tmp_path, catalog, PlainDebts(), Watched(catalog), Watched(catalog), frontend=frontend)
    for side in (made.source, made.target):
        await side.apply(CreateCollection(recording.schema))
    made.start()
    yield made
    await made.stop()


async def mirrored(stage: Stage, role: str, request: Request) -> Outcome:
    """As the router does it while Qdrant is the primary; the primary does what our frontend understands."""
    route = stage.frontend.route(request.method, request.path, role)
    listing = await _listing(stage, request) if route.by_filter else None
    ticket = stage.mirror.begin(request, route, role, listing=listing)
    reply = await _primary(stage, request)
    outcome = stage.frontend.outcome(request, reply)
    stage.mirror.end(ticket, outcome, reply)
    return outcome


async def _listing(stage: Stage, request: Request) -> Listing | None:
    try:
        write = stage.frontend.decode(request, stage.catalog)
    except Refused:
        return None
    assert isinstance(write, DataWrite)
    since = stage.mirror.position
    found = [await execute.matching(stage.source, each, EVERY_KEY) for each in selections(write)]
    keys = named_keys(write).union(*(keys or () for keys in found))  # type: ignore[arg-type]
    return Listing(tuple(keys), since) if found else None


async def _primary(stage: Stage, request: Request) -> Reply:
    try:
        write = stage.frontend.decode(request, stage.catalog)
        assert isinstance(write, DataWrite)
        wanted = selections(write)
        listed = await execute.matching(stage.source, wanted[0], EVERY_KEY) if wanted else ()
        done = await execute.write(_Plain(stage.source), write, listed or ())
        return stage.frontend.encode(request, write, done, stage.catalog)
    except ProxyError as error:
        return stage.frontend.refuse(request, error)


class _Plain(MemoryBackend):
    """The same points, without the counting."""

    def __init__(self, watched: Watched) -> None:
        vars(self).update(vars(watched))


async def _states(side: MemoryBackend) -> dict[Key, Point]:
    return {point.key: point for point in (await side.scan(Scan(C, EVERY_KEY))).points}


async def _agree(stage: Stage, schema: Schema, after: str) -> None:
    source, target = await _states(stage.source), await _states(stage.target)
    assert source.keys() == target.keys(), after
    for key, point in source.items():
        assert equal(point, target[key], schema, 0.0), (after, key)


async def test_every_write_reaches_the_secondary_as_it_was_on_the_primary(stage: Stage, recording: Recording) -> None:
    for name, step in recording.steps.items():
        before = stage.source.fetched
        for role, request in step.asked:
            await mirrored(stage, role, request)
        await stage.quiet()
        await _agree(stage, recording.schema, name)
        assert (stage.source.fetched == before) or name not in DIRECT, name
    assert len(await _states(stage.target)) > 20
    assert stage.debts.owed == {}


async def test_writes_beside_each_other_end_as_they_did_on_the_primary(stage: Stage, recording: Recording) -> None:
    asked = [each for name, step in recording.steps.items() for each in step.asked if name != "no such collection"]
    for start in range(0, len(asked), 6):
        await asyncio.gather(*(mirrored(stage, role, request) for role, request in asked[start : start + 6]))
    await stage.quiet()
    await _agree(stage, recording.schema, "all of them")


async def test_what_is_only_acknowledged_is_settled_again_when_it_must_have_landed(stage: Stage, recording: Recording) -> None:
    ((role, request),) = recording.steps["upsert without waiting"].asked
    ticket = stage.mirror.begin(request, stage.frontend.route(request.method, request.path, role), role)
    write = stage.frontend.decode(request, stage.catalog)
    assert isinstance(write, Put)
    reply = stage.frontend.encode(request, write, Done(), stage.catalog)
    outcome = stage.frontend.outcome(request, reply)
    stage.mirror.end(ticket, outcome, reply)
    async with asyncio.timeout(20):
        while not stage.source.fetched:  # noqa: ASYNC110  the mirror tells nobody that it reads
            await asyncio.sleep(0)
    assert await _states(stage.target) == {}
    await execute.write(stage.source, write, ())
    await stage.quiet()
    await _agree(stage, recording.schema, "acknowledged")
    assert len(await _states(stage.target)) == 1


async def test_wrong_bytes_are_refused_and_break_nothing(recording: Recording) -> None:
    """Whoever reaches the port may send anything; the mirror decodes it."""
    chance, frontend = Random(5), QdrantFrontend(SystemClock())
    catalog = PlainCatalog([recording.schema])
    requests = [request for step in recording.steps.values() for _, request in step.asked]
    refused = 0
    for _ in range(MUTATIONS):
        request = _mutated(chance.choice(requests), chance)
        frontend.collection(request, catalog)
        frontend.outcome(request, Reply(200, (), request.body, ((b"grpc-status", b"0"),)))
        try:
            frontend.decode(request, catalog)
        except Refused:
            refused += 1
    assert MUTATIONS / 10 < refused < MUTATIONS


def _mutated(request: Request, chance: Random) -> Request:
    if not request.path.startswith(b"/qdrant."):
        return replace(request, body=orjson.dumps(_other(orjson.loads(request.body or b"{}"), chance)))
    raw = bytearray(request.body[grpc.PREFIX :])
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(raw))
        raw[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 2)) or b"x"
    return replace(request, body=grpc.framed(bytes(raw)))


def _other(value: Any, chance: Random) -> Any:
    if chance.random() < 0.05:
        return chance.choice([None, 1, -1, 2**63, 1e308, "x", "", [], {}, [[]], True, {"a": 1}, [None]])
    match value:
        case dict():
            return {name if chance.random() > 0.02 else "zz": _other(each, chance) for name, each in value.items()}
        case list():
            return [_other(each, chance) for each in value]
        case _:
            return value
