"""Requests of HTTP/1.1 whose end two servers could see in different places: refused, and nothing of them goes on."""

from __future__ import annotations

import asyncio

import pytest

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
SMUGGLING = {
    "length and chunked": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "the same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "a bare LF after the start": b"GET / HTTP/1.1\nHost: x\n\n",
    "a bare LF in a field": POST + b"A: b\nC: d\r\n\r\n",
    "a bare CR": POST + b"A: b\rC: d\r\n\r\n",
    "a fold": POST + b"A: b\r\n c\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "NUL in a value": POST + b"A: \0\r\n\r\n",
    "another coding last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "a coding twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
    "a disguised coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": POST + b"Host: y\r\n\r\n",
    "three codings": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a coding in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a coding with a parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "no coding": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "a coding in a fold": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a coding behind a bare CR": POST + b"A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a tab before the colon": POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a name": POST + b"Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n",
    "a letter that is none in a name": POST + b"Transfer\xadEncoding: chunked\r\n\r\n0\r\n\r\n",
    "a field before the first": b"POST / HTTP/1.1\r\n Host: x\r\n\r\n",
    "an empty length": POST + b"Content-Length:\r\n\r\nabc",
    "a length in hex": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "a length with a blank": POST + b"Content-Length: 1 2\r\n\r\nabc",
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "a length beyond all": POST + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "a length as a fraction": POST + b"Content-Length: 3.0\r\n\r\nabc",
    "a length and another coding": POST + b"Content-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "a bare CR after the start": b"GET / HTTP/1.1\rHost: x\r\n\r\n",
    "two CRs": b"GET / HTTP/1.1\r\r\nHost: x\r\n\r\n",
    "a version in lower case": b"GET / http/1.1\r\nHost: x\r\n\r\n",
    "a version of three": b"GET / HTTP/1.1.1\r\nHost: x\r\n\r\n",
    "something behind the version": b"GET / HTTP/1.1 x\r\nHost: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no field name": POST + b": x\r\n\r\n",
    "a line that is no field": POST + b"what\r\n\r\n",
}


OTHERWISE = {
    "an empty coding before": (b"501", POST + b"Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n"),
    "an old version": (b"505", b"GET / HTTP/0.9\r\nHost: x\r\n\r\n"),
    "a tab instead of a blank": (b"501", b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method in lower case": (b"501", b"get / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a blank before the method": (b"501", b" GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "no version": (b"505", b"GET /\r\nHost: x\r\n\r\n"),
}


@pytest.mark.parametrize(("status", "wire"), OTHERWISE.values(), ids=OTHERWISE)
async def test_what_is_not_spoken_is_refused_as_such_and_goes_no_further(h1_client, h1_server, status, wire):
    h1_client.send(wire + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    reply = await h1_client.rest()
    assert (reply.split()[1], reply.count(b"\r\n\r\n"), h1_server.heads) == (status, 1, [])


@pytest.mark.parametrize("wire", SMUGGLING.values(), ids=SMUGGLING)
async def test_ambiguous_requests_are_refused(h1_client, h1_server, wire):
    h1_client.send(wire)
    reply = await h1_client.rest()
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in reply
    assert h1_server.heads == []


async def test_codings_that_nobody_speaks_are_refused(h1_client, h1_server):
    h1_client.send(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n")
    assert (await h1_client.rest()).startswith(b"HTTP/1.1 501 ")


BROKEN_CHUNKS = [
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3 ;x\r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n",
    b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    b"3;a\0\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    b"\r\n3\r\nabc\r\n0\r\n\r\n",
    b"0\r\nno field\r\n\r\n",
    b"0\r\nX: y\n\r\n",
    b"0\r\n X: y\r\n\r\n",
    b"3\nabc\r\n0\r\n\r\n",
    b"x\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"-1\r\n",
    b"3 3\r\nabc\r\n",
    b"f" * 20 + b"\r\n",
    b";" * 300,
]


@pytest.mark.parametrize("wire", BROKEN_CHUNKS)
async def test_a_broken_chunk_ends_the_connection_without_a_whole_request_upstream(h1_client, h1_server, wire):
    h1_client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + wire)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await h1_client.receive_head()


async def test_a_head_that_is_too_large_is_refused(h1_client):
    h1_client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000)
    assert (await h1_client.rest()).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", b"501"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
    ],
)
async def test_what_is_not_spoken_is_refused_by_name(h1_client, wire, status):
    h1_client.send(wire)
    assert (await h1_client.rest()).split()[1] == status
