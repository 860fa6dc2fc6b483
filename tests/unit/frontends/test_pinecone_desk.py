"""Which index a request is for, and what clients are told instead of hosts; without any network."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.errors import NotFound, Unavailable
from proxy.frontends.passthrough import PassthroughFrontend
from proxy.frontends.pinecone.desk import FRESH, Around, Desk
from proxy.model.schema import Product
from proxy.pinecone.hosts import Names
from proxy.ports import Exchange, RelayTo, Reply, Request
from proxy.store.slots import Slots
from tests.fakes.sidecar import FakeExchange

PORTS = {"control": 80, "data": 81, "data.own": 90}


class Project:
    """ports of the control plane, as the desk asks."""

    def __init__(self, **hosts: str) -> None:
        self.indexes = hosts
        self.asked: list[str] = []
        self.away = False

    async def host(self, index: str, credentials: Mapping[str, str]) -> str:
        self._ask(f"{index} with {credentials['api-key']}")
        if index not in self.indexes:
            raise NotFound(f"no index {index}")
        return self.indexes[index]

    async def hosts(self, credentials: Mapping[str, str]) -> dict[str, str]:
        self._ask("all")
        return dict(self.indexes)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise Unavailable("away")


class Clock:
    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return self.passed

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


class Bench:
    """A desk and what comes out of it."""

    def __init__(self, folder: Path, project: Project, template: str = "") -> None:
        self.project, self.clock = project, Clock()
        self.begun: list[tuple[Exchange, str]] = []
        self._tasks: list[asyncio.Task[None]] = []
        names = Names(PORTS, template, tls=False)
        around = Around(
            PassthroughFrontend(Product.PINECONE), names, project, Slots(folder, names.common), self._spawn, self.clock
        )
        self.desk = Desk(self, around)

    def begin(self, exchange: Exchange, role: str) -> None:
        self.begun.append((exchange, role))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def rest(self) -> None:
        while self._tasks:
            await self._tasks.pop()

    async def role(self, role: str, authority: str = "127.0.0.1:81", key: str = "k") -> str:
        """What the router gets; or the refusal's text."""
        exchange = _request(b"/query", authority, key)
        self.desk.begin(exchange, role)
        await self.rest()
        if exchange.said.work is not None:
            refusal = await exchange.said.work(Request(b"POST", b"/query", (), b""))
            assert isinstance(refusal, Reply)
            return str(orjson.loads(refusal.body)["message"])
        return self.begun.pop()[1]

    async def told(self, document: Any, *, path: bytes = b"/indexes", status: int = 200) -> Reply:
        """The reply that a client of the control plane gets instead of this one."""
        exchange = _request(path, "127.0.0.1:80", "k")
        self.desk.begin(exchange, "control")
        inside, role = self.begun.pop()
        assert role == "control"
        inside.relay(RelayTo(_Upstream()))
        relay = exchange.said.relay
        assert relay is not None
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        came = Reply(status, ((b"content-type", b"application/json"), (b"content-length", b"1")), body)
        if relay.tap is None:
            return came
        gone: list[Reply | None] = []
        relay.tap.reply(came, gone.append)
        await self.rest()
        return gone[0] or came


class _Upstream:
    name = "control"


def _request(path: bytes, authority: str, key: str) -> FakeExchange:
    return FakeExchange(Request(b"POST", path, ((b"host", authority.encode()), (b"api-key", key.encode())), b""))


async def test_an_index_without_a_name_is_the_only_one_and_stays_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Project(a="a.test", own="own.test"))
    assert await bench.role("data") == "data.a@https://a.test"
    bench.project.indexes["b"] = "b.test"
    assert await bench.role("data") == "data.a@https://a.test"
    assert await Bench(tmp_path, bench.project).role("data") == "data.a@https://a.test"


async def test_among_several_a_request_without_a_name_is_refused(tmp_path: Path) -> None:
    assert "which index" in await Bench(tmp_path, Project(a="a.test", b="b.test")).role("data")


