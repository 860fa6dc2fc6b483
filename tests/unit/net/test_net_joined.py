"""Large DATA frames of one read go on as one piece: what arrives is the same, however the bytes are cut into reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import pytest

from proxy.net.ends import Kind, Piece
from proxy.net.form import COMPILED, form
from proxy.net.http2 import frames
from proxy.net.http2.connection import _LARGE, Connection
from proxy.net.http2.frames import DATA, END_STREAM, HEADER_SIZE, Code, Setting, frame
from proxy.net.http2.sender import Sender
from proxy.net.http2.stream import Stream
from proxy.net.limits import FRAME_SIZE, STREAM_WINDOW, WRITE_BUFFER

pytestmark = pytest.mark.skipif(
    form(Connection.__module__) == COMPILED,
    reason="its connection is a subclass in Python, which compiled classes have none of",
)
A, B = 1, 3
SIZE = _LARGE + 100


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.full: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        self.written += data
        self.full()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Heard(Stream):
    def __init__(self, sender: Sender, stream_id: int) -> None:
        super().__init__(sender, stream_id)
        self.pieces: list[Piece] = []

    def arrived(self, piece: Piece) -> None:
        self.pieces.append(piece)

    def drained(self, size: int) -> None: ...

    def ended(self) -> None: ...

    @property
    def body(self) -> bytes:
        return b"".join(piece.content for piece in self.pieces)


class Listening(Connection[Heard]):
    """Two streams are open."""

    def __init__(self) -> None:
        super().__init__(2**14)
        self.connection_made(Transport())
        self.streams = {id: Heard(self.sender, id) for id in (A, B)}
        self.a, self.b = self.streams[A], self.streams[B]
        self.last_stream_id = B
        self.faults: list[str] = []
        self.reset_codes: dict[int, int] = {}
        self.data_received(frames.settings({}))

    def opening(self) -> bytes:
        return b""

    def stream_reset(self, stream: Heard, code: int) -> None:
        self.reset_codes[stream.id] = code

    def lost(self, text: str) -> None:
        self.faults.append(text)


@pytest.fixture
async def connection() -> Listening:
    return Listening()


def data(stream: int, byte: bytes, size: int = SIZE, flags: int = 0) -> bytes:
    return frame(DATA, flags, stream, byte * size)


INTERLEAVED = b"".join(
    [data(A, b"1"), data(B, b"2"), data(A, b"3"), data(B, b"4", 10), data(A, b"5", flags=END_STREAM), data(B, b"6")]
)
BODIES = b"1" * SIZE + b"3" * SIZE + b"5" * SIZE, b"2" * SIZE + b"4" * 10 + b"6" * SIZE


async def test_neighbours_of_a_stream_are_one_piece(connection):
    connection.data_received(data(A, b"1") + data(A, b"2") + data(A, b"3", flags=END_STREAM))
    [piece] = connection.a.pieces
    assert (piece.kind, piece.content, piece.wire, piece.end) == (Kind.BODY, connection.a.body, connection.a.body, True)
    assert connection.a.body == b"1" * SIZE + b"2" * SIZE + b"3" * SIZE


async def test_wherever_the_bytes_are_cut_the_bodies_are_the_same():
    edges = [n * (HEADER_SIZE + SIZE) + more for n in range(3) for more in range(-12, 13)]
    for cut in [edge for edge in edges if edge > 0] + list(range(1, len(INTERLEAVED), 997)):
        connection = Listening()
        connection.data_received(INTERLEAVED[:cut])
        connection.data_received(INTERLEAVED[cut:])
        assert (connection.a.body, connection.b.body) == BODIES
        assert (connection.a.got_end, connection.b.got_end) == (True, False)
        assert connection.a.granted == STREAM_WINDOW - 3 * SIZE


async def test_bytes_that_come_one_by_one_make_the_same_bodies(connection):
    for at in range(len(INTERLEAVED)):
        connection.data_received(INTERLEAVED[at : at + 1])
    assert (connection.a.body, connection.b.body) == BODIES


async def test_data_behind_the_end_of_a_stream_is_a_fault_in_the_same_read_too(connection):
    connection.data_received(data(A, b"1", flags=END_STREAM) + data(A, b"2"))
    assert connection.a.body == b"1" * SIZE
    assert connection.reset_codes == {A: Code.STREAM_CLOSED}


async def test_a_body_longer_than_declared_is_a_fault_behind_what_came_before(connection):
    connection.a.expected = SIZE + 5
    connection.data_received(data(A, b"1") + data(A, b"2"))
    assert connection.a.body == b"1" * SIZE
    assert connection.reset_codes == {A: Code.PROTOCOL_ERROR}


async def test_a_body_shorter_than_declared_is_a_fault(connection):
    connection.a.expected = 3 * SIZE
    connection.data_received(data(A, b"1") + data(A, b"2", flags=END_STREAM))
    assert connection.reset_codes == {A: Code.PROTOCOL_ERROR}


async def test_more_than_the_window_allows_is_a_fault(connection):
    connection.a.granted = SIZE + 1
    connection.data_received(data(A, b"1") + data(A, b"2"))
    assert connection.a.body == b"1" * SIZE
    assert connection.reset_codes == {A: Code.FLOW_CONTROL_ERROR}


async def test_a_frame_larger_than_allowed_ends_the_connection_behind_what_came_before(connection):
    connection.data_received(data(A, b"1") + frame(DATA, 0, A, bytes(FRAME_SIZE + 1)))
    assert connection.a.body == b"1" * SIZE
    assert connection.faults == ["a frame is larger than our SETTINGS allow"]


async def test_a_reset_finds_what_came_before_it_delivered(connection):
    connection.data_received(data(A, b"1") + frames.rst_stream(A, Code.CANCEL))
    assert connection.a.body == b"1" * SIZE
    assert connection.reset_codes == {A: Code.CANCEL}


# ---- and out again ----


def sent(connection: Listening, stream: int) -> list[tuple[int, bool]]:
    """Size and end of each DATA frame of the stream."""
    connection.sender.flush()
    wire, at, found = connection.transport.written, 0, []
    while at < len(wire):
        kind, flags, id, size = frames.read_header(wire, at)
        if kind == DATA and id == stream:
            found.append((size, bool(flags & END_STREAM)))
        at += HEADER_SIZE + size
    return found


def body(size: int, end: bool) -> Piece:
    return Piece(Kind.BODY, bytes(size), bytes(size), end)


async def test_a_large_piece_leaves_in_frames_that_the_peer_takes(connection):
    connection.a.window = connection.sender.window = 10**6
    assert connection.sender.send(connection.a, body(40_000, end=True)) == 40_000
    assert sent(connection, A) == [(16_384, False), (16_384, False), (40_000 - 2 * 16_384, True)]


async def test_a_piece_of_exactly_some_frames_ends_with_the_last_of_them(connection):
    assert connection.sender.send(connection.a, body(2 * 16_384, end=True)) == 2 * 16_384
    assert sent(connection, A) == [(16_384, False), (16_384, True)]


async def test_a_piece_larger_than_the_window_leaves_as_far_as_it_goes_and_the_rest_when_it_widens(connection):
    assert connection.sender.send(connection.a, body(100_000, end=True)) == 0
    assert sum(size for size, _ in sent(connection, A)) == 65_535
    connection.sender.widen(100_000)
    connection.sender.widen_stream(connection.a, 100_000)
    assert sum(size for size, _ in sent(connection, A)) == 100_000
    assert [end for _, end in sent(connection, A)].count(True) == 1
    assert sent(connection, A)[-1][1]
    assert (connection.a.queue, connection.a.skipped) == ([], 0)


async def test_a_peer_that_takes_larger_frames_gets_them(connection):
    connection.data_received(frames.settings({Setting.MAX_FRAME_SIZE: 2**16}))
    connection.sender.send(connection.a, body(50_000, end=False))
    assert sent(connection, A) == [(50_000, False)]


async def test_a_huge_piece_stops_where_the_socket_takes_no_more(connection):
    connection.a.window = connection.sender.window = 2**30
    connection.transport.full = connection.pause_writing
    connection.sender.send(connection.a, body(8 * WRITE_BUFFER, end=True))
    assert sum(size for size, _ in sent(connection, A)) < 2 * WRITE_BUFFER
