"""HTTP/1.1 line by line: raw sockets on both sides of the relay."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from net_h1_peers import OK

from proxy.ports import RelayTo, Reply, Request


@pytest.fixture
def server(h1_server):
    return h1_server


@pytest.fixture
def proxy(h1_proxy):
    return h1_proxy


@pytest.fixture
def client(h1_client):
    return h1_client


GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Odd-Case: y\r\n\r\n"


async def test_head_and_reply_pass_untouched(client, server):
    client.send(GET)
    await client.receive(OK)
    assert server.heads == [GET]


async def test_a_connection_serves_request_after_request(client, server):
    for _ in range(3):
        client.send(GET)
        await client.receive(OK)
    assert server.connections == 1


async def test_pipelined_requests_are_answered_in_order(client, server):
    client.send(GET * 2 + b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + GET)
    await client.receive(OK * 4)
    assert [head.split()[1] for head in server.heads] == [b"/a?b=c", b"/a?b=c", b"/b", b"/a?b=c"]


async def test_a_head_may_come_byte_by_byte(client):
    for byte in GET:
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    await client.receive(OK)


async def test_a_chunked_body_passes_as_it_came(client, server):
    wire = b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-T: 1\r\n\r\n"

    async def script(reader, writer):
        await server.head(reader)
        assert await reader.readexactly(len(wire)) == wire
        writer.write(OK)

    server.script = script
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + wire[:7])
    await asyncio.sleep(0.01)
    client.send(wire[7:])
    await client.receive(OK)


async def test_a_chunked_reply_passes_and_the_connection_lives_on(client, server):
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    async def script(reader, writer):
        while await server.head(reader):
            writer.write(wire)

    server.script = script
    for _ in range(2):
        client.send(GET)
        await client.receive(wire)
    assert server.connections == 1


async def test_a_reply_without_a_length_ends_with_its_connection(client, server):
    async def script(reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end")

    server.script = script
    client.send(GET)
    assert await client.rest() == b"HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nuntil the end"


async def test_a_reply_to_head_has_no_body(client, server):
    async def script(reader, writer):
        while await server.head(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")

    server.script = script
    for _ in range(2):
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    assert server.connections == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_these_replies_have_no_body(client, server, status):
    async def script(reader, writer):
        while await server.head(reader):
            writer.write(b"HTTP/1.1 %s\r\nX: y\r\n\r\n" % status)

    server.script = script
    for _ in range(2):
        client.send(GET)
        await client.receive(b"HTTP/1.1 %s\r\nX: y\r\n\r\n" % status)


async def test_the_client_is_told_to_continue(client, server):
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    await client.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    client.send(b"abc")
    await client.receive(OK)
    assert b"Expect" not in server.heads[0]


async def test_other_expectations_are_refused(client):
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nContent-Length: 3\r\n\r\nabc")
    assert (await client.rest()).startswith(b"HTTP/1.1 417 ")


async def test_interim_replies_pass_before_the_reply(client, server):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    async def script(reader, writer):
        while await server.head(reader):
            writer.write(early + OK)

    server.script = script
    for _ in range(2):
        client.send(GET)
        await client.receive(early + OK)


async def test_a_reply_before_the_end_of_the_request_arrives(client, server):
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"

    async def script(reader, writer):
        await server.head(reader)
        writer.write(early)
        await reader.read()

    server.script = script
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
    assert await client.rest() == early


async def test_a_client_may_close_its_half_and_still_be_answered(client, server):
    client.send(GET)
    client.writer.write_eof()
    assert (await client.rest()).endswith(b"\r\nok")


async def test_upgrades_are_not_offered_and_the_request_is_served(client, server):
    client.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    )
    await client.receive(OK)
    assert server.heads == [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]


async def test_fields_for_one_hop_stay_behind(client, server):
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n")
    assert b"Connection: close" in await client.rest()
    assert server.heads == [b"GET / HTTP/1.1\r\nHost: x\r\nX-End: 2\r\n\r\n"]


async def test_naming_the_length_in_connection_does_not_remove_it(client, server):
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\nabc")
    await client.receive(OK)
    assert b"Content-Length: 3" in server.heads[0]


async def test_http_1_0_is_answered_and_closed(client):
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await client.rest()).endswith(b"\r\nok")


async def test_an_upstream_that_dies_in_its_reply_does_not_make_it_look_whole(client, server):
    async def script(reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    server.script = script
    client.send(GET)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf......")


async def test_an_upstream_that_dies_before_its_reply_is_told_as_502(client, server):
    async def script(reader, writer):
        await server.head(reader)

    server.script = script
    client.send(GET)
    reply = await client.receive_head()
    assert reply.startswith(b"HTTP/1.1 502 ")


async def test_a_broken_reply_is_told_as_502(client, server):
    async def script(reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")

    server.script = script
    client.send(GET)
    assert (await client.receive_head()).startswith(b"HTTP/1.1 502 ")


async def test_what_an_upstream_sends_unasked_reaches_nobody(client, server, proxy):
    async def script(reader, writer):
        await server.head(reader)
        writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await reader.read()

    server.script = script
    for _ in range(2):
        client.send(GET)
        await client.receive(OK)
    assert server.connections == 2


async def test_a_client_that_breaks_off_frees_its_upstream_connection(client, server):
    came, gone = asyncio.Event(), asyncio.Event()

    async def script(reader, writer):
        await server.head(reader)
        came.set()
        await reader.read()
        gone.set()

    server.script = script
    client.send(GET)
    await came.wait()
    # a reset, not a half close, after which the reply would be awaited
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.close()
    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_body_larger_than_every_buffer_passes(client, server):
    body = b"0123456789abcdef" * 2**18

    async def script(reader, writer):
        await server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + await reader.readexactly(len(body)))
        await writer.drain()

    server.script = script
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def test_an_upstream_that_does_not_read_stops_the_client(client, server, proxy):
    async def script(reader, writer):
        await server.head(reader)
        await asyncio.Event().wait()

    server.script = script
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 50_000_000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await client.writer.drain()
    assert proxy.listener.stats().received < 20_000_000


async def test_work_answers_the_request_it_was_given(client, server, proxy):
    async def work(request: Request) -> Reply:
        return Reply(201, ((b"x-path", request.path),), request.body.upper())

    proxy.handler.act = lambda exchange: exchange.serve(work)
    for _ in range(2):
        client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        await client.receive(b"HTTP/1.1 201 Created\r\nx-path: /p\r\ncontent-length: 5\r\n\r\nABCDE")
    assert server.connections == 0


async def test_work_may_relay_what_it_was_given(client, server, proxy):
    async def work(request: Request) -> RelayTo:
        assert request.body == b"abc"
        return proxy.handler.to

    proxy.handler.act = lambda exchange: exchange.serve(work)
    client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    await client.receive(OK)


async def test_work_that_fails_is_answered_and_logged(client, proxy, caplog):
    async def work(request: Request) -> Reply:
        raise ZeroDivisionError("ours")

    proxy.handler.act = lambda exchange: exchange.serve(work)
    client.send(GET)
    assert (await client.receive_head()).startswith(b"HTTP/1.1 500 ")
    assert "work for GET /a failed" in caplog.text
    assert "b=c" not in caplog.text, "behind the path a client may show a credential"


async def test_a_body_too_large_for_work_is_refused(client, proxy):
    async def work(request: Request) -> Reply:
        raise AssertionError

    proxy.handler.act = lambda exchange: exchange.serve(work)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 2_000_000)
    assert (await client.receive_head()).startswith(b"HTTP/1.1 413 ")


async def test_a_handler_may_decide_later(client, server, proxy):
    proxy.handler.act = lambda exchange: None
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
    await proxy.handler.came.wait()
    proxy.handler.begun[0].relay(proxy.handler.to)
    client.send(b"c")
    await client.receive(OK)
