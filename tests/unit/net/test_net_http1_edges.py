"""HTTP/1.1 where its rules meet: targets, half-closed connections, old clients, connections that end."""

from __future__ import annotations

import asyncio

import pytest
from net_h1_peers import OK

from proxy.ports import Retry

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_all_pipelined_requests_are_answered_to_a_client_that_has_closed_its_half(h1_client, h1_server):
    h1_client.send(GET % b"1" + GET % b"2" + GET % b"3")
    h1_client.writer.write_eof()
    assert (await h1_client.rest()).count(b"\r\n\r\nok") == 3
    assert [head.split()[1] for head in h1_server.heads] == [b"/1", b"/2", b"/3"]


@pytest.mark.parametrize("last", [b"GET /2 HTT", b"POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc"])
async def test_what_is_incomplete_at_the_end_is_not_waited_for(h1_client, h1_proxy, last):
    h1_client.send(GET % b"1" + last)
    h1_client.writer.write_eof()
    assert (await h1_client.rest()).count(b"\r\n\r\nok") == 1
    await h1_proxy.listener.drain(5)
    assert h1_proxy.listener.stats().connections == 0


async def test_an_absolute_target_becomes_a_path(h1_client, h1_server, h1_proxy):
    h1_client.send(b"GET http://X:80/a?b HTTP/1.1\r\nHost: x:80\r\nA: b\r\n\r\n")
    await h1_client.receive(OK)
    assert h1_server.heads == [b"GET /a?b HTTP/1.1\r\nHost: x:80\r\nA: b\r\n\r\n"]
    assert h1_proxy.handler.begun[0].path == b"/a?b", "whoever routes by paths must not be got around"


async def test_an_absolute_target_without_a_path_is_the_root(h1_client, h1_server):
    h1_client.send(b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n")
    await h1_client.receive(OK)
    assert h1_server.heads == [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]


TARGETS = {
    "another host than Host": b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a user in the host": b"GET http://x@y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "another scheme": b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a star": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no slash": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a host with a user": b"GET / HTTP/1.1\r\nHost: x@y\r\n\r\n",
    "two hosts in one": b"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
    "a control character": b"GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab": b"GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("wire", TARGETS.values(), ids=TARGETS)
async def test_a_target_that_two_servers_could_read_in_two_ways_is_refused(h1_client, h1_server, wire):
    h1_client.send(wire)
    assert (await h1_client.rest()).startswith(b"HTTP/1.1 400 ")
    assert h1_server.heads == []


async def test_a_star_is_a_target_of_options(h1_client, h1_server):
    h1_client.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    await h1_client.receive(OK)
    assert h1_server.heads == [b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"]


async def test_a_client_of_http_1_0_cannot_expect_and_sees_no_interim_reply(h1_client, h1_server):
    async def script(reader, writer):
        assert b"xpect" not in await h1_server.head(reader)
        await reader.readexactly(3)
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)

    h1_server.script = script
    h1_client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    await asyncio.sleep(0.02)
    h1_client.send(b"abc")
    reply = await h1_client.rest()
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert reply.endswith(b"\r\n\r\nok")


async def test_a_client_that_does_not_wait_is_not_told_to_continue(h1_client):
    h1_client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
    await h1_client.receive(OK)


async def test_a_reply_to_head_may_announce_chunks(h1_client, h1_server):
    announced = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def script(reader, writer):
        while await h1_server.head(reader):
            writer.write(announced)

    h1_server.script = script
    for _ in range(2):
        h1_client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        await h1_client.receive(announced)
    assert h1_server.connections == 1


async def test_a_connection_that_the_upstream_ends_is_not_used_again_and_the_clients_lives_on(h1_client, h1_server):
    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await reader.read()

    h1_server.script = script
    for _ in range(2):
        h1_client.send(GET % b"")
        await h1_client.receive(OK)
    assert h1_server.connections == 2


async def test_nothing_behind_a_clients_last_request_is_read(h1_client, h1_server):
    h1_client.send(b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET % b"2")
    assert (await h1_client.rest()).count(b"HTTP/1.1 ") == 1
    assert len(h1_server.heads) == 1


@pytest.mark.parametrize(("retry", "seen"), [(Retry.SAFE, b" 200 "), (Retry.NEVER, b" 502 ")])
async def test_a_kept_connection_that_dies_under_a_request(h1_client, h1_server, h1_proxy, notes, retry, seen):
    async def script(reader, writer):
        await h1_server.head(reader)
        writer.write(OK)
        if h1_server.connections == 1:
            await h1_server.head(reader)
            writer.transport.abort()

    h1_server.script = script
    h1_proxy.handler.watch(notes(), retry)
    h1_client.send(GET % b"1")
    await h1_client.receive(OK)
    h1_client.send(GET % b"2")
    assert seen in await h1_client.receive_head()
    assert [head.split()[1] for head in h1_server.heads] == [b"/1", b"/2", b"/2"][: 2 + (retry is Retry.SAFE)]
