"""Replies of HTTP/1.1 under mutated and arbitrary bytes: what reaches a client is what h11 reads, or it is told they broke."""

from __future__ import annotations

import os
from dataclasses import dataclass

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_memory import Transport, portions, run

from proxy.net.ends import Failure, Kind, Piece, UpstreamEnd
from proxy.net.http1.outbound import UpstreamConnection

NIGHTLY = bool(os.environ.get("VECFERRY_NIGHTLY"))
EXAMPLES = 20_000 if NIGHTLY else 300
pytestmark = pytest.mark.timeout(3600 if NIGHTLY else 300)
REQUEST = Piece(Kind.HEAD, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"", True)

STARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 X",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 500 ",
    ]
)
INTERIM = st.sampled_from([b"", b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n"])
FIELDS = st.sampled_from(
    [
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: keep-alive, x-own",
        b"Keep-Alive: timeout=5",
        b"X-Own: \xe9t\xe9 ",
        b"Upgrade: h2c",
    ]
)
BODIES = st.sampled_from(
    [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", b"5  \r\nhello\r\n0\r\n\r\n"]
)
ODD = st.sampled_from([b"\r", b"\n", b" ", b"\t", b"\0", b":", b",", b"\xff", b"0", b"-", b""])


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    lines = b"\r\n".join([draw(STARTS), *draw(st.lists(FIELDS, max_size=3)), b"", b""])
    wire = draw(INTERIM) + lines + draw(BODIES) + draw(st.sampled_from([b"", b"", b"HTTP/1.1 200 OK\r\n\r\n"]))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, len(wire)))
        wire = wire[:at] + draw(ODD) + wire[at + draw(st.integers(0, 2)) :]
    return wire


class Waiting:
    """ends.Caller that writes down the reply."""

    def __init__(self) -> None:
        self.wire = b""
        self.content = b""
        self.ended = False
        self.failure: Failure | None = None

    def attached(self, end: UpstreamEnd) -> None: ...

    def request_drained(self, size: int) -> None: ...

    def reply(self, piece: Piece) -> None:
        assert not self.ended, "nothing comes behind the end"
        assert self.failure is None
        self.wire += piece.wire if piece.kind is not Kind.INTERIM else b""
        self.content += piece.content
        self.ended = piece.end

    def failed(self, failure: Failure) -> None:
        assert not self.ended
        assert self.failure is None, "told once"
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Seen:
    status: int
    content: bytes


def by_h11(wire: bytes) -> Seen | None:
    """The first final reply to a GET in these bytes and their end; None where it is not whole or sound."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    connection.receive_data(b"")
    status, content = 0, b""
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                content += event.data
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.RemoteProtocolError:
        return None
    return Seen(status, content)


async def check(wire: bytes, sizes: list[int]) -> None:
    transport, waiting = Transport(), Waiting()
    freed: list[UpstreamConnection] = []
    connection = UpstreamConnection("source", None, 4096, freed.append)
    connection.connection_made(transport)
    connection.take(waiting)
    connection.send(REQUEST)
    for part in portions(wire, sizes):
        if not transport.closed:
            connection.data_received(part)
    connection.connection_lost(None)
    assert waiting.ended is (waiting.failure is None), "a reply ends or fails"
    assert connection.closed
    if waiting.ended:
        assert by_h11(waiting.wire) == Seen(int(waiting.wire[9:12]), waiting.content)
        direct = by_h11(wire)
        assert direct is None or direct == by_h11(waiting.wire)


SIZES = st.lists(st.integers(1, 60), max_size=6)


@settings(max_examples=EXAMPLES, deadline=None)
@given(replies(), SIZES)
def test_a_reply_is_what_another_parser_reads_or_broken(wire: bytes, sizes: list[int]) -> None:
    run(check(wire, sizes))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(st.binary(max_size=200).map(lambda wire: b"HTTP/1.1 " + wire), SIZES)
def test_any_bytes_are_a_reply_or_broken(wire: bytes, sizes: list[int]) -> None:
    run(check(wire, sizes))
