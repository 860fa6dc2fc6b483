from __future__ import annotations

import pytest
from fakes.plain_frontend import put
from fakes.sidecar import FakeExchange, TalkingFrontend

from proxy import door
from proxy.door import Door


class Inside:
    def __init__(self) -> None:
        self.seen: list[FakeExchange] = []

    def begin(self, exchange: FakeExchange, role: str) -> None:
        self.seen.append(exchange)


def test_those_who_come_early_go_in_first() -> None:
    inside, closed = Inside(), Door(TalkingFrontend())
    exchanges = [FakeExchange(put("c", (n, 1.0))) for n in range(3)]
    for exchange in exchanges[:2]:
        closed.begin(exchange, "rest")
    assert inside.seen == []
    closed.open(inside)
    closed.begin(exchanges[2], "rest")
    assert inside.seen == exchanges


async def test_too_many_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAITING_LIMIT", 0)
    request = put("c", (1, 1.0))
    exchange = FakeExchange(request)
    Door(TalkingFrontend()).begin(exchange, "rest")
    assert (await exchange.said.work(request)).status == 503
