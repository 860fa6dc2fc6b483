"""HTTP/2 frame by frame, with the h2 library as the client and as the upstream."""

from __future__ import annotations

import asyncio
from functools import partial

import h2.events
import h2.settings
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from net_h2_peers import GRPC, Peer, Upstream

from proxy.ports import Reply, Request


@pytest.fixture
def server(h2_server) -> Upstream:
    return h2_server


@pytest.fixture
async def proxy(server, start):
    return await start(server.url, bridge=1.0)


@pytest.fixture
def connect(h2_connect, proxy):
    return partial(h2_connect, proxy)


@pytest.fixture
async def client(connect) -> Peer:
    return await connect()


async def test_a_request_and_its_reply_with_trailers_pass(client):
    client.request(1, b"hello", extra=[("x-own", "1")])
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers) == {":status": "200", "x-path": "/p"}
    assert client.body(1) == b"hello"
    assert client.of(h2.events.TrailersReceived, 1)[0].headers == [("x-trailer", "t")]


async def test_a_hundred_streams_are_answered_each_with_its_own(client):
    for number in range(100):
        client.request(1 + 2 * number, b"%d" % number, path=f"/{number}")
    await client.until(lambda: len(client.of(h2.events.StreamEnded)) == 100)
    assert [client.body(1 + 2 * number) for number in range(100)] == [b"%d" % number for number in range(100)]


async def test_clients_share_one_upstream_connection(connect, server):
    clients = [await connect() for _ in range(4)]
    for number, client in enumerate(clients):
        client.request(1, b"%d" % number)
    for number, client in enumerate(clients):
        await client.first(h2.events.StreamEnded, 1)
        assert client.body(1) == b"%d" % number
    assert len(server.peers) == 1


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_a_peer_that_keeps_a_header_table_is_understood(connect, server, side):
    if side == "upstream":
        server.stubborn = True
    client = await connect(stubborn=True) if side == "client" else await connect()
    for stream in (1, 3, 5, 7):
        client.request(stream, b"x", extra=[("x-long", "same" * 10), ("authorization", "secret")])
        await client.first(h2.events.StreamEnded, stream)
        assert dict(client.of(h2.events.ResponseReceived, stream)[0].headers)["x-path"] == "/p"
    heads = [dict(e.headers) for e in server.peers[0].of(h2.events.RequestReceived)]
    assert all(head["x-long"] == "same" * 10 and head["authorization"] == "secret" for head in heads)


async def test_padding_is_taken_off(client, server):
    client.h2.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "x")])
    client.h2.send_data(1, b"padded", pad_length=50, end_stream=True)
    client.flush()
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == b"padded"
    assert server.peers[0].of(h2.events.DataReceived)[0].flow_controlled_length == 6


async def test_priorities_are_accepted(client):
    head = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "x")]
    client.send(lambda c: c.send_headers(1, head, end_stream=True, priority_weight=7, priority_depends_on=0))
    client.send(lambda c: c.prioritize(3, weight=9))
    await client.first(h2.events.StreamEnded, 1)


async def test_a_head_in_several_frames_passes(client, server):
    client.request(1, b"", extra=[("x-large", "v" * 40_000)])
    await client.first(h2.events.StreamEnded, 1)
    assert dict(server.peers[0].of(h2.events.RequestReceived)[0].headers)["x-large"] == "v" * 40_000


async def test_trailers_of_a_request_pass(client, server):
    client.request(1, None)
    client.send(lambda c: c.send_data(1, b"body"))
    client.send(lambda c: c.send_headers(1, [("x-end", "1")], end_stream=True))
    await client.first(h2.events.StreamEnded, 1)
    assert server.peers[0].of(h2.events.TrailersReceived)[0].headers == [("x-end", "1")]


async def test_a_reset_by_the_client_reaches_the_upstream(client, server):
    client.request(1, None)
    await asyncio.wait_for(server.came.wait(), 5)
    await server.peers[0].first(h2.events.RequestReceived)
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    assert (await server.peers[0].first(h2.events.StreamReset)).error_code is ErrorCodes.CANCEL


