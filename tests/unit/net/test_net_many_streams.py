"""Very many streams on one connection, and upstreams that go away again and again under them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import psutil
import pytest
from net_frames import Client, Server

STREAMS = 100_000


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[int | None], object]]:
    servers: list[asyncio.Server] = []

    async def serve(most: int | None = None) -> tuple[str, list[Server]]:
        made: list[Server] = []

        def accept() -> Server:
            made.append(Server(most))
            return made[-1]

        servers.append(await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}", made

    yield serve
    for server in servers:
        server.close()


async def ask(proxy, count: int, open_streams: int) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(lambda: Client(count, open_streams), proxy.host, proxy.port)
    await asyncio.wait_for(client.done, 200)
    client.transport.abort()
    return client


async def test_a_hundred_thousand_streams_pass_over_one_connection_and_leave_nothing_behind(serve, start):
    url, made = await serve()
    proxy = await start(url, max_streams=200)
    proxy.handler.act = lambda exchange: exchange.relay(proxy.handler.to) or proxy.handler.begun.clear()
    await ask(proxy, 2000, 100)
    before = psutil.Process().memory_info().rss
    client = await ask(proxy, STREAMS, 100)
    grown = psutil.Process().memory_info().rss - before
    assert (client.answered, client.wrong) == (STREAMS, [])
    assert sum(server.answered for server in made) == STREAMS + 2000
    assert len(made) == 1
    assert grown < 20 * 2**20
    assert proxy.listener.stats().buffered == 0


async def test_no_request_is_lost_while_the_upstream_goes_away_every_hundred_streams(serve, start):
    url, made = await serve(100)
    proxy = await start(url, max_streams=200)
    client = await ask(proxy, 10_000, 50)
    assert (client.answered, client.wrong) == (10_000, [])
    assert sum(server.answered for server in made) == 10_000, "none was carried out twice"
    assert len(made) >= 100
