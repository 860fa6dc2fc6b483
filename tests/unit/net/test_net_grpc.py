"""The official gRPC client and server on both sides of the relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from net_grpc_service import UNLIMITED, Signals, serve

BIG = 3 * 2**20 + 17


@pytest.fixture(autouse=True)
async def signals() -> None:
    Signals.clear()


@pytest.fixture
async def server() -> AsyncIterator[str]:
    server, url = await serve()
    yield url
    await server.stop(None)


@pytest.fixture(params=["one hop", "through a Unix socket"])
async def proxy(server, start, tmp_path, request):
    if request.param == "one hop":
        return await start(server)
    inner = await start(server, address=f"unix:{tmp_path}/core.sock")
    return await start(inner.address)


@pytest.fixture
async def channel(proxy) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(proxy.address, options=UNLIMITED) as channel:
        yield channel


async def test_a_call_with_its_metadata_comes_back(channel):
    call = channel.unary_unary("/t/echo")(b"hello", metadata=(("x-sent", "yes"), ("x-bin", b"\0\1\2")))
    assert await call == b"hello"
    assert ("x-seen", "yes") in list(await call.initial_metadata())
    assert ("x-last", "trailer") in list(await call.trailing_metadata())


async def test_an_empty_message_comes_back(channel):
    assert await channel.unary_unary("/t/echo")(b"") == b""


async def test_big_messages_pass_both_ways(channel):
    body = bytes(range(256)) * (BIG // 256)
    assert await channel.unary_unary("/t/echo")(body) == body


async def test_many_calls_at_once_share_a_connection(channel, proxy):
    bodies = [b"%d" % number * 1000 for number in range(300)]
    assert await asyncio.gather(*[channel.unary_unary("/t/echo")(body) for body in bodies]) == bodies
    assert proxy.listener.stats().connections == 1


async def test_compressed_messages_pass(channel):
    call = channel.unary_unary("/t/echo")(b"z" * 10_000, compression=grpc.Compression.Gzip)
    assert await call == b"z" * 10_000


async def test_an_error_without_a_message_passes(channel):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/t/refuse")(b"")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "nothing é 100 % here"


async def test_an_unknown_method_is_refused_by_the_upstream(channel):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/t/missing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_replies_can_stream(channel):
    assert [int(part) async for part in channel.unary_stream("/t/count")(b"500")] == list(range(500))


async def test_requests_can_stream(channel):
    async def requests():
        for _ in range(200):
            yield b"x" * 5000

    assert await channel.stream_unary("/t/total")(requests()) == b"1000000"


async def test_both_can_stream_in_turn(channel):
    call = channel.stream_stream("/t/talk")()
    for word in (b"a", b"bc", b"d" * 100_000):
        await call.write(word)
        assert await call.read() == word * 2
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_the_deadline_reaches_the_upstream(channel):
    assert 15 < int(await channel.unary_unary("/t/remaining")(b"", timeout=20)) <= 21


async def test_a_passed_deadline_cancels_the_upstream(channel):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/t/sleep")(b"", timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(Signals.ended.wait(), 5)


async def test_a_drain_lets_calls_finish(channel, proxy):
    call = channel.unary_unary("/t/nap")(b"rested")
    await asyncio.wait_for(Signals.started.wait(), 5)
    await proxy.listener.drain(5)
    assert proxy.listener.stats().connections == 0
    assert await call == b"rested"


async def test_another_process_takes_the_port_over_without_an_error(channel, proxy, server, start):
    async def work() -> None:
        for _ in range(200):
            assert await channel.unary_unary("/t/echo")(b"x") == b"x"

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(work())
        await asyncio.sleep(0.05)
        successor = await start(server, address=proxy.address)
        await proxy.listener.drain(5)
    assert proxy.listener.stats().connections == 0
    assert successor.listener.stats().connections == 1


async def test_a_cancelled_call_is_cancelled_upstream(channel):
    call = channel.unary_unary("/t/sleep")(b"")
    await asyncio.wait_for(Signals.started.wait(), 5)
    call.cancel()
    await asyncio.wait_for(Signals.ended.wait(), 5)
    assert await channel.unary_unary("/t/echo")(b"still") == b"still"
