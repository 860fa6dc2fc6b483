"""When bytes leave: what a read makes others write at its end, everything else in the loop's next turn."""

from __future__ import annotations

import asyncio

import pytest
from net_memory import Transport, run, turns

from proxy.net.ends import Kind, Piece
from proxy.net.http1.writer import Writer
from proxy.net.http2.sender import Sender
from proxy.net.http2.stream import Stream
from proxy.net.turn import running_turn

HEAD = Piece(Kind.HEAD, b"block", b"", False)


def test_what_a_read_makes_another_connection_write_leaves_at_its_end() -> None:
    async def story() -> None:
        transport, turn = Transport(), running_turn()
        sender = Sender(transport)
        turn.begin()
        sender.send(Stream(sender, 1), HEAD)
        assert not transport.written
        turn.end()
        assert transport.taken().endswith(b"block")

    run(story())


def test_what_nobody_waits_for_leaves_after_the_read() -> None:
    async def story() -> None:
        transport, turn = Transport(), running_turn()
        sender = Sender(transport)
        turn.begin()
        sender.put(b"pong")
        turn.end()
        assert not transport.written
        await turns(1)
        assert transport.taken() == b"pong"

    run(story())


def test_what_nobody_waits_for_goes_along_in_its_order_with_what_somebody_does() -> None:
    async def story() -> None:
        transport, turn = Transport(), running_turn()
        sender = Sender(transport)
        turn.begin()
        sender.put(b"pong")
        sender.send(Stream(sender, 1), HEAD)
        turn.end()
        written = transport.taken()
        assert written.startswith(b"pong")
        assert written.endswith(b"block")
        await turns(2)
        assert not transport.written

    run(story())


def test_outside_of_a_read_bytes_leave_in_the_next_turn() -> None:
    async def story() -> None:
        one, other = Transport(), Transport()
        sender = Sender(one)
        sender.send(Stream(sender, 1), HEAD)
        Writer(other).hold(b"head")
        assert not one.written
        assert not other.written
        await turns(1)
        assert one.taken().endswith(b"block")
        assert other.taken() == b"head"

    run(story())


def test_a_read_within_a_read_is_part_of_it() -> None:
    async def story() -> None:
        transport, turn = Transport(), running_turn()
        writer = Writer(transport)
        turn.begin()
        turn.begin()
        writer.hold(b"head")
        turn.end()
        assert not transport.written
        turn.end()
        assert transport.taken() == b"head"
        assert not turn.reading

    run(story())


def test_each_loop_has_a_turn_of_its_own() -> None:
    async def its() -> object:
        assert running_turn() is running_turn()
        return running_turn()

    with pytest.raises(RuntimeError):
        running_turn()
    assert run(its()) is not asyncio.run(its())
