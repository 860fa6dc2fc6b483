"""HTTP/1.1 under mutated and arbitrary bytes: what goes on is what h11 and llhttp read, and every connection ends well."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_memory import Begin, Http1Side, Transport, portions, run, surroundings, turns
from net_references import Seen, by_h11, by_llhttp

from proxy.net.http1.inbound import ClientConnection

NIGHTLY = bool(os.environ.get("VECFERRY_NIGHTLY"))
EXAMPLES = 20_000 if NIGHTLY else 400
pytestmark = pytest.mark.timeout(3600 if NIGHTLY else 300)

STARTS = st.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a?b=c HTTP/1.1", b"PUT /collections/x HTTP/1.1", b"HEAD / HTTP/1.1", b"GET / HTTP/1.0"]
)
FIELDS = st.sampled_from(
    [
        b"Host: x",
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Content-Length: 11",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"transfer-encoding:chunked",
        b"Connection: close",
        b"Connection: keep-alive, x-own",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"X-Own: \xe9t\xe9",
        b"X-Empty:",
        b"X-Blank: a  b\t",
        b"TE: trailers",
    ]
)
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"hello world",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        b"A\r\n0123456789\r\n00\r\n\r\n",
        b"0\r\n\r\n",
        b"1 \r\nx\r\n0\r\n\r\n",
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    fields = [b"Host: x", *draw(st.lists(FIELDS, max_size=4))]
    lines = b"\r\n".join([draw(STARTS), *draw(st.permutations(fields)), b"", b""])
    return lines + draw(BODIES)


ODD = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b",", b";", b"\x0b", b"\x7f", b"\xff", b"0", b"-", b"+", b"#"]
)
"""What parsers differ about."""


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    wire = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(wire)))
        cut = draw(st.integers(0, 2))
        wire = wire[:at] + draw(st.one_of(ODD, st.just(b""))) + wire[at + cut :]
    return wire


SIZES = st.lists(st.integers(1, 60), max_size=8)


async def relayed(wire: bytes, sizes: list[int]) -> tuple[list[bytes], bytes, Transport]:
    """The requests that went on whole, what the client was told, and its transport after its last byte."""
    side, transport = Http1Side(), Transport()
    ended: list[ClientConnection] = []
    around = surroundings()
    connection = ClientConnection(Begin(side), around, ended.append)
    connection.connection_made(transport)
    for part in portions(wire, sizes):
        if not transport.closed:
            connection.data_received(part)
            await turns()
    if not transport.closed and not connection.eof_received():
        transport.close()
    await turns(20)
    connection.connection_lost(None)
    assert around.budget.used == 0
    return side.forwarded, bytes(transport.written), transport


def check(wire: bytes, sizes: list[int]) -> None:
    forwarded, told, transport = run(relayed(wire, sizes))
    assert transport.closed, "nothing is left open behind a client's last byte"
    assert re.fullmatch(rb"(HTTP/1\.1 \d{3} [^\r\n]+\r\n(?:[^\r\n]+\r\n)*\r\n(?:[^\r\n]*\n|ok)?)*", told), told
    original = by_h11(wire)
    for number, request in enumerate(forwarded):
        (seen,) = by_h11(request) or [None]
        (other,) = by_llhttp(request) or [None]
        assert seen is not None, request
        assert other is not None, request
        assert essence(seen) == essence(other)
        if number < len(original):
            assert bare(seen) == bare(original[number])


def essence(seen: Seen) -> tuple[object, ...]:
    return seen.method, seen.target, seen.body, sorted(seen.fields)


def bare(seen: Seen) -> tuple[object, ...]:
    """Without what one hop may change."""
    return seen.method, seen.target, seen.body


@settings(max_examples=EXAMPLES, deadline=None)
@given(mutated(), SIZES)
def test_what_goes_on_is_what_other_parsers_read(wire: bytes, sizes: list[int]) -> None:
    check(wire, sizes)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text("GETPOS /HTP1.\r\n:xa0;,", max_size=200).map(str.encode)), SIZES)
def test_any_bytes_end_in_replies_or_a_close(wire: bytes, sizes: list[int]) -> None:
    check(wire, sizes)
