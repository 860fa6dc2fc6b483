"""TLS and mTLS towards clients and towards the upstream, both protocols on one port."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import grpc
import grpc.aio
import pytest
import trustme
from aiohttp import web

from proxy.config import ListenTls, TlsConfig
from proxy.errors import ConfigError


class Files(NamedTuple):
    ca: Path
    cert: Path
    key: Path
    authority: trustme.CA


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Files:
    root = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(root / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(root / "cert.pem"))
    issued.private_key_pem.write_to_path(str(root / "key.pem"))
    return Files(root / "ca.pem", root / "cert.pem", root / "key.pem", authority)


class Echo(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self.hosts: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return request

        return grpc.unary_unary_rpc_method_handler(echo)


@pytest.fixture
async def grpc_server(files, request) -> AsyncIterator[str]:
    """Over TLS; with the parameter "mutual" clients must show a certificate."""
    mutual = getattr(request, "param", "") == "mutual"
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_secure_port(
        "localhost:0", grpc.ssl_server_credentials([pair], files.ca.read_bytes() if mutual else None, mutual)
    )
    await server.start()
    yield f"https://localhost:{port}"
    await server.stop(None)


def channel_to(proxy, files, *, show: bool = False) -> grpc.aio.Channel:
    own = (files.key.read_bytes(), files.cert.read_bytes()) if show else (None, None)
    return grpc.aio.secure_channel(f"localhost:{proxy.port}", grpc.ssl_channel_credentials(files.ca.read_bytes(), *own))


async def test_grpc_passes_over_tls_on_both_sides(grpc_server, start, files):
    proxy = await start(
        grpc_server, tls=TlsConfig(ca_file=files.ca), listen_tls=ListenTls(cert_file=files.cert, key_file=files.key)
    )
    async with channel_to(proxy, files) as channel:
        assert await channel.unary_unary("/t/echo")(b"x" * 300_000) == b"x" * 300_000


async def test_tls_may_be_on_one_side_only(grpc_server, start, files):
    proxy = await start(grpc_server, tls=TlsConfig(ca_file=files.ca))
    async with grpc.aio.insecure_channel(proxy.address) as channel:
        assert await channel.unary_unary("/t/echo")(b"x") == b"x"


@pytest.mark.parametrize("grpc_server", ["mutual"], indirect=True)
async def test_certificates_are_shown_and_asked_for_on_both_sides(grpc_server, start, files):
    towards = TlsConfig(ca_file=files.ca, cert_file=files.cert, key_file=files.key)
    listening = ListenTls(cert_file=files.cert, key_file=files.key, client_ca_file=files.ca)
    proxy = await start(grpc_server, tls=towards, listen_tls=listening)
    async with channel_to(proxy, files, show=True) as channel:
        assert await channel.unary_unary("/t/echo")(b"x") == b"x"
    async with channel_to(proxy, files) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/t/echo")(b"x", timeout=2)


async def test_a_certificate_that_does_not_chain_is_told(grpc_server, start, files, tmp_path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    proxy = await start(grpc_server, tls=TlsConfig(ca_file=tmp_path / "other.pem"), bridge=0.2)
    async with grpc.aio.insecure_channel(proxy.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t/echo")(b"x")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "certificate verify failed" in str(caught.value.details())


async def test_an_unchecked_certificate_passes_where_the_operator_says_so(grpc_server, start):
    proxy = await start(grpc_server, tls=TlsConfig(verify=False))
    async with grpc.aio.insecure_channel(proxy.address) as channel:
        assert await channel.unary_unary("/t/echo")(b"x") == b"x"


async def test_http_1_1_and_grpc_share_a_tls_port(start, files):
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"host": request.host, "body": (await request.read()).decode()})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)
    site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    proxy = await start(
        f"https://localhost:{port}",
        tls=TlsConfig(ca_file=files.ca),
        listen_tls=ListenTls(cert_file=files.cert, key_file=files.key),
    )
    trusting = ssl.create_default_context(cafile=str(files.ca))
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(f"https://localhost:{proxy.port}/a", data=b"hi", ssl=trusting) as reply:
                assert await reply.json() == {"host": f"localhost:{port}", "body": "hi"}
    await runner.cleanup()


async def test_files_that_cannot_be_used_are_told_at_the_start(start, tmp_path):
    with pytest.raises(ConfigError, match="cannot be used"):
        await start("https://localhost:1", tls=TlsConfig(ca_file=tmp_path / "missing.pem"))
