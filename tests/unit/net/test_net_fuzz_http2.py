"""HTTP/2 under mutated and arbitrary frames: the h2 library finds no fault with what goes on, and sees the same requests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_frames import DATA, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, frame
from net_memory import Begin, Http2Side, Transport, portions, run, surroundings, turns

from proxy.net.http2.fields import encode
from proxy.net.http2.inbound import ClientConnection
from proxy.net.http2.outbound import UpstreamConnection

NIGHTLY = bool(os.environ.get("VECFERRY_NIGHTLY"))
EXAMPLES = 20_000 if NIGHTLY else 300
pytestmark = pytest.mark.timeout(3600 if NIGHTLY else 300)
PRIORITY, PUSH_PROMISE, WINDOW_UPDATE, CONTINUATION = 2, 5, 8, 9

PSEUDO = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"x")]
FIELD = st.sampled_from(
    [
        (b"x-own", b"1"),
        (b"te", b"trailers"),
        (b"content-length", b"5"),
        (b"authorization", b"secret"),
        (b"x-bin", b"\xff\xfe"),
        (b"host", b"x"),
        (b"cookie", b"a=b"),
        (b"x-long", b"v" * 300),
        (b"expect", b"100-continue"),
    ]
)
BAD = st.sampled_from(
    [(b"connection", b"close"), (b"X-Upper", b"1"), (b":path", b"/again"), (b"x-nul", b"\0"), (b"host", b"y")]
)


@st.composite
def blocks(draw: st.DrawFn, stream: int) -> bytes:
    """A request's head, by our encoder or by one with a table."""
    fields = [*PSEUDO, (b":path", b"/%d" % stream), *draw(st.lists(FIELD, max_size=3))]
    match draw(st.integers(0, 9)):
        case 0:
            fields = draw(st.permutations(fields))
        case 1:
            fields = [*fields, draw(BAD)]
    return encode(fields) if draw(st.booleans()) else hpack.Encoder().encode(fields)


STREAM = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 7, 2, 9, 2**31 - 1])
BODY = st.sampled_from([b"", b"hello", b"x" * 100])


@st.composite
def sound(draw: st.DrawFn, stream: int) -> list[bytes]:
    """The frames of one request as it should be, but for the length that its head may declare."""
    block, body = draw(blocks(stream)), draw(BODY)
    ends_here = not body and draw(st.booleans())
    cut = draw(st.integers(0, len(block)))
    found = [frame(HEADERS, ends_here, stream, block[:cut]), frame(CONTINUATION, 4, stream, block[cut:])]
    if draw(st.booleans()):
        found = [frame(HEADERS, 4 | 8 | 32 | ends_here, stream, b"\3" + bytes(5) + block + bytes(3))]
    if ends_here:
        return found
    trailers = draw(st.booleans())
    found.append(frame(DATA, 8 | (not trailers), stream, b"\2" + body + bytes(2)))
    if trailers:
        found.append(frame(HEADERS, 5, stream, encode([(b"x-last", b"1")])))
    return found


ODD = st.one_of(
    st.builds(lambda s, c: [frame(RST_STREAM, 0, s, c.to_bytes(4))], STREAM, st.integers(0, 14)),
    st.builds(lambda s, n: [frame(WINDOW_UPDATE, 0, s, n.to_bytes(4))], STREAM, st.integers(0, 2**31 - 1)),
    st.builds(lambda k, v: [frame(SETTINGS, 0, 0, k.to_bytes(2) + v.to_bytes(4))], st.integers(0, 8), st.integers(0, 2**17)),
    st.just([frame(SETTINGS, 1, 0)]),
    st.just([frame(PING, 0, 0, bytes(8))]),
    st.just([frame(GOAWAY, 0, 0, bytes(8))]),
    st.builds(lambda s: [frame(PRIORITY, 0, s, s.to_bytes(4) + b"\1")], STREAM),
    st.builds(lambda s, d: [frame(DATA, 0, s, d)], STREAM, BODY),
    st.builds(lambda k, f, s, p: [frame(k, f, s, p)], st.integers(0, 12), st.integers(0, 255), STREAM, st.binary(max_size=40)),
)


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    parts = [draw(sound(1 + 2 * number)) for number in range(draw(st.integers(0, 4)))]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 3]))):
        parts.insert(draw(st.integers(0, len(parts))), draw(ODD))
    found = [piece for part in parts for piece in part]
    if draw(st.integers(0, 9)) == 0:
        found = draw(st.permutations(found))
    wire = b"".join(found)
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, max(0, len(wire) - 1)))
        wire = wire[:at] + draw(st.binary(max_size=2)) + wire[at + draw(st.integers(0, 2)) :]
    return wire