async def test_a_name_says_which_one_is_meant(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Project(a="a.test", b="http://b.test:1"), template="{index}.v.test")
    assert await bench.role("data", "a.v.test:81") == "data.a@https://a.test"
    assert await bench.role("data", "b.v.test") == "data.b@http://b.test:1"


async def test_a_name_that_is_no_index_is_not_found(tmp_path: Path) -> None:
    assert await Bench(tmp_path, Project(a="a.test"), "{index}.v.test").role("data", "b.v.test") == "no index b"
    assert await Bench(tmp_path, Project(a="a.test")).role("data.own") == "no index own"


async def test_a_place_is_asked_for_once_for_each_key(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Project(own="own.test"))
    for key in ("k", "k", "other"):
        assert await bench.role("data.own", key=key) == "data.own@https://own.test"
    assert bench.project.asked == ["own with k", "own with other"]


async def test_a_place_that_is_old_is_asked_for_beside_the_request(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Project(own="own.test"))
    await bench.role("data.own")
    bench.clock.passed = 2 * FRESH
    bench.project.indexes["own"] = "moved.test"
    assert await bench.role("data.own") == "data.own@https://own.test"
    assert await bench.role("data.own") == "data.own@https://moved.test"
    bench.clock.passed = 4 * FRESH
    bench.project.away = True
    for _ in range(2):
        assert await bench.role("data.own") == "data.own@https://moved.test"


async def test_a_control_plane_that_is_away_is_told_while_nothing_is_known(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Project(own="own.test"))
    bench.project.away = True
    assert await bench.role("data.own") == "away"


async def test_hosts_in_a_reply_are_replaced_and_remembered(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Project())
    index = {"name": "own", "host": "own.test", "private_host": "own.private.test", "status": {"ready": True}, "extra": [1.5]}
    reply = await bench.told(index, path=b"/indexes/own")
    assert orjson.loads(reply.body) == {
        "name": "own",
        "host": "http://127.0.0.1:90",
        "status": {"ready": True},
        "extra": [1.5],
    }
    assert (b"content-length", b"1") not in reply.headers
    assert await bench.role("data.own") == "data.own@https://own.test"
    assert bench.project.asked == []


async def test_in_a_list_each_index_gets_an_address_of_its_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Project())
    listed = [{"name": name, "host": f"{name}.test"} for name in ("a", "own", "b")]
    reply = await bench.told({"indexes": [*listed, {"name": "c", "host": ""}, {"name": "d"}]})
    assert [index.get("host") for index in orjson.loads(reply.body)["indexes"]] == [
        "http://127.0.0.1:81",
        "http://127.0.0.1:90",
        "http://b.localhost:81",
        "",
        None,
    ]
    assert await bench.role("data") == "data.a@https://a.test"
    assert await bench.role("data", "b.localhost:81") == "data.b@https://b.test"


@pytest.mark.parametrize(
    ("path", "document", "status"),
    [
        (b"/indexes/a", {"error": {"code": "NOT_FOUND", "message": "x"}, "status": 404, "name": "a", "host": "a.test"}, 404),
        (b"/indexes/a", b"no JSON", 200),
        (b"/indexes/a", b"", 202),
        (b"/indexes", {"indexes": []}, 200),
        (b"/indexes", [1], 200),
        (b"/models", {"name": "a", "host": "a.test"}, 200),
        (b"/indexes-of-another-kind", {"name": "a", "host": "a.test"}, 200),
    ],
)
async def test_whatever_else_the_control_plane_says_goes_on_as_it_came(tmp_path: Path, path, document, status) -> None:
    reply = await Bench(tmp_path, Project()).told(document, path=path, status=status)
    assert (b"content-length", b"1") in reply.headers
    assert reply.body == (document if isinstance(document, bytes) else orjson.dumps(document))
