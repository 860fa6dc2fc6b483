"""HTTP/2 where a peer errs or goes: replies that are none, stream ids that run out, clients that no longer answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h2.events
import hpack
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from net_frames import PREFACE, frame
from net_h2_peers import GRPC, Peer, echo

from proxy.net.ends import Version
from proxy.net.http2.fields import encode
from proxy.net.limits import FLOODS, Flood

HEADERS, TRAILING = 1, 4
RESETS = 3 * FLOODS[Flood.GIVEN_UP]
END_STREAM = 1
ROUNDS = 5


async def eventually(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  nobody rings a bell
            await asyncio.sleep(0.01)


BROKEN = {
    "a reply without a status": [(0, [(b"x", b"y")])],
    "a status that is no number": [(0, [(b":status", b"2x0")])],
    "a switch of protocols": [(0, [(b":status", b"101")])],
    "an interim reply that is the last": [(END_STREAM, [(b":status", b"103")])],
}


@pytest.mark.parametrize("blocks", BROKEN.values(), ids=BROKEN)
async def test_a_broken_reply_is_told_as_one_and_costs_only_its_stream(h2_server, start, h2_connect, blocks):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded) and event.stream_id == 1:
            for flags, fields in blocks:
                peer.raw(HEADERS, TRAILING | flags, event.stream_id, encode(fields))
        elif isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")], end_stream=True)

    h2_server.on = on
    client = await h2_connect(await start(h2_server.url))
    client.request(1, b"x")
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)[":status"] == "502"
    client.request(3, b"x")
    await client.first(h2.events.StreamEnded, 3)
    assert dict(client.of(h2.events.ResponseReceived, 3)[0].headers)[":status"] == "200"
    assert len(h2_server.peers) == 1


async def test_trailers_that_are_not_the_end_of_a_reply_cut_it(h2_server, start, h2_connect):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.raw(HEADERS, TRAILING, event.stream_id, encode([(b":status", b"200")]))
            peer.raw(HEADERS, TRAILING, event.stream_id, encode([(b"x", b"y")]))

    h2_server.on = on
    client = await h2_connect(await start(h2_server.url))
    client.request(1, b"x", extra=GRPC)
    trailers = await client.first(h2.events.TrailersReceived, 1)
    assert dict(trailers.headers)["grpc-status"] == "14"
    client.request(3, b"x")
    assert (await client.first(h2.events.StreamReset, 3)).error_code is ErrorCodes.INTERNAL_ERROR


async def test_an_upstream_connection_whose_stream_ids_are_used_up_is_replaced(h2_server, start, h2_connect, monkeypatch):
    monkeypatch.setattr("proxy.net.http2.outbound._LAST_ID", 9)
    proxy = await start(h2_server.url)
    client = await h2_connect(proxy)
    for number in range(22):
        client.request(1 + 2 * number, b"x")
    await client.until(lambda: len(client.of(h2.events.StreamEnded)) == 22)
    used = [max(e.stream_id for e in peer.of(h2.events.RequestReceived)) for peer in h2_server.peers]
    assert (len(used), max(used)) == (5, 9)
    await h2_server.peers[0].until(lambda: h2_server.peers[0].closed)
    assert sum(proxy.upstream.stats().connections.values()) <= 1


async def test_requests_that_are_held_back_do_not_use_more_stream_ids_than_there_are(
    h2_server, start, h2_connect, notes, monkeypatch
):
    monkeypatch.setattr("proxy.net.http2.outbound._LAST_ID", 9)
    proxy = await start(h2_server.url)
    taps = []

    def act(exchange) -> None:
        taps.append(notes(hold_request=True))
        proxy.handler.watch(taps[-1])
        exchange.relay(proxy.handler.to)

    proxy.handler.act = act
    client = await h2_connect(proxy)
    for number in range(12):
        client.request(1 + 2 * number)
    async with asyncio.timeout(5):
        while len(taps) < 12 or proxy.upstream.stats().connections[Version.HTTP2] < 3:  # noqa: ASYNC110  nobody rings a bell
            await asyncio.sleep(0.01)
    for tap in taps:
        tap.go_request(None)
    await client.until(lambda: len(client.of(h2.events.StreamEnded)) == 12)
    used = [max(e.stream_id for e in peer.of(h2.events.RequestReceived)) for peer in h2_server.peers]
    assert (len(used), max(used)) == (3, 9)


async def test_an_idle_client_that_answers_no_ping_is_left(h2_server, start, set_limit):
    set_limit("proxy.net.http2.inbound.HEAD_TIMEOUT", 0.3)
    proxy = await start(h2_server.url, idle_timeout=0.2)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
    said = await asyncio.wait_for(reader.read(), 5)
    assert said.count(b"\x07\0\0\0\0\0") == 2, "both GOAWAYs: what it sent meanwhile can be sent elsewhere"
    writer.close()


async def test_a_client_that_says_goodbye_gets_all_its_replies(h2_server, start):
    """By raw frames: the h2 library reads nothing more after our own GOAWAY."""
    waiting: list[int] = []

    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            waiting.append(event.stream_id)
            if len(waiting) == 20:
                for stream_id in waiting:
                    peer.h2.send_headers(stream_id, [(":status", "200")], end_stream=True)

    h2_server.on = on
    proxy = await start(h2_server.url)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    head = encode([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")])
    requests = [frame(HEADERS, 5, 1 + 2 * number, head) for number in range(20)]
    writer.write(PREFACE + frame(4, 0, 0) + b"".join(requests[:19]) + frame(7, 0, 0, bytes(8)) + requests[19])
    replied = 0
    async with asyncio.timeout(5):
        while seen := await reader.read(9):
            payload = await reader.readexactly(int.from_bytes(seen[:3]))
            replied += seen[3] == HEADERS
            if seen[3] == 6:
                writer.write(frame(6, 1, 0, payload))
    writer.close()
    assert replied == 20


async def test_a_stream_that_the_upstream_resets_makes_room_for_one_that_waits(h2_server, start, h2_connect, set_limit):
    set_limit("proxy.net.pool.HTTP2_CONNECTIONS", 1)

    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded) and event.stream_id == 1:
            peer.h2.reset_stream(1, ErrorCodes.CANCEL)
        elif isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")], end_stream=True)

    h2_server.on = on
    h2_server.settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
    client = await h2_connect(await start(h2_server.url))
    client.request(1, b"x")
    client.request(3, b"x")
    await client.first(h2.events.StreamEnded, 3)
    assert client.of(h2.events.StreamReset, 1)


async def test_an_upstreams_padding_priorities_and_continuations_are_taken_off(h2_server, start, h2_connect):
    head = encode([(b":status", b"200"), (b"x-own", b"y" * 100)])

    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.raw(HEADERS, 8 | 32, event.stream_id, b"\3" + bytes(5) + head[:20] + bytes(3))
            peer.raw(9, 0, event.stream_id, head[20:50])
            peer.raw(9, 4, event.stream_id, head[50:])
            peer.raw(0, 8, event.stream_id, b"\5hello" + bytes(5))
            peer.raw(0, 8 | END_STREAM, event.stream_id, b"\xff" + bytes(255))

    h2_server.on = on
    client = await h2_connect(await start(h2_server.url))
    client.request(1, b"x")
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)["x-own"] == "y" * 100
    assert client.body(1) == b"hello"
    assert sum(e.flow_controlled_length for e in client.of(h2.events.DataReceived, 1)) == 5


async def test_padding_uses_up_no_window_for_good(h2_server, start, h2_connect):
    """Of 4 MB that go by, most are padding: more than any window of ours."""
    client = await h2_connect(await start(h2_server.url))
    client.request(1, None)
    for number in range(16_000):
        client.raw(0, 8 | (END_STREAM if number == 15_999 else 0), 1, b"\xf0x" + bytes(240))
        if number % 1000 == 0:
            await client.writer.drain()
            await asyncio.sleep(0)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == b"x" * 16_000


async def test_a_ping_passes_beside_a_body_that_is_not_read(h2_server, start, h2_connect):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
            peer.h2.send_data(event.stream_id, b"x" * 16_000)
            peer.h2.send_data(event.stream_id, b"y" * 16_000)

    h2_server.on = on
    client = await h2_connect(await start(h2_server.url))
    client.grant = False
    for number in range(20):
        client.request(1 + 2 * number, b"x")
    await client.until(lambda: sum(len(client.body(1 + 2 * n)) for n in range(20)) == 65_535)
    client.send(lambda c: c.ping(b"overtake"))
    assert (await client.first(h2.events.PingAckReceived)).ping_data == b"overtake"


async def test_a_connection_that_was_made_to_reset_many_streams_is_left_for_another(h2_server, start, h2_connect):
    """An upstream may end one that resets too many, with the calls of others on it."""
    proxy = await start(h2_server.url)
    hasty, calm = await h2_connect(proxy), await h2_connect(proxy)
    h2_server.on = lambda peer, event: None
    calm.request(1, b"x")
    await h2_server.came.wait()
    first = h2_server.peers[0]
    await first.first(h2.events.StreamEnded)
    for stream_id in range(1, 2 * RESETS, 2):
        hasty.request(stream_id, None)
        hasty.send(lambda h2, stream_id=stream_id: h2.reset_stream(stream_id, ErrorCodes.CANCEL))
        await asyncio.sleep(0)
    h2_server.on = echo
    hasty.request(2 * RESETS + 1, b"y")
    await hasty.first(h2.events.StreamEnded, 2 * RESETS + 1)
    assert len(h2_server.peers) > 1
    assert len(first.of(h2.events.StreamReset)) <= FLOODS[Flood.GIVEN_UP] + 1
    first.send(lambda h2: h2.send_headers(1, [(":status", "200")], end_stream=True))
    await calm.first(h2.events.StreamEnded, 1)


async def test_connections_that_were_left_are_bounded_and_the_streams_of_those_that_end_are_told(
    h2_server, start, h2_connect, set_limit
):
    """A client that keeps a stream on each would have ten more of them open in each second."""
    set_limit("proxy.net.pool.HTTP2_LEFT", 2)
    client = await h2_connect(await start(h2_server.url))
    h2_server.on = lambda peer, event: None
    kept = []
    for number in range(ROUNDS):
        kept.append(1 + number * RESETS)
        client.request(kept[-1], b"x")
        await eventually(
            lambda number=number: len(h2_server.peers) > number and h2_server.peers[number].of(h2.events.StreamEnded)
        )
        for stream_id in range(kept[-1] + 2, kept[-1] + RESETS, 2):
            client.request(stream_id, None)
            client.send(lambda h2, stream_id=stream_id: h2.reset_stream(stream_id, ErrorCodes.CANCEL))
            await asyncio.sleep(0)
        peer = h2_server.peers[number]
        await peer.until(lambda peer=peer: len(peer.of(h2.events.StreamReset)) > FLOODS[Flood.GIVEN_UP])
    await eventually(lambda: sum(not peer.closed for peer in h2_server.peers) <= 2 + 1)
    for stream_id in kept[: ROUNDS - 3]:
        await client.first(h2.events.StreamEnded, stream_id)
        assert dict(client.of(h2.events.ResponseReceived, stream_id)[0].headers)[":status"] == "502"
    assert not client.of(h2.events.StreamEnded, kept[-1])


async def test_what_came_before_a_reset_in_the_same_read_is_passed_on_before_it(h2_server, start, h2_connect):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
            peer.h2.send_data(event.stream_id, b"half")
            peer.h2.reset_stream(event.stream_id, ErrorCodes.CANCEL)

    h2_server.on = on
    client = await h2_connect(await start(h2_server.url))
    client.request(1, b"x")
    assert (await client.first(h2.events.StreamReset, 1)).error_code is ErrorCodes.CANCEL
    assert client.body(1) == b"half"


async def test_a_client_with_a_table_that_never_acknowledges_our_settings_is_understood(h2_server, start):
    proxy = await start(h2_server.url)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    encoder = hpack.Encoder()
    fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a"), (b":authority", b"x"), (b"x-own", b"same" * 20)]
    blocks = [encoder.encode(fields) for _ in range(20)]
    assert len(blocks[1]) < 10, "by reference to the table"
    writer.write(PREFACE + frame(4, 0, 0) + b"".join(frame(HEADERS, 5, 1 + 2 * n, block) for n, block in enumerate(blocks)))
    ended = 0
    async with asyncio.timeout(5):
        while ended < 20:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3]))
            ended += head[3] == HEADERS and head[4] & END_STREAM
    writer.transport.abort()
    seen = [dict(e.headers) for e in h2_server.peers[0].of(h2.events.RequestReceived)]
    assert [head["x-own"] for head in seen] == ["same" * 20] * 20
