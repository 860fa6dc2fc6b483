"""HTTP/1.1 line by line: raw sockets on both sides of the relay."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from net_h1_peers import OK

from proxy.ports import RelayTo, Reply, Request

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Odd-Case: y\r\n\r\n"


async def test_head_and_reply_pass_untouched(h1_client, h1_server):
    h1_client.send(GET)
    await h1_client.receive(OK)
    assert h1_server.heads == [GET]


async def test_a_connection_serves_request_after_request(h1_client, h1_server):
    for _ in range(3):
        h1_client.send(GET)
        await h1_client.receive(OK)
    assert h1_server.connections == 1


async def test_pipelined_requests_are_answered_in_order(h1_client, h1_server):
    h1_client.send(GET * 2 + b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + GET)
    await h1_client.receive(OK * 4)
    assert [head.split()[1] for head in h1_server.heads] == [b"/a?b=c", b"/a?b=c", b"/b", b"/a?b=c"]


async def test_a_head_may_come_byte_by_byte(h1_client):
    for byte in GET:
        h1_client.send(bytes([byte]))
        await asyncio.sleep(0)
    await h1_client.receive(OK)


async def test_a_chunked_body_passes_as_it_came(h1_client, h1_server):
    wire = b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-T: 1\r\n\r\n"

    async def script(reader, writer):
        await h1_server.head(reader)
        assert await reader.readexactly(len(wire)) == wire
        writer.write(OK)

    h1_server.script = script
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + wire[:7])
    await asyncio.sleep(0.01)
    h1_client.send(wire[7:])
    await h1_client.receive(OK)


async def test_a_chunked_reply_passes_and_the_connection_lives_on(h1_client, h1_server):
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    async def script(reader, writer):
        while await h1_server.head(reader):
            writer.write(wire)

    h1_server.script = script
    for _ in range(2):
        h1_client.send(GET)
        await h1_client.receive(wire)
    assert h1_server.connections == 1


async def test_a_reply_without_a_length_ends_with_its_connection(h1_client, h1_server):
    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end")

    h1_server.script = script
    h1_client.send(GET)
    assert await h1_client.rest() == b"HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\nuntil the end"


async def test_a_reply_to_head_has_no_body(h1_client, h1_server):
    async def script(reader, writer):
        while await h1_server.head(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")

    h1_server.script = script
    for _ in range(2):
        h1_client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        await h1_client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    assert h1_server.connections == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_these_replies_have_no_body(h1_client, h1_server, status):
    async def script(reader, writer):
        while await h1_server.head(reader):
            writer.write(b"HTTP/1.1 %s\r\nX: y\r\n\r\n" % status)

    h1_server.script = script
    for _ in range(2):
        h1_client.send(GET)
        await h1_client.receive(b"HTTP/1.1 %s\r\nX: y\r\n\r\n" % status)


async def test_the_client_is_told_to_continue(h1_client, h1_server):
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    await h1_client.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    h1_client.send(b"abc")
    await h1_client.receive(OK)
    assert b"Expect" not in h1_server.heads[0]


async def test_other_expectations_are_refused(h1_client):
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nContent-Length: 3\r\n\r\nabc")
    assert (await h1_client.rest()).startswith(b"HTTP/1.1 417 ")


async def test_interim_replies_pass_before_the_reply(h1_client, h1_server):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    async def script(reader, writer):
        while await h1_server.head(reader):
            writer.write(early + OK)

    h1_server.script = script
    for _ in range(2):
        h1_client.send(GET)
        await h1_client.receive(early + OK)


async def test_a_reply_before_the_end_of_the_request_arrives(h1_client, h1_server):
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"

    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(early)
        await reader.read()

    h1_server.script = script
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
    assert await h1_client.rest() == early


async def test_a_client_may_close_its_half_and_still_be_answered(h1_client, h1_server):
    h1_client.send(GET)
    h1_client.writer.write_eof()
    assert (await h1_client.rest()).endswith(b"\r\nok")


async def test_upgrades_are_not_offered_and_the_request_is_served(h1_client, h1_server):
    h1_client.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    )
    await h1_client.receive(OK)
    assert h1_server.heads == [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]


async def test_fields_for_one_hop_stay_behind(h1_client, h1_server):
    h1_client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n")
    assert b"Connection: close" in await h1_client.rest()
    assert h1_server.heads == [b"GET / HTTP/1.1\r\nHost: x\r\nX-End: 2\r\n\r\n"]


async def test_naming_the_length_in_connection_does_not_remove_it(h1_client, h1_server):
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\nabc")
    await h1_client.receive(OK)
    assert b"Content-Length: 3" in h1_server.heads[0]


async def test_http_1_0_is_answered_and_closed(h1_client):
    h1_client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await h1_client.rest()).endswith(b"\r\nok")


async def test_an_upstream_that_dies_in_its_reply_does_not_make_it_look_whole(h1_client, h1_server):
    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    h1_server.script = script
    h1_client.send(GET)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await h1_client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf......")


async def test_an_upstream_that_dies_before_its_reply_is_told_as_502(h1_client, h1_server):
    async def script(reader, writer):
        await h1_server.head(reader)

    h1_server.script = script
    h1_client.send(GET)
    reply = await h1_client.receive_head()
    assert reply.startswith(b"HTTP/1.1 502 ")


BROKEN_REPLIES = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a line end before it": b"\rHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "NUL in its phrase": b"HTTP/1.1 200 \0OK\r\nContent-Length: 0\r\n\r\n",
    "two codings without a body": b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("wire", BROKEN_REPLIES.values(), ids=BROKEN_REPLIES)
async def test_a_broken_reply_is_told_as_502(h1_client, h1_server, wire):
    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(wire)

    h1_server.script = script
    h1_client.send(GET)
    assert (await h1_client.receive_head()).startswith(b"HTTP/1.1 502 ")


async def test_what_an_upstream_sends_unasked_reaches_nobody(h1_client, h1_server, h1_proxy):
    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await reader.read()

    h1_server.script = script
    for _ in range(2):
        h1_client.send(GET)
        await h1_client.receive(OK)
    assert h1_server.connections == 2


async def test_a_client_that_breaks_off_frees_its_upstream_connection(h1_client, h1_server):
    came, gone = asyncio.Event(), asyncio.Event()

    async def script(reader, writer):
        await h1_server.head(reader)
        came.set()
        await reader.read()
        gone.set()

    h1_server.script = script
    h1_client.send(GET)
    await came.wait()
    # a reset, not a half close, after which the reply would be awaited
    h1_client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    h1_client.writer.close()
    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_body_larger_than_every_buffer_passes(h1_client, h1_server):
    body = b"0123456789abcdef" * 2**18

    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + await reader.readexactly(len(body)))
        await writer.drain()

    h1_server.script = script
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await h1_client.receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def test_an_upstream_that_does_not_read_stops_the_client(h1_client, h1_server, h1_proxy):
    async def script(reader, writer):
        await h1_server.head(reader)
        await asyncio.Event().wait()

    h1_server.script = script
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 50_000_000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await h1_client.writer.drain()
    assert h1_proxy.listener.stats().received < 20_000_000


async def test_work_answers_the_request_it_was_given(h1_client, h1_server, h1_proxy):
    async def work(request: Request) -> Reply:
        return Reply(201, ((b"x-path", request.path),), request.body.upper())

    h1_proxy.handler.act = lambda exchange: exchange.serve(work)
    for _ in range(2):
        h1_client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        await h1_client.receive(b"HTTP/1.1 201 Created\r\nx-path: /p\r\ncontent-length: 5\r\n\r\nABCDE")
    assert h1_server.connections == 0


async def test_work_may_relay_what_it_was_given(h1_client, h1_server, h1_proxy):
    async def work(request: Request) -> RelayTo:
        assert request.body == b"abc"
        return h1_proxy.handler.to

    h1_proxy.handler.act = lambda exchange: exchange.serve(work)
    h1_client.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    await h1_client.receive(OK)


async def test_work_that_fails_is_answered_and_logged(h1_client, h1_proxy, caplog):
    async def work(request: Request) -> Reply:
        raise ZeroDivisionError("ours")

    h1_proxy.handler.act = lambda exchange: exchange.serve(work)
    h1_client.send(GET)
    assert (await h1_client.receive_head()).startswith(b"HTTP/1.1 500 ")
    assert "work for GET /a failed" in caplog.text
    assert "b=c" not in caplog.text, "behind the path a client may show a credential"


async def test_a_body_too_large_for_work_is_refused(h1_client, h1_proxy):
    async def work(request: Request) -> Reply:
        raise AssertionError

    h1_proxy.handler.act = lambda exchange: exchange.serve(work)
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 2_000_000)
    assert (await h1_client.receive_head()).startswith(b"HTTP/1.1 413 ")


async def test_a_handler_may_decide_later(h1_client, h1_server, h1_proxy):
    h1_proxy.handler.act = lambda exchange: None
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
    await h1_proxy.handler.came.wait()
    h1_proxy.handler.begun[0].relay(h1_proxy.handler.to)
    h1_client.send(b"c")
    await h1_client.receive(OK)
