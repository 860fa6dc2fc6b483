"""The moment between a work's decision and its relay."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from proxy.errors import ProxyError
from proxy.net.ends import Kind, Piece, RequestHead
from proxy.net.exchange import Exchange, Surroundings
from proxy.net.limits import Budget
from proxy.net.owned import Owned
from proxy.net.serving import Serving
from proxy.ports import RelayTo, Request


class Told:
    limit = 0
    holds_reply = False

    def __init__(self) -> None:
        self.ends: list[bool] = []

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        self.ends.append(sent)


async def test_a_client_that_leaves_between_decision_and_relay_is_told_to_the_tap() -> None:
    tap, decided = Told(), asyncio.Event()

    async def work(request: Request) -> RelayTo:
        decided.set()
        return RelayTo(SimpleNamespace(name="source"), tap=tap)

    head = Piece(Kind.HEAD, b"", b"", True)
    exchange = Exchange(None, RequestHead(b"POST", b"/", (), None), head, Surroundings(None, Budget(100), Owned(), 100))
    serving = Serving(exchange, work)
    serving.request(head)
    await decided.wait()  # the task is done, and what it decided waits for the next turn of the loop
    serving.gone()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert tap.ends == [False]
