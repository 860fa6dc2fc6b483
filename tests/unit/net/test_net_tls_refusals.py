"""Handshakes that fail, on either side: who is told what, and what it costs."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import grpc.aio
import pytest
import trustme
from fakes.certificates import Issued
from net_ports import Port

from proxy.config import TlsConfig
from proxy.net.entrance import Reason


@pytest.fixture
def issued(tmp_path) -> Issued:
    return Issued(tmp_path / "issued", trustme.CA())


class Upstream(Port):
    """Answers each first piece of each connection with `answer`, over TLS where `context` is set."""

    def __init__(self, answer: bytes = b"", context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.answer, self.context = answer, context
        self.names: list[str | None] = []

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def start(self) -> None:
        if self.context is not None:
            self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self._server = await asyncio.start_server(self._accept, "localhost", self.port, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(self.answer)


@pytest.fixture
async def serving():
    started: list[Upstream] = []

    async def serving(answer: bytes = b"", context: ssl.SSLContext | None = None) -> Upstream:
        upstream = Upstream(answer, context)
        await upstream.start()
        started.append(upstream)
        return upstream

    yield serving
    for upstream in started:
        upstream.stop()
    await asyncio.sleep(0.01)  # it closes in the next loop turns


def server_side(issued: Issued, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def asked(proxy, context: ssl.SSLContext | None = None, name: str = "localhost") -> bytes:
    """What a client of HTTP/1.1 reads."""
    server_name = name if context is not None else None
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=context, server_hostname=server_name)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    try:
        return await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


def greeted(port: int, context: ssl.SSLContext) -> None:
    """A handshake as most clients have it: asyncio's sends no alert."""
    with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain, server_hostname="localhost"):
        pass