async def test_a_reset_by_the_upstream_reaches_the_client_with_its_code(client, server):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            peer.h2.reset_stream(event.stream_id, ErrorCodes.INADEQUATE_SECURITY)

    server.on = on
    client.request(1, None)
    assert (await client.first(h2.events.StreamReset, 1)).error_code is ErrorCodes.INADEQUATE_SECURITY


async def test_an_early_reply_passes_while_the_request_goes_on(client, server):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            peer.h2.send_headers(event.stream_id, [(":status", "413")], end_stream=True)

    server.on = on
    client.request(1, None)
    await client.first(h2.events.StreamEnded, 1)
    client.send(lambda c: c.send_data(1, b"rest", end_stream=True))
    await server.peers[0].first(h2.events.StreamEnded)
    assert server.peers[0].body(1) == b"rest"


async def test_interim_replies_pass(client, server):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "103"), ("link", "</a>")])
            peer.h2.send_headers(event.stream_id, [(":status", "200")], end_stream=True)

    server.on = on
    client.request(1)
    await client.first(h2.events.StreamEnded, 1)
    assert len(client.of(h2.events.InformationalResponseReceived, 1)) == 1


async def test_the_upstreams_frame_size_and_window_are_honoured(client, server, proxy):
    server.settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1000, SettingCodes.MAX_FRAME_SIZE: 16_384}
    client.request(1, None)
    body = b"0123456789" * 6000
    await client.until(lambda: client.h2.local_flow_control_window(1) >= len(body))
    for at in range(0, len(body), 16_000):
        client.h2.send_data(1, body[at : at + 16_000], end_stream=at + 16_000 >= len(body))
    client.flush()
    await client.first(h2.events.StreamEnded, 1)  # the h2 library refuses more than it granted
    assert client.body(1) == body


async def test_a_slow_reader_stops_only_its_own_stream(client, server):
    size = 4 * 2**20

    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
        for ended in peer.of(h2.events.StreamEnded):
            left = sending[ended.stream_id]
            while room := min(peer.h2.local_flow_control_window(ended.stream_id), 16_384, left[0]):
                left[0] -= room
                peer.h2.send_data(ended.stream_id, b"x" * room, end_stream=not left[0])

    sending = {1: [size], 3: [10_000]}
    server.on = on
    client.grant = False  # 64 KiB of window for the connection in all: one stream would use it up
    client.send(lambda c: c.increment_flow_control_window(2**20))
    client.request(1)
    await client.until(lambda: len(client.body(1)) == 65_535)
    client.request(3)
    await client.first(h2.events.StreamEnded, 3)
    assert len(client.body(3)) == 10_000
    assert sending[1][0] > size - 2 * 2**20, "what a slow reader does not take is bounded"


async def test_the_upstreams_limit_of_streams_is_honoured(client, server):
    server.settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 2}
    for number in range(60):
        client.request(1 + 2 * number, b"x")
    await client.until(lambda: len(client.of(h2.events.StreamEnded)) == 60)
    assert 1 <= len(server.peers) <= 16


async def test_a_stream_that_the_upstream_refused_is_sent_again(client, server):
    refused = []

    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded) and len(refused) < 3:
            refused.append(event.stream_id)
            peer.h2.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
        elif isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
            peer.h2.send_data(event.stream_id, peer.body(event.stream_id), end_stream=True)

    server.on = on
    client.request(1, b"again")
    await client.first(h2.events.StreamEnded, 1)
    assert (client.body(1), len(refused)) == (b"again", 3)


async def test_no_request_is_lost_when_the_upstream_goes_away(client, server):
    """Each connection takes ten streams, then says GOAWAY: those above are sent to the next one."""

    def on(peer: Peer, event: h2.events.Event) -> None:
        if not isinstance(event, h2.events.StreamEnded) or event.stream_id > 19:
            return
        peer.h2.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
        if event.stream_id == 19:
            peer.flush()
            peer.raw(7, 0, 0, (19).to_bytes(4) + bytes(4))

    server.on = on
    for number in range(35):
        client.request(1 + 2 * number, b"x")
    await client.until(lambda: len(client.of(h2.events.StreamEnded)) == 35)
    assert len(server.peers) == 4


