"""Our own channel to a side: it follows the files of TLS, and a call ends on the channel that it began on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
import trustme
from fakes.certificates import Issued

from proxy.backends.grpc_channel import open_channel
from proxy.config import SideConfig, TlsConfig
from proxy.errors import ConfigError
from proxy.model.schema import Product


@pytest.fixture(autouse=True)
def at_each_call(monkeypatch) -> None:
    """Not once a second."""
    monkeypatch.setattr("proxy.certificates.LOOK", 0.0)


@pytest.fixture
def issued(tmp_path) -> Issued:
    return Issued(tmp_path / "issued", trustme.CA())


class Side(grpc.GenericRpcHandler):
    """Asks for a certificate of the authority that it was started with. `/t/wait` waits for `go`."""

    def __init__(self) -> None:
        self.go, self.waits = asyncio.Event(), asyncio.Event()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            if details.method == "/t/wait":
                self.waits.set()
                await self.go.wait()
            return request

        async def count(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            for _ in range(3):
                yield request

        if details.method == "/t/count":
            return grpc.unary_stream_rpc_method_handler(count)
        return grpc.unary_unary_rpc_method_handler(answer)

    @asynccontextmanager
    async def serving(self, issued: Issued) -> AsyncIterator[int]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((self,))
        credentials = grpc.ssl_server_credentials([issued.pair], issued.ca.read_bytes(), True)
        port = server.add_secure_port("localhost:0", credentials)
        await server.start()
        try:
            yield port
        finally:
            await server.stop(None)


def side(port: int, tls: TlsConfig) -> tuple[SideConfig, str]:
    url = f"https://localhost:{port}"
    return SideConfig(product=Product.QDRANT, url=url, tls=tls), url


@asynccontextmanager
async def channel_to(port: int, tls: TlsConfig) -> AsyncIterator[Any]:
    channel = open_channel(*side(port, tls))
    try:
        yield channel
    finally:
        await channel.close()


async def test_a_renewed_certificate_and_authority_are_used_from_the_next_call_on(issued, tmp_path):
    ours, before, after = Issued(tmp_path / "ours", issued.authority), Side(), Side()
    other = Issued(tmp_path / "other", trustme.CA())
    async with before.serving(issued) as port, after.serving(other) as later, channel_to(later, ours.showing()) as channel:
        call = channel.unary_unary("/t/echo")
        with pytest.raises(grpc.aio.AioRpcError):
            await call(b"x", timeout=5)
        assert port != later
        ours.authority = other.authority
        ours.issue()
        assert await call(b"x", timeout=5) == b"x"


async def test_a_call_that_is_under_way_ends_well_on_its_own_channel(issued, tmp_path):
    ours, far = Issued(tmp_path / "ours", issued.authority), Side()
    async with far.serving(issued) as port, channel_to(port, ours.showing()) as channel:
        waiting = asyncio.ensure_future(channel.unary_unary("/t/wait")(b"slow", timeout=10))
        await far.waits.wait()
        for _ in range(3):
            ours.issue()
            assert await channel.unary_unary("/t/echo")(b"x", timeout=5) == b"x"
        far.go.set()
        assert await waiting == b"slow"


async def test_streams_pass_too(issued, tmp_path):
    async with Side().serving(issued) as port, channel_to(port, issued.showing()) as channel:
        assert [item async for item in channel.unary_stream("/t/count")(b"x")] == [b"x"] * 3


SPOILED: dict[str, Callable[[Issued], object]] = {
    "no key": lambda issued: issued.key.write_text("?"),
    "no certificate": lambda issued: issued.cert.unlink(),
    "no authority": lambda issued: issued.ca.write_text("?"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
async def test_files_that_cannot_be_used_leave_the_channel_as_it_is_and_stop_a_start(issued, tmp_path, spoil):
    ours = Issued(tmp_path / "ours", issued.authority)
    async with Side().serving(issued) as port, channel_to(port, ours.showing()) as channel:
        call = channel.unary_unary("/t/echo")
        assert await call(b"x", timeout=5) == b"x"
        spoil(ours)
        assert [await call(b"x", timeout=5) for _ in range(3)] == [b"x"] * 3
        with pytest.raises(ConfigError, match="cannot be used"):
            open_channel(*side(port, ours.showing()))
