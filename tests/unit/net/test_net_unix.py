"""Two relays with a Unix socket between them, as a worker and the core have it. gRPC through it: test_net_grpc.py."""

from __future__ import annotations

import asyncio
import os
import stat

from net_ports import Port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server(Port):
    """`gate` holds its answers back."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.seen.append(await reader.readuntil(b"\r\n\r\n"))
            await self.gate.wait()
            writer.write(OK)


async def ask(port: int, wire: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(wire)
        async with asyncio.timeout(5):
            return await reader.readexactly(len(OK))
    finally:
        writer.close()


async def test_http1_passes_untouched_and_the_socket_is_private(start, tmp_path) -> None:
    server = Server()
    await server.start()
    socket = tmp_path / "core.sock"
    core = await start(server.url, address=f"unix:{socket}")
    worker = await start(f"unix:{socket}")
    wire = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Odd-Case: y\r\n\r\n"
    assert await ask(worker.port, wire) == OK
    assert server.seen == [wire]
    assert core.address == f"unix:{socket}"
    assert stat.S_IMODE(os.stat(socket).st_mode) == 0o600
    server.stop()


async def test_an_upstream_may_be_given_more_time_than_others(start, tmp_path) -> None:
    server = Server()
    server.gate.clear()
    await server.start()
    core = await start(server.url, address=f"unix:{tmp_path}/core.sock", first_byte_timeout=30)
    worker = await start(core.address, first_byte_timeout=0.05)
    worker.upstream.first_byte_timeout = float("inf")
    asked = asyncio.ensure_future(ask(worker.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    await asyncio.sleep(0.3)
    assert not asked.done()
    server.gate.set()
    assert await asked == OK
    server.stop()


async def test_a_core_that_is_away_is_named_by_its_path(start, tmp_path) -> None:
    worker = await start(f"unix:{tmp_path}/nobody.sock", bridge=0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    reply = await reader.read()
    assert reply.startswith(b"HTTP/1.1 503 ")
    assert f"source at {tmp_path}/nobody.sock is unavailable".encode() in reply
    writer.close()