async def test_requests_wait_while_the_upstream_is_away(client, server):
    server.stop()
    client.request(1, b"patience")
    await asyncio.sleep(0.2)
    await server.start()
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == b"patience"


async def test_a_request_that_waited_too_long_is_told_which_upstream(client, server):
    server.stop()
    client.request(1, b"x", extra=GRPC)
    await client.first(h2.events.StreamEnded, 1)
    head = dict(client.of(h2.events.ResponseReceived, 1)[0].headers)
    assert (head[":status"], head["grpc-status"]) == ("200", "14")
    assert head["grpc-message"].startswith(f"source at 127.0.0.1:{server.port} is unavailable: ")


async def test_without_grpc_it_is_told_as_503(client, server):
    server.stop()
    client.request(1, b"x")
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)[":status"] == "503"


async def test_a_reply_cut_short_ends_in_trailers_for_grpc(client, server):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
            peer.h2.send_data(event.stream_id, b"half")
            peer.flush()
            peer.writer.close()

    server.on = on
    client.request(1, b"x", extra=GRPC)
    trailers = await client.first(h2.events.TrailersReceived, 1)
    assert dict(trailers.headers)["grpc-status"] == "14"
    client.request(3, b"x")
    assert (await client.first(h2.events.StreamReset, 3)).error_code is ErrorCodes.INTERNAL_ERROR


async def test_a_ping_is_answered_also_when_idle(client):
    client.send(lambda c: c.ping(b"12345678"))
    assert (await client.first(h2.events.PingAckReceived)).ping_data == b"12345678"


async def test_work_answers_with_trailers(client, proxy):
    async def work(request: Request) -> Reply:
        return Reply(200, ((b"content-type", b"application/grpc"),), request.body * 2, ((b"grpc-status", b"0"),))

    proxy.handler.act = lambda exchange: exchange.serve(work)
    client.request(1, b"x" * 10_000, extra=GRPC)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == b"x" * 20_000
    assert client.of(h2.events.TrailersReceived, 1)[0].headers == [("grpc-status", "0")]


async def test_work_ends_when_the_client_resets(client, proxy):
    started, ended = asyncio.Event(), asyncio.Event()

    async def work(request: Request) -> Reply:
        started.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return Reply(200, (), b"")

    proxy.handler.act = lambda exchange: exchange.serve(work)
    client.request(1, b"x")
    await asyncio.wait_for(started.wait(), 5)
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_message_too_large_for_work_is_refused_in_grpc(client, proxy):
    async def work(request: Request) -> Reply:
        raise AssertionError

    proxy.handler.act = lambda exchange: exchange.serve(work)
    client.request(1, None, extra=GRPC)
    for _ in range(5):
        await client.until(lambda: client.h2.local_flow_control_window(1) > 60_000 or client.of(h2.events.StreamEnded, 1))
    await client.until(lambda: client.h2.local_flow_control_window(1) >= 2**20)
    for _ in range(64):
        client.h2.send_data(1, b"x" * 16_384)
    client.h2.send_data(1, b"x" * 0)
    client.flush()
    await client.until(lambda: client.h2.local_flow_control_window(1) > 16_384)
    client.send(lambda c: c.send_data(1, b"x"))
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)["grpc-status"] == "8"
    assert (await client.first(h2.events.StreamReset, 1)).error_code is ErrorCodes.NO_ERROR


async def test_a_silent_upstream_is_given_up_after_the_first_byte_timeout(server, start):
    server.on = lambda peer, event: None
    proxy = await start(server.url, first_byte_timeout=0.2)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    peer = Peer(reader, writer, client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        peer.request(1, b"x")
        await peer.first(h2.events.StreamEnded, 1)
        writer.transport.abort()
    assert dict(peer.of(h2.events.ResponseReceived, 1)[0].headers)[":status"] == "504"
    await server.peers[0].first(h2.events.StreamReset)
