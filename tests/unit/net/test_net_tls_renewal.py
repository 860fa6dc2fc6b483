"""TLS files that are renewed while clients work: nobody notices, and who connects anew sees what is new."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc.aio
import pytest
import trustme
from aiohttp import web
from cryptography import x509
from fakes.certificates import Issued, Mounted

from proxy.config import TlsConfig


@pytest.fixture(autouse=True)
def at_each_handshake(monkeypatch) -> None:
    """Not once a second."""
    monkeypatch.setattr("proxy.certificates.LOOK", 0.0)


@pytest.fixture
def issued(tmp_path) -> Issued:
    return Issued(tmp_path / "listening", trustme.CA())


async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return request


class Echo(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(echo)


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    """Plain."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


async def shown(proxy, issued: Issued, *, show: bool = False, trusting: ssl.SSLContext | None = None) -> int:
    """The serial number of the certificate in a new handshake, which is also used for something."""
    context = trusting or issued.trusting("h2", show=show)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=context, server_hostname="localhost")
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    try:
        assert (await reader.readexactly(4))[3] == 4  # its SETTINGS
        return x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True)).serial_number
    finally:
        writer.close()


class Application:
    """Calls all the time, over one long connection and over ever new ones."""

    def __init__(self, proxy, issued: Issued) -> None:
        self.address = f"localhost:{proxy.port}"
        self.credentials = grpc.ssl_channel_credentials(issued.ca.read_bytes())
        self.calls = asyncio.Semaphore(0)

    async def work(self) -> None:
        async with grpc.aio.secure_channel(self.address, self.credentials) as kept:
            while True:
                await self.call(kept)
                own = (("grpc.use_local_subchannel_pool", 1),)
                async with grpc.aio.secure_channel(self.address, self.credentials, options=own) as anew:
                    await self.call(anew)

    async def call(self, channel: grpc.aio.Channel) -> None:
        assert await channel.unary_unary("/t/echo")(b"x" * 1000) == b"x" * 1000
        self.calls.release()

    async def more(self, count: int) -> None:
        for _ in range(count):
            await self.calls.acquire()


async def test_a_certificate_is_renewed_under_a_client_that_works(upstream, start, issued):
    proxy = await start(upstream, listen_tls=issued.listening())
    application = Application(proxy, issued)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        working = group.create_task(application.work())
        for _ in range(5):
            await application.more(4)
            serial = issued.issue()
            assert await shown(proxy, issued) == serial
        await application.more(4)
        working.cancel()
    assert proxy.listener.stats().turned_away == {}


async def test_a_mounted_secret_is_renewed_by_the_exchange_of_its_link(upstream, start, issued, tmp_path):
    mounted = Mounted(tmp_path / "mount", issued)
    proxy = await start(upstream, listen_tls=mounted.listening)
    application = Application(proxy, issued)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        working = group.create_task(application.work())
        for n in range(3):
            await application.more(2)
            following = Issued(tmp_path / f"..{n}", issued.authority)
            mounted.show(following)
            assert await shown(proxy, issued) == following.serial
        working.cancel()


async def test_a_new_file_that_is_broken_leaves_the_old_certificate_in_use(upstream, start, issued):
    proxy = await start(upstream, listen_tls=issued.listening())
    before = issued.serial
    issued.key.write_text("half a")
    assert [await shown(proxy, issued) for _ in range(3)] == [before] * 3


async def test_an_authority_of_clients_that_is_taken_away_lets_nobody_in_by_an_old_session(upstream, start, issued):
    """A ticket of TLS would else spare a client the look at its certificate."""
    proxy = await start(upstream, listen_tls=issued.listening(client_ca_file=issued.ca))
    context = issued.trusting(show=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # there the ticket comes with the handshake
    session = await asyncio.to_thread(resumed, proxy.port, context, None)
    again = await asyncio.to_thread(resumed, proxy.port, context, session)
    assert again is not None
    trustme.CA().cert_pem.write_to_path(str(issued.ca))
    with pytest.raises(ssl.SSLError, match="alert"):
        await asyncio.to_thread(resumed, proxy.port, context, session)


def resumed(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
    ):
        assert secured.session_reused == (session is not None)
        return secured.session


async def test_another_authority_of_a_side_is_followed(start, issued, tmp_path):
    side = Issued(tmp_path / "side", trustme.CA())
    server, url = await secure_web(side)
    proxy = await start(url, tls=TlsConfig(ca_file=side.ca), bridge=0.5)
    assert await status(proxy) == 200
    await server.cleanup()
    side.authority = trustme.CA()
    trusted = side.ca.read_bytes()
    side.issue()
    renewed = side.ca.read_bytes()
    side.ca.write_bytes(trusted)
    server, _ = await secure_web(side, int(url.rsplit(":", 1)[1]))
    assert await status(proxy) == 503
    side.ca.write_bytes(renewed)
    assert await status(proxy) == 200
    await server.cleanup()


async def test_our_own_certificate_towards_a_side_is_followed(start, issued, tmp_path):
    side = Issued(tmp_path / "side", trustme.CA())
    ours = Issued(tmp_path / "ours", side.authority)
    server, url = await secure_web(side, mutual=True)
    proxy = await start(url, tls=ours.showing(), bridge=0.5)
    seen = set()
    for _ in range(2):
        body = await fetched(proxy)
        seen.add(body)
        assert int(body, 16) == ours.serial
        ours.issue()
    assert len(seen) == 2
    await server.cleanup()


async def secure_web(side: Issued, port: int = 0, *, mutual: bool = False) -> tuple[web.AppRunner, str]:
    """Answers with the serial number of the client's certificate."""

    async def answer(request: web.Request) -> web.Response:
        shown = request.transport.get_extra_info("peercert") if request.transport else None
        response = web.Response(text=shown["serialNumber"] if shown else "none")
        response.force_close()  # so that each request has a handshake
        return response

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(side.ca))
    context.load_cert_chain(side.cert, side.key)
    context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
    await web.TCPSite(runner, "localhost", port, ssl_context=context).start()
    return runner, f"https://localhost:{runner.addresses[0][1]}"


async def fetched(proxy) -> str:
    return (await reply(proxy)).rpartition("\r\n\r\n")[2]


async def status(proxy) -> int:
    return int((await reply(proxy)).split()[1])


async def reply(proxy) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
