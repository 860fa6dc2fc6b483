"""Each mood of the fault proxy does what it says, told by an echo behind it."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from tests.servers.fault_proxy import FaultProxy
from tests.servers.moods import BLACK_HOLE, CHUNK, REFUSE, Mood, Way

ALL = b"0123456789" * 1000


class Echo(BaseRequestHandler):
    def handle(self) -> None:
        self.server.seen.append(seen := bytearray())  # type: ignore[attr-defined]
        try:
            while chunk := self.request.recv(65_536):
                seen += chunk
                self.request.sendall(chunk)
        except OSError:
            self.server.resets += 1  # type: ignore[attr-defined]
        self.server.ended.set()  # type: ignore[attr-defined]


class EchoServer(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.seen: list[bytearray] = []
        self.resets = 0
        self.ended = threading.Event()


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
        yield proxy


@contextmanager
def connected(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        yield client


def read(client: socket.socket, size: int = len(ALL)) -> bytes:
    """That many bytes, or those until the end."""
    found = b""
    while len(found) < size and (chunk := client.recv(size - len(found))):
        found += chunk
    return found


def quiet(client: socket.socket, seconds: float = 0.2) -> bool:
    return not select.select([client], [], [], seconds)[0]


def timed(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def test_a_proxy_without_a_mood_changes_nothing_and_keeps_half_closes(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        client.sendall(ALL)
        assert read(client) == ALL
        large = bytes(50 * CHUNK)
        with ThreadPoolExecutor(1) as sender:
            sent = sender.submit(client.sendall, large)
            assert read(client, len(large)) == large
        sent.result()
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        assert read(client, 5) == b"last"


def test_latency_delays_all_bytes_alike_and_keeps_their_order(proxy: FaultProxy) -> None:
    with connected(proxy) as client, proxy.failing(Mood(latency=0.2, jitter=0.1)):
        begun = time.monotonic()
        for start in range(0, len(ALL), 1000):
            client.sendall(ALL[start : start + 1000])
            time.sleep(0.001)
        assert read(client) == ALL
        took = time.monotonic() - begun
    assert took >= 0.4
    assert took < 2.0  # and not once for each of the ten chunks


def test_a_bandwidth_is_kept_and_nothing_is_lost(proxy: FaultProxy) -> None:
    with connected(proxy) as client, proxy.failing(Mood(rate=50_000, piece=1000)):
        client.sendall(ALL)
        assert timed(lambda: read(client)) >= len(ALL) / 50_000 * 0.9


@pytest.mark.parametrize("limit", [1, 4321])
def test_a_connection_is_reset_after_exactly_so_many_bytes_to_the_server(
    proxy: FaultProxy, server: EchoServer, limit: int
) -> None:
    with connected(proxy) as client, proxy.failing(Mood(limits=((Way.UP, limit),))):
        client.sendall(ALL)
        with pytest.raises(ConnectionResetError):
            read(client)
        assert server.ended.wait(10)
    assert bytes(server.seen[0]) == ALL[:limit]


@pytest.mark.parametrize("limit", [1, 4321])
def test_a_connection_is_reset_after_exactly_so_many_bytes_to_the_client(proxy: FaultProxy, limit: int) -> None:
    with connected(proxy) as client, proxy.failing(Mood(limits=((Way.DOWN, limit),))):
        client.sendall(ALL)
        assert read(client, limit) == ALL[:limit]
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_the_bytes_of_a_limit_are_counted_for_each_connection_and_mood(proxy: FaultProxy) -> None:
    for _ in range(2):
        with connected(proxy) as client:
            client.sendall(ALL)
            assert read(client) == ALL
            with proxy.failing(Mood(limits=((Way.UP, 100),))):
                client.sendall(b"x" * 99)
                assert read(client, 99) == b"x" * 99


def test_a_half_open_connection_is_dead_one_way_and_wakes_with_what_was_said(proxy: FaultProxy, server: EchoServer) -> None:
    with connected(proxy) as client:
        client.sendall(b"a")
        assert read(client, 1) == b"a"
        with proxy.failing(Mood(stopped=frozenset({Way.DOWN}))):
            client.sendall(b"b")
            assert quiet(client)
            assert bytes(server.seen[0]) == b"ab"
        assert read(client, 1) == b"b"
        with proxy.failing(Mood(stopped=frozenset({Way.UP}))):
            client.sendall(b"c")
            assert quiet(client)
            assert bytes(server.seen[0]) == b"ab"
        assert read(client, 1) == b"c"


def test_slices_arrive_whole_and_are_packets_of_their_own(proxy: FaultProxy) -> None:
    found: list[bytes] = []
    with connected(proxy) as client, proxy.failing(Mood(piece=5, rate=500)):
        client.sendall(ALL[:40])
        while sum(map(len, found)) < 40:
            found.append(client.recv(100))
    assert b"".join(found) == ALL[:40]
    assert len(found) > 8  # the client reads faster than slices come


def test_refused_means_that_nobody_listens_and_open_connections_are_reset(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"a")
        assert read(client, 1) == b"a"
        with proxy.failing(REFUSE):
            with pytest.raises(ConnectionResetError):
                read(client, 1)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", proxy.port))
    with connected(proxy) as client:
        client.sendall(b"b")
        assert read(client, 1) == b"b"


def test_a_black_hole_accepts_says_nothing_and_resets_in_the_end(proxy: FaultProxy, server: EchoServer) -> None:
    with ExitStack() as stack:
        with proxy.failing(BLACK_HOLE):
            client = stack.enter_context(connected(proxy))
            client.sendall(ALL)
            assert quiet(client)
            assert not any(server.seen)
        with pytest.raises(ConnectionResetError):
            read(client, 1)


def test_a_slow_close_reaches_the_server_at_once_and_the_client_later(proxy: FaultProxy, server: EchoServer) -> None:
    with connected(proxy) as client, proxy.failing(Mood(limits=((Way.UP, 10),), resets=False, linger=0.5)):
        begun = time.monotonic()
        client.sendall(ALL[:10])
        assert server.ended.wait(10)
        assert (bytes(server.seen[0]), server.resets) == (ALL[:10], 0)
        client.sendall(b"into the void")
        while client.recv(100):
            pass
        assert time.monotonic() - begun >= 0.5


def test_an_end_lingers_behind_its_bytes(proxy: FaultProxy) -> None:
    with connected(proxy) as client, proxy.failing(Mood(linger=0.2)):
        begun = time.monotonic()
        client.sendall(b"a")
        client.shutdown(socket.SHUT_WR)
        assert read(client, 1) == b"a"
        assert client.recv(1) == b""
        assert time.monotonic() - begun >= 0.4


def test_a_reset_ends_what_is_open_and_welcomes_the_next(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"a")
        assert read(client, 1) == b"a"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            read(client, 1)
    with connected(proxy) as client:
        client.sendall(b"a")
        assert read(client, 1) == b"a"
