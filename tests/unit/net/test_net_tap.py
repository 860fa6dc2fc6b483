"""What a tap sees and holds back, exactly: its calls are what the journal's promises rest on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import h2.events
import pytest
from h2.errors import ErrorCodes
from net_h2_peers import GRPC, Peer, Upstream, echo

from proxy.ports import RelayTo, Reply, Request, Retry

MESSAGE = b"\0" + (3).to_bytes(4) + b"abc"
REPLACED = Reply(200, ((b"content-type", b"application/grpc"), (b"grpc-status", b"14")), b"")


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def proxy(server, start):
    return await start(server.url, bridge=0.3)


@pytest.fixture
async def client(proxy) -> AsyncIterator[Peer]:
    peer = Peer(*await asyncio.open_connection(proxy.host, proxy.port), client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        yield peer
        peer.writer.transport.abort()


def silent(peer: Peer, event: h2.events.Event) -> None:
    """An upstream that never answers."""


async def received(server: Upstream) -> Peer:
    await asyncio.wait_for(server.came.wait(), 5)
    return server.peers[-1]


async def test_a_tap_sees_the_whole_exchange_in_order(client, proxy, notes):
    tap = notes()
    proxy.handler.watch(tap)
    client.request(1, MESSAGE, extra=[("x-own", "1")])
    await tap.until("done")
    assert tap.calls == ["request", "reply", "done"]
    assert (tap.seen_request.method, tap.seen_request.path, tap.seen_request.body) == (b"POST", b"/p", MESSAGE)
    assert (b"x-own", b"1") in tap.seen_request.headers
    assert tap.seen_reply == Reply(200, ((b"x-path", b"/p"),), MESSAGE, ((b"x-trailer", b"t"),))
    await client.first(h2.events.StreamEnded, 1)


async def test_the_last_message_bytes_wait_until_the_tap_lets_go(client, server, proxy, notes):
    tap = notes(hold_request=True)
    proxy.handler.watch(tap)
    first = b"first" * 100  # not so small that it is joined to the last
    client.request(1, None)
    client.send(lambda c: c.send_data(1, first))
    client.send(lambda c: c.send_data(1, b"last"))
    peer = await received(server)
    await peer.first(h2.events.DataReceived)
    client.send(lambda c: c.send_data(1, b"", end_stream=True))
    await tap.until("request")
    client.send(lambda c: c.ping(b"12345678"))
    await client.first(h2.events.PingAckReceived)
    assert peer.body(1) == first
    tap.go_request(None)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == first + b"last"


async def test_a_request_without_a_body_waits_with_its_head(client, server, proxy, notes):
    tap = notes(hold_request=True)
    proxy.handler.watch(tap)
    client.request(1, b"")
    await tap.until("request")
    await received(server)
    await asyncio.sleep(0.05)
    assert not server.peers[0].of(h2.events.RequestReceived)
    tap.go_request(None)
    await client.first(h2.events.StreamEnded, 1)


async def test_the_reply_waits_until_the_tap_lets_go(client, proxy, notes):
    tap = notes(hold_reply=True)
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("reply")
    assert not client.of(h2.events.ResponseReceived)
    tap.go_reply(None)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == MESSAGE
    assert tap.calls == ["request", "reply", "done"]


async def test_a_held_reply_may_be_replaced(client, proxy, notes):
    tap = notes(hold_reply=True)
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("reply")
    tap.go_reply(REPLACED)
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)["grpc-status"] == "14"
    assert tap.calls[-1] == "done"


async def test_a_request_may_be_answered_instead_of_sent(client, server, proxy, notes):
    tap = notes(hold_request=True)
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("request")
    tap.go_request(REPLACED)
    await client.first(h2.events.StreamEnded, 1)
    assert (tap.calls, tap.sent) == (["request", "failed"], False)
    assert not any(peer.body(1) for peer in server.peers)


async def test_a_reply_larger_than_the_limit_streams_and_is_not_shown(client, server, proxy, notes):
    tap = notes(limit=100, hold_reply=True)
    proxy.handler.watch(tap)
    client.request(1, b"x" * 30_000)
    await tap.until("reply")
    assert (tap.seen_request, tap.seen_reply) == (None, None)
    await client.first(h2.events.ResponseReceived, 1)
    assert not client.of(h2.events.StreamEnded)
    tap.go_reply(None)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == b"x" * 30_000


async def test_a_tap_that_does_not_hold_sees_a_reply_that_streams(client, server, proxy, notes):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
            peer.h2.send_data(event.stream_id, b"begun")

    server.on = on
    tap = notes()
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await client.first(h2.events.DataReceived, 1)
    assert tap.calls == ["request"]
    server.peers[0].send(lambda c: c.send_data(1, b"!", end_stream=True))
    await tap.until("done")
    assert tap.seen_reply.body == b"begun!"


async def test_a_client_that_resets_before_the_end_was_not_sent(client, server, proxy, notes):
    tap = notes()
    proxy.handler.watch(tap)
    client.request(1, None)
    client.send(lambda c: c.send_data(1, b"part"))
    await received(server)
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    await tap.until("failed")
    assert (tap.calls, tap.sent) == (["failed"], False)


async def test_a_client_that_resets_while_the_tap_holds_was_not_sent(client, server, proxy, notes):
    tap = notes(hold_request=True)
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("request")
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    await tap.until("failed")
    assert tap.sent is False
    tap.go_request(None)  # too late: nothing happens
    await asyncio.sleep(0.05)
    assert not any(peer.body(1) for peer in server.peers)


async def test_a_client_that_resets_after_the_end_was_sent(client, server, proxy, notes):
    server.on = silent
    tap = notes()
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await (await received(server)).first(h2.events.StreamEnded)
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    await tap.until("failed")
    assert (tap.calls, tap.sent) == (["request", "failed"], True)


async def test_a_client_that_leaves_while_its_reply_is_held_leaves_a_known_outcome(client, proxy, notes):
    tap = notes(hold_reply=True)
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("reply")
    client.writer.transport.abort()
    await tap.until("done")
    tap.go_reply(None)
    assert tap.calls == ["request", "reply", "done"]


async def test_an_end_that_the_upstreams_window_kept_back_was_not_sent(client, server, proxy, notes):
    server.settings = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10}
    server.grant = False
    server.on = silent
    tap = notes()
    proxy.handler.watch(tap)
    client.request(1, b"x" * 100)
    await tap.until("request")
    peer = await received(server)
    await peer.first(h2.events.DataReceived)
    client.send(lambda c: c.reset_stream(1, ErrorCodes.CANCEL))
    await tap.until("failed")
    assert tap.sent is False


@pytest.mark.parametrize("retry", [Retry.NEVER, Retry.SAFE])
async def test_an_upstream_that_dies_after_the_end_may_have_acted(client, server, proxy, notes, retry):
    seen: list[int] = []

    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            seen.append(event.stream_id)
            peer.writer.transport.abort()

    server.on = on
    tap = notes()
    proxy.handler.watch(tap, retry)
    client.request(1, MESSAGE, extra=GRPC)
    await tap.until("failed")
    assert tap.sent is True
    assert len(seen) == (1 if retry is Retry.NEVER else 2), "only what is safe is sent twice"
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)["grpc-status"] == "14"


async def test_an_upstream_that_dies_before_the_end_gets_it_again(client, server, proxy, notes):
    tap = notes(hold_request=True)
    proxy.handler.watch(tap)
    client.request(1, None)
    client.send(lambda c: c.send_data(1, b"x" * 20_000))
    client.send(lambda c: c.send_data(1, b"last", end_stream=True))
    await tap.until("request")
    peer = await received(server)
    await peer.first(h2.events.DataReceived)
    peer.writer.transport.abort()
    await asyncio.sleep(0.1)
    tap.go_request(None)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == b"x" * 20_000 + b"last"
    assert tap.calls == ["request", "reply", "done"]


async def test_an_upstream_that_is_away_was_not_sent_anything(client, server, proxy, notes):
    server.stop()
    tap = notes()
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("failed")
    assert (tap.calls, tap.sent) == (["request", "failed"], False)


async def test_a_reply_that_breaks_off_while_held_is_not_shown(client, server, proxy, notes):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.StreamEnded):
            peer.h2.send_headers(event.stream_id, [(":status", "200")])
            peer.h2.send_data(event.stream_id, b"half")
            peer.flush()
            peer.writer.close()

    server.on = on
    tap = notes(hold_reply=True)
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("failed")
    assert tap.sent is True
    await client.first(h2.events.StreamEnded, 1)
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)[":status"] == "502"


async def test_work_may_relay_with_a_tap(client, proxy, notes):
    tap = notes()

    async def work(request: Request) -> RelayTo:
        return RelayTo(proxy.upstream, Retry.NEVER, tap)

    proxy.handler.act = lambda exchange: exchange.serve(work)
    client.request(1, MESSAGE)
    await tap.until("done")
    assert tap.seen_request.body == MESSAGE
    await client.first(h2.events.StreamEnded, 1)


async def test_a_client_that_left_before_the_decision_is_told_to_the_tap(client, proxy, notes):
    tap = notes()
    proxy.handler.act = lambda exchange: None
    client.request(1, MESSAGE)
    await asyncio.wait_for(proxy.handler.came.wait(), 5)
    client.writer.transport.abort()
    await proxy.listener.drain(5)
    proxy.handler.begun[0].relay(RelayTo(proxy.upstream, Retry.NEVER, tap))
    assert (tap.calls, tap.sent) == (["failed"], False)


async def test_an_upstream_that_stays_silent_may_have_acted(server, start, notes):
    server.on = silent
    proxy = await start(server.url, first_byte_timeout=0.2)
    tap = notes()
    proxy.handler.watch(tap)
    peer = Peer(*await asyncio.open_connection(proxy.host, proxy.port), client=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(peer.run())
        await peer.first(h2.events.RemoteSettingsChanged)
        peer.request(1, MESSAGE)
        await tap.until("failed")
        peer.writer.transport.abort()
    assert (tap.calls, tap.sent) == (["request", "failed"], True)


@pytest.mark.parametrize("hold", [False, True])
async def test_a_reply_before_the_requests_end_ends_the_exchange(client, server, proxy, notes, hold):
    def on(peer: Peer, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            peer.h2.send_headers(event.stream_id, [(":status", "413")], end_stream=True)

    server.on = on
    tap = notes(hold_reply=hold)
    proxy.handler.watch(tap)
    client.request(1, None)
    client.send(lambda c: c.send_data(1, b"first"))
    await tap.until("reply")
    client.send(lambda c: c.send_data(1, b"last", end_stream=False))
    if hold:
        tap.go_reply(None)
    assert (await client.first(h2.events.StreamReset, 1)).error_code is ErrorCodes.NO_ERROR
    assert client.of(h2.events.StreamEnded, 1)
    assert tap.calls == ["reply", "done"]
    assert proxy.listener.stats().buffered == 0


async def test_a_second_go_changes_nothing(client, server, proxy, notes):
    tap = notes(hold_request=True, hold_reply=True)
    proxy.handler.watch(tap)
    client.request(1, MESSAGE)
    await tap.until("request")
    tap.go_request(None)
    tap.go_request(REPLACED)
    await tap.until("reply")
    tap.go_reply(None)
    tap.go_reply(REPLACED)
    await client.first(h2.events.StreamEnded, 1)
    assert client.body(1) == MESSAGE
    assert tap.calls == ["request", "reply", "done"]


@pytest.mark.parametrize("hold", [False, True])
async def test_nothing_stays_buffered(client, proxy, server, notes, hold):
    server.on = echo
    for stream in range(1, 41, 2):
        tap = notes(hold_reply=hold)
        proxy.handler.watch(tap)
        client.request(stream, b"x" * 10_000)
        await tap.until("reply")
        if hold:
            tap.go_reply(None)
        await client.first(h2.events.StreamEnded, stream)
    assert proxy.listener.stats().buffered == 0