class Blocking:
    """An upstream that sends alerts."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Blocking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):  # of accept: the end
            while True:
                plain, _ = self._listening.accept()
                with plain, suppress(ssl.SSLError), self._context.wrap_socket(plain, server_side=True) as secured:
                    secured.recv(1000)


def said(caplog) -> list[logging.LogRecord]:
    found = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not any(record.exc_info for record in found)
    return found


# ---- clients ----


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_without_a_certificate_gets_an_alert(serving, start, issued, caplog, version):
    proxy = await start((await serving(OK)).url, listen_tls=issued.listening(client_ca_file=issued.ca))
    context = issued.trusting()
    context.minimum_version = context.maximum_version = version
    for _ in range(20):
        with pytest.raises(ssl.SSLError, match=r"alert (certificate required|handshake failure)"):
            await asked(proxy, context)
    assert proxy.listener.stats().turned_away == {Reason.NO_CERTIFICATE: 20}
    assert [record.why for record in said(caplog)] == ["it shows no certificate, and listen_tls.client_ca_file asks for one"]


async def test_a_certificate_of_a_strange_client_is_refused_with_the_reason(serving, start, issued, tmp_path, caplog):
    stranger = Issued(tmp_path / "stranger", trustme.CA())
    proxy = await start((await serving(OK)).url, listen_tls=issued.listening(client_ca_file=issued.ca))
    context = issued.trusting()
    context.load_cert_chain(stranger.cert, stranger.key)
    with pytest.raises(ssl.SSLError, match="alert unknown ca"):
        await asked(proxy, context)
    assert proxy.listener.stats().turned_away == {Reason.BAD_CERTIFICATE: 1}
    assert said(caplog)[0].detail == "unable to get local issuer certificate"


async def test_clients_that_do_not_accept_our_certificate_are_told_to_the_operator(serving, start, issued, tmp_path, caplog):
    proxy = await start((await serving(OK)).url, listen_tls=issued.listening())
    distrusting = Issued(tmp_path / "other", trustme.CA()).trusting()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(greeted, proxy.port, distrusting)
    await asyncio.sleep(0.1)  # for the alert to arrive
    assert proxy.listener.stats().turned_away == {Reason.OURS_REFUSED: 1}
    assert said(caplog)[0].detail == "TLSV1_ALERT_UNKNOWN_CA"


async def test_a_client_below_the_least_version_gets_an_alert(serving, start, issued):
    proxy = await start((await serving(OK)).url, listen_tls=issued.listening(min_version="1.3"))
    context = issued.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        await asked(proxy, context)
    assert proxy.listener.stats().turned_away == {Reason.VERSION: 1}


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\1\2\3\4\5\6\7"])
async def test_clients_without_tls_are_closed_at_once_and_told_once(serving, start, issued, caplog, first):
    proxy = await start((await serving(OK)).url, listen_tls=issued.listening())
    for _ in range(50):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(first)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
    assert proxy.listener.stats().turned_away == {Reason.NO_TLS: 50}
    assert [record.why for record in said(caplog)] == ["it does not speak TLS, and this port speaks nothing else"]


async def test_clients_with_tls_on_a_plain_port_are_told_once_with_their_address(serving, start, issued, caplog):
    proxy = await start((await serving(OK)).url)
    for _ in range(20):
        with pytest.raises(ssl.SSLError, match=r"(?i)wrong.version.number|record layer failure"):
            await asked(proxy, issued.trusting())
    assert proxy.listener.stats().turned_away == {Reason.NOT_TLS_HERE: 20}
    assert [record.client for record in said(caplog)] == ["127.0.0.1"]


async def test_handshakes_under_way_are_bounded_as_connections_are(serving, start, issued):
    upstream = await serving(OK, server_side(issued))
    proxy = await start(upstream.url, tls=issued.showing(), listen_tls=issued.listening(), max_connections=5)
    silent = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(5)]
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionError):
        await asked(proxy, issued.trusting())
    assert proxy.listener.stats().turned_away == {Reason.CROWD: 1}
    for one in silent:
        one.close()
    await asyncio.sleep(0.05)
    assert (await asked(proxy, issued.trusting())).endswith(b"ok")


# ---- names and protocols ----


async def test_a_client_is_shown_the_certificate_of_the_name_that_it_asks_for(serving, start, issued, tmp_path):
    upstream = await serving(OK, server_side(issued))
    names = ("search.example", "*.wild.example")
    others = [Issued(tmp_path / f"more-{n}", issued.authority, name) for n, name in enumerate(names)]
    more = [{"cert_file": other.cert, "key_file": other.key} for other in others]
    proxy = await start(upstream.url, tls=issued.showing(), listen_tls=issued.listening(more=more))
    for name in ("search.example", "a.wild.example", "localhost"):
        assert (await asked(proxy, issued.trusting(), name)).endswith(b"ok")
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await asked(proxy, issued.trusting(), "elsewhere.example")


@pytest.mark.parametrize("offered", [(), ("http/1.1",), ("http/1.1", "h2", "other"), ("other",)])
async def test_a_client_of_http_1_1_works_whatever_it_offers(serving, start, issued, offered):
    upstream = await serving(OK, server_side(issued))
    proxy = await start(upstream.url, tls=issued.showing(), listen_tls=issued.listening())
    context = issued.trusting(*offered)
    if "h2" in offered:
        context = issued.trusting(*[one for one in offered if one != "h2"])
    assert (await asked(proxy, context)).endswith(b"ok")


async def test_an_upstream_is_asked_for_the_name_that_is_set(serving, start, tmp_path):
    issued = Issued(tmp_path / "issued", trustme.CA(), "db.internal")
    upstream = await serving(OK, server_side(issued))
    proxy = await start(upstream.url, tls=issued.showing(server_name="db.internal"))
    assert (await asked(proxy)).endswith(b"ok")
    assert upstream.names == ["db.internal"]


# ---- upstreams ----


def expired(issued: Issued) -> None:
    issued.issue(until=datetime.now(UTC) - timedelta(hours=1))


def of_another_authority(issued: Issued) -> None:
    trusted = issued.ca.read_bytes()
    issued.authority = trustme.CA()
    issued.issue()
    issued.ca.write_bytes(trusted)


def for_another_name(issued: Issued) -> None:
    issued.names = ("elsewhere.example",)
    issued.issue()


NOT_ACCEPTED = {
    "expired": (expired, "certificate has expired"),
    "unknown authority": (of_another_authority, "unable to get local issuer certificate"),
    "another name": (for_another_name, "Hostname mismatch, certificate is not valid for 'localhost'"),
}


@pytest.mark.parametrize(("spoil", "why"), NOT_ACCEPTED.values(), ids=NOT_ACCEPTED)
async def test_a_certificate_of_an_upstream_that_is_not_accepted_is_named(serving, start, issued, caplog, spoil, why):
    spoil(issued)
    upstream = await serving(OK, server_side(issued, "h2", "http/1.1"))
    proxy = await start(upstream.url, tls=TlsConfig(ca_file=issued.ca), bridge=0.5)
    for reply in await asyncio.gather(*(asked(proxy) for _ in range(30))):
        assert reply.startswith(b"HTTP/1.1 503")
        assert why.encode() in reply
    assert why in await details(proxy)
    # One line for each protocol, however many requests and dials.
    logged = [record.why for record in said(caplog)]
    assert len(logged) == 2
    assert all(why in line for line in logged)


async def details(proxy) -> str:
    """What a gRPC client is told."""
    async with grpc.aio.insecure_channel(proxy.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t/echo")(b"x", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    return str(caught.value.details())


async def test_an_upstream_without_tls_is_named(serving, start, issued):
    proxy = await start((await serving(OK)).url, tls=TlsConfig(ca_file=issued.ca), bridge=0.5)
    assert b"it does not speak TLS: use http:// in its URL" in await asked(proxy)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_upstream_that_wants_our_certificate_is_named(start, issued, version):
    context = server_side(issued, "h2", "http/1.1")
    context.load_verify_locations(issued.ca)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version
    with Blocking(context) as upstream:
        proxy = await start(upstream.url, tls=TlsConfig(ca_file=issued.ca), bridge=0.5)
        assert "it asks for a certificate of ours: give tls.cert_file" in await details(proxy)
        assert b"it asks for a certificate of ours: give tls.cert_file" in await asked(proxy)


async def test_an_upstream_below_the_least_version_is_named(start, issued):
    context = server_side(issued)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Blocking(context) as upstream:
        proxy = await start(upstream.url, tls=issued.showing(min_version="1.3"), bridge=0.5)
        assert b"see tls.min_version" in await asked(proxy)


async def test_an_upstream_that_ends_the_handshake_without_a_word_is_told(serving, start, issued):
    context = server_side(issued)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    proxy = await start((await serving(OK, context)).url, tls=issued.showing(min_version="1.3"), bridge=0.5)
    assert b"it closed the connection during the handshake" in await asked(proxy)


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
async def test_an_upstream_of_http_1_1_only_is_named_to_a_client_of_grpc(serving, start, issued, protocols):
    upstream = await serving(b"HTTP/1.1 400 Bad Request\r\n\r\n", server_side(issued, *protocols))
    proxy = await start(upstream.url, tls=issued.showing(), bridge=0.5)
    assert "it did not choose HTTP/2 (ALPN), so perhaps it speaks HTTP/1.1 only" in await details(proxy)


async def test_a_client_of_grpc_works_with_an_upstream_that_cannot_be_reached_at_first(serving, start, issued, caplog):
    caplog.set_level(logging.INFO)
    trusted = issued.ca.read_bytes()
    upstream = await serving(OK, server_side(issued))
    trustme.CA().cert_pem.write_to_path(str(issued.ca))
    proxy = await start(upstream.url, tls=TlsConfig(ca_file=issued.ca))
    waiting = asyncio.ensure_future(asked(proxy))
    await asyncio.sleep(0.2)
    issued.ca.write_bytes(trusted)
    assert (await waiting).endswith(b"ok")
    ours = [record.message for record in caplog.records if record.name == "proxy.net.pool"]
    assert ours == ["an upstream cannot be reached", "an upstream can be reached again"]
