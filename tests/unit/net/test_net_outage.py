"""An upstream that is away, and clients that are slow: what waits, how long, and how much."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from net_ports import Port

from proxy.net import limits
from proxy.ports import Retry

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server(Port):
    """Answers HTTP/1.1, or cuts the connection instead."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = 0
        self.answers = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            self.heads += 1
            if not self.answers:
                writer.transport.abort()
            writer.write(OK)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    server.stop()


async def ask(proxy, wire: bytes = GET) -> bytes:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(wire)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    return head


async def test_many_requests_wait_for_an_upstream_that_comes_back(server, start):
    proxy = await start(server.url)
    assert b" 200 " in await ask(proxy)
    server.stop()
    asked = asyncio.gather(*[ask(proxy) for _ in range(50)])
    await asyncio.sleep(0.2)
    assert proxy.upstream.stats().waiting == 50
    assert "refused" in (proxy.upstream.stats().problem or "").lower()
    await server.start()
    assert all(b" 200 " in head for head in await asked)
    assert proxy.upstream.stats().problem is None


async def test_after_the_bridges_time_the_client_is_told(server, start):
    server.stop()
    proxy = await start(server.url, bridge=0.2)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(GET)
    reply = await asyncio.wait_for(reader.read(300), 5)
    assert reply.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert f"source at 127.0.0.1:{server.port} is unavailable: ".encode() in reply
    writer.transport.abort()


async def test_a_client_that_leaves_waits_no_more(server, start):
    server.stop()
    proxy = await start(server.url)
    _, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(GET)
    await asyncio.wait_for(proxy.handler.came.wait(), 5)
    # a reset, not a half close, after which the reply would be awaited
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    await proxy.listener.drain(5)
    assert proxy.upstream.stats().waiting == 0


async def test_a_held_reply_does_not_keep_its_connection_nor_disturb_the_next_one(server, start, notes):
    proxy = await start(server.url)
    first, second = notes(hold_reply=True), notes(hold_request=True)
    proxy.handler.watch(first)
    held = asyncio.ensure_future(ask(proxy))
    await first.until("reply")
    proxy.handler.watch(second)
    other = asyncio.ensure_future(ask(proxy))
    await second.until("request")
    first.go_reply(None)
    assert b" 200 " in await held
    second.go_request(None)
    assert b" 200 " in await other
    assert sum(proxy.upstream.stats().connections.values()) == 1


@pytest.mark.parametrize(("retry", "tries"), [(Retry.NEVER, 1), (Retry.SAFE, 2)])
async def test_only_what_is_safe_is_sent_twice(server, start, notes, retry, tries):
    server.answers = False
    proxy = await start(server.url)
    tap = notes()
    proxy.handler.watch(tap, retry)
    assert b" 502 " in await ask(proxy)
    assert (server.heads, tap.calls, tap.sent) == (tries, ["request", "failed"], True)


async def test_idle_connections_are_closed_before_the_upstream_would(server, start, set_limit):
    set_limit("proxy.net.pool.HTTP1_IDLE", 0.1)
    proxy = await start(server.url)
    await ask(proxy)
    async with asyncio.timeout(5):
        while sum(proxy.upstream.stats().connections.values()):  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0.02)


async def test_a_slow_client_stops_its_upstream_and_nobody_else(start):
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        head = await reader.readuntil(b"\r\n\r\n")
        size = 40_000_000 if b"/large" in head else 2
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        try:
            for _ in range(0, size, 100_000):
                writer.write(b"x" * min(size, 100_000))
                await writer.drain()
                sent += 100_000
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    pouring = await asyncio.start_server(pour, "127.0.0.1", 0)
    proxy = await start(f"http://127.0.0.1:{pouring.sockets[0].getsockname()[1]}")
    slow_reader, slow_writer = await asyncio.open_connection(proxy.host, proxy.port, limit=1000)
    slow_writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    await slow_reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in await ask(proxy)
    await asyncio.sleep(0.3)
    assert sent < 30_000_000  # most of it in the kernel's socket buffers
    assert proxy.listener.stats().buffered <= limits.STREAM_WINDOW + limits.WRITE_BUFFER
    slow_writer.transport.abort()
    pouring.close()


class Echo(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return request

        return grpc.unary_unary_rpc_method_handler(echo)


@pytest.fixture
async def grpc_server() -> AsyncIterator[str]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_exchanges_leave_nothing_for_the_garbage_collector(grpc_server, start):
    proxy = await start(grpc_server)
    async with grpc.aio.insecure_channel(proxy.address) as channel:
        call = channel.unary_unary("/t/echo")
        await call(b"x")
        proxy.handler.begun.clear()
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                await call(b"x")
                proxy.handler.begun.clear()
            kinds = [type(found).__name__ for found in gc.get_objects()]
        finally:
            gc.enable()
    assert max(map(kinds.count, ("Exchange", "Relay", "ClientStream", "UpstreamStream"))) <= 2