SIZES = st.lists(st.integers(1, 80), max_size=6)


class Strict:
    """The h2 library as a server: raises where its peer breaks a rule, and answers what it gets."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding=None, normalize_inbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.requests: dict[int, tuple[tuple[bytes, bytes], ...]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: list[int] = []

    def read(self, wire: bytes) -> None:
        for event in self.h2.receive_data(wire):
            self._on(event)

    def talk(self, relay: UpstreamConnection) -> None:
        assert isinstance(relay.transport, Transport)
        self.read(relay.transport.taken())
        if (said := self.h2.data_to_send()) and not relay.closed:
            relay.data_received(said)

    @property
    def whole(self) -> dict[bytes, bytes]:
        """Bodies and trailers of whole requests by their path."""
        return {dict(self.requests[stream_id])[b":path"]: self.bodies[stream_id] for stream_id in self.ended}

    def _on(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                self.requests[event.stream_id] = tuple(event.headers)
                self.bodies[event.stream_id] = b""
            case h2.events.DataReceived():
                self.bodies[event.stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.TrailersReceived():
                self.bodies[event.stream_id] += repr(event.headers).encode()
            case h2.events.StreamEnded():
                self.ended.append(event.stream_id)
                with suppress(h2.exceptions.ProtocolError):  # reset in the same breath
                    self.h2.send_headers(event.stream_id, [(b":status", b"200")])
                    self.h2.send_data(event.stream_id, b"hello", end_stream=True)


class Outcome:
    def __init__(self, strict: Strict, begin: Begin, transport: Transport) -> None:
        self.strict = strict
        self.begun = begin.exchanges
        self.transport = transport


async def relay(wire: bytes, sizes: Sequence[int]) -> Outcome:
    side, transport, around = Http2Side(), Transport(), surroundings()
    strict, begin = Strict(), Begin(side)
    connection = ClientConnection(begin, around, lambda connection: None)
    connection.connection_made(transport)
    strict.talk(side.connection)
    for part in (PREFACE + frame(SETTINGS, 0, 0), *portions(wire, sizes)):
        connection.data_received(part)
        for _ in range(3):
            await turns(2)
            strict.talk(side.connection)
    closed = connection.closed
    connection.connection_lost(None)
    await turns(2)
    strict.talk(side.connection)
    assert around.budget.used == 0
    assert not connection.streams
    assert not side.connection.streams, "nothing is left upstream behind a client that is gone"
    check_told(bytes(transport.written), closed)
    side.connection.closed or side.connection.close()
    return Outcome(strict, begin, transport)


def check_told(written: bytes, closed: bool) -> None:
    """Whole frames; a connection that we ended was told why."""
    kinds, at = [], 0
    while at < len(written):
        size = int.from_bytes(written[at : at + 3])
        kinds.append(written[at + 3])
        at += 9 + size
    assert at == len(written)
    assert not closed or GOAWAY in kinds


def check(wire: bytes, sizes: Sequence[int]) -> None:
    found = run(relay(wire, sizes))
    seen = list(found.strict.requests.values())
    assert len(seen) <= len(found.begun)
    for headers, exchange in zip(seen, found.begun, strict=False):
        assert dict(headers)[b":path"] == exchange.path
        assert tuple(field for field in headers if field[0][:1] != b":") == exchange.headers()
    relayed, direct = found.strict.whole, directly(wire).whole
    both = relayed.keys() & direct.keys()
    assert [relayed[path] for path in both] == [direct[path] for path in both]


def directly(wire: bytes) -> Strict:
    """What the h2 library sees of the same bytes without a relay, up to the first fault that it finds."""
    strict = Strict()
    with suppress(h2.exceptions.ProtocolError):
        strict.read(PREFACE + frame(SETTINGS, 0, 0))
        for part in split(wire):
            strict.read(part)
    return strict


def split(wire: bytes) -> list[bytes]:
    """Frame by frame: the library forgets what it read before a fault in the same bytes."""
    parts, at = [], 0
    while at + 9 <= len(wire):
        size = 9 + int.from_bytes(wire[at : at + 3])
        parts.append(wire[at : at + size])
        at += size
    return parts


@settings(max_examples=EXAMPLES, deadline=None)
@given(conversations(), SIZES)
def test_the_h2_library_finds_no_fault_with_what_goes_on(wire: bytes, sizes: list[int]) -> None:
    check(wire, sizes)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(st.binary(max_size=300), SIZES)
def test_any_bytes_end_in_frames_or_a_goaway(wire: bytes, sizes: list[int]) -> None:
    check(wire, sizes)
