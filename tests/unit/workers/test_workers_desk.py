from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from fakes.plain_frontend import request
from fakes.sidecar import FakeExchange, TalkingFrontend

from proxy.ports import Kind, Retry, Route
from proxy.routing.grant import NOTHING, Grant
from proxy.routing.plan import Action
from proxy.routing.shares import Draw
from proxy.workers.desk import Desk, Ways


@dataclass
class Named:
    name: str


WAYS = {"rest": Ways(Named("source"), Named("core"), Named("drawn"))}
WATCHED = Grant({Kind.READ: Action.RELAY, Kind.ADMIN: Action.RELAY})
ALL = Grant(dict.fromkeys(Kind, Action.RELAY), changes=True)
SAMPLED = {Kind.READ: Action.SAMPLE}


@pytest.fixture
def desk() -> Desk:
    return Desk(TalkingFrontend().route, WAYS, Draw(0), traced=0.0)


def went(desk: Desk, call: str) -> str:
    exchange = FakeExchange(request(call, "c"))
    desk.begin(exchange, "rest")
    assert exchange.said.relay is not None
    return exchange.said.relay.upstream.name


@pytest.mark.parametrize(
    ("grant", "to_source"),
    [
        (NOTHING, set()),
        (WATCHED, {"get", "hello"}),
        (ALL, {"get", "hello", "put", "create", "odd", "import"}),
        (Grant(ALL.actions), {"get", "hello", "put", "create", "odd"}),
    ],
    ids=["nothing", "reads", "everything", "all but what changes data in ways of its own"],
)
def test_what_is_not_granted_goes_to_the_core(desk, grant, to_source) -> None:
    desk.grant = grant
    calls = ("get", "hello", "put", "create", "odd", "import")
    assert {call: went(desk, call) for call in calls} == {call: "source" if call in to_source else "core" for call in calls}


def test_a_share_of_the_reads_goes_to_the_core_as_drawn(desk) -> None:
    desk.grant = Grant(SAMPLED, shadow=0.2, canary=0.1)
    ways = Counter(went(desk, "get") for _ in range(5000))
    assert set(ways) == {"source", "drawn"}
    assert ways["drawn"] == pytest.approx(5000 * (0.2 + 0.1 - 0.02), abs=150)


def test_only_what_went_past_the_core_is_counted_and_only_once(desk) -> None:
    desk.grant = WATCHED
    for call in ("get", "get", "put"):
        went(desk, call)
    desk.grant = Grant(SAMPLED)
    went(desk, "get")
    route = TalkingFrontend().route(b"POST", b"/get", "rest")
    assert desk.taken() == {(route, Action.RELAY): 2, (route, Action.SAMPLE): 1}
    assert desk.taken() == {}


def test_what_may_be_sent_again_to_the_source_may_be_sent_again_to_the_core() -> None:
    desk = Desk(lambda *_: Route(Kind.READ, "get", Retry.SAFE), WAYS, Draw(0), traced=0.0)
    for grant in (NOTHING, WATCHED, Grant(SAMPLED, shadow=1.0)):
        desk.grant = grant
        exchange = FakeExchange(request("get", "c"))
        desk.begin(exchange, "rest")
        assert exchange.said.relay.retry is Retry.SAFE
