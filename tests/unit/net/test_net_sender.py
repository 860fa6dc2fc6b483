"""The sending half on its own: what a peer with small frames and windows costs."""

from __future__ import annotations

import time
from typing import Final

import pytest

from proxy.net.ends import Kind, Piece
from proxy.net.http2.frames import END_STREAM, HEADER_SIZE, read_header
from proxy.net.http2.sender import Sender

WIDE: Final = 2**30
TURNS: Final = 3
"""The fastest of so many counts."""


class Wire:
    """A transport that forgets."""

    def __init__(self) -> None:
        self.size = 0
        self.headers: list[tuple[int, int, bool]] = []
        """Stream, size and END_STREAM of each frame."""

    def is_closing(self) -> bool:
        return False

    def write(self, wire: bytes) -> None:
        self.size += len(wire)

    def writelines(self, wires: list[bytes]) -> None:
        self.size += sum(map(len, wires))
        for header, payload in zip(wires[::2], wires[1::2], strict=True):
            _, flags, stream, size = read_header(header, 0)
            assert (len(header), size) == (HEADER_SIZE, len(payload))
            self.headers.append((stream, len(payload), bool(flags & END_STREAM)))


class Outflow:
    def __init__(self, stream_id: int, window: int) -> None:
        self.id = stream_id
        self.window = window
        self.queue: list[Piece] = []
        self.skipped = 0
        self.over = False

    def ended(self) -> None:
        self.over = True

    def drained(self, size: int) -> None: ...


def body(size: int) -> Piece:
    return Piece(Kind.BODY, bytes(size), b"", True)


@pytest.fixture
async def sender() -> Sender:
    sender = Sender(Wire())
    sender.window = WIDE
    return sender


async def test_streams_that_wait_take_turns_of_some_frames(sender):
    sender.pause()
    streams = [Outflow(stream_id, WIDE) for stream_id in (1, 3)]
    for stream in streams:
        sender.send(stream, body(100_000))
    sender.resume()
    sender.flush()
    turn, rest = 4 * [16_384], [16_384, 16_384, 100_000 - 6 * 16_384]
    sizes = [(stream, size) for part in (turn, rest) for stream in (1, 3) for size in part]
    assert [(stream, size) for stream, size, _ in sender._transport.headers] == sizes
    assert [end for *_, end in sender._transport.headers] == [False] * 10 + [True] + [False] * 2 + [True]
    assert all(stream.over for stream in streams)


def seconds_to_send(sender: Sender, size: int) -> float:
    piece, found = body(size), []
    for number in range(TURNS):
        stream = Outflow(1 + 2 * number, WIDE)
        sender.window = WIDE
        begun = time.process_time()
        sender.send(stream, piece)
        found.append(time.process_time() - begun)
        assert stream.over
    return min(found)


async def test_a_large_answer_costs_in_proportion_to_its_size(sender):
    assert seconds_to_send(sender, 2**25) < 64 * max(seconds_to_send(sender, 2**21), 0.0005), "16 times, but for chance"


async def test_a_stream_that_may_send_again_costs_nothing_for_those_that_may_not(sender):
    streams = [Outflow(1 + 2 * number, 0) for number in range(2000)]
    for stream in streams:
        sender.send(stream, body(2000))
    begun = time.process_time()
    for stream in streams:
        sender.widen_stream(stream, 2000)
    spent = time.process_time() - begun
    assert all(stream.over for stream in streams)
    assert spent < 0.2, "2,000 frames, not 2,000 looks at 2,000 streams"
