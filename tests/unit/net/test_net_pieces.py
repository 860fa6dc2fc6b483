"""Bodies that trickle in, a byte a read: however many reads they take, what is kept of them is few pieces."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from net_frames import HEAD, PREFACE, SETTINGS, frame
from net_memory import Begin, Http1Side, Http2Side, Transport, run, surroundings

from proxy.net.ends import Kind, Piece
from proxy.net.exchange import Exchange
from proxy.net.http1.inbound import ClientConnection as Http1Connection
from proxy.net.http2.inbound import ClientConnection as Http2Connection
from proxy.net.pieces import add_piece
from proxy.ports import Reply, Request

READS = 10_000
BEYOND = 70_000
"""Reads; more than the first window of an upstream of HTTP/2, so that some of them wait in its stream."""
FEW = 200


async def never(request: Request) -> Reply:
    raise AssertionError


def undecided(exchange: Exchange) -> None: ...


def served(exchange: Exchange) -> None:
    exchange.serve(never)


def pieces() -> int:
    return sum(type(found) is Piece for found in gc.get_objects())


async def trickle(
    begin: Callable[[Exchange], None], connection: type[Http1Connection | Http2Connection], reads: int = READS
) -> int:
    """The pieces that are there when so many reads are over."""
    around, before = surroundings(), pieces()
    client = connection(begin, around, lambda gone: None)
    client.connection_made(Transport())
    if isinstance(client, Http2Connection):
        client.data_received(PREFACE + frame(SETTINGS, 0, 0) + frame(1, 4, 1, HEAD))
    else:
        client.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(reads):
        client.data_received(frame(0, 0, 1, b"x") if isinstance(client, Http2Connection) else b"x")
    found = pieces() - before
    assert around.budget.used >= reads
    client.connection_lost(None)
    assert around.budget.used == 0
    return found


@pytest.mark.parametrize("begin", [undecided, served])
@pytest.mark.parametrize("connection", [Http1Connection, Http2Connection])
def test_what_waits_for_us_is_few_pieces(begin, connection):
    assert run(trickle(begin, connection)) < FEW


@pytest.mark.parametrize(("connection", "side"), [(Http1Connection, Http1Side), (Http2Connection, Http2Side)])
def test_what_is_kept_to_be_sent_again_is_few_pieces(connection, side):
    async def relay() -> int:
        upstream = side()
        return await trickle(Begin(upstream), connection, BEYOND if connection is Http2Connection else READS)

    assert run(relay()) < FEW


@given(st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=3000), st.booleans()), max_size=20))
def test_joining_changes_no_byte_and_joins_nothing_but_bodies(parts):
    kept: list[Piece] = []
    for kind, wire, end in parts:
        add_piece(kept, Piece(kind, wire, wire if kind is Kind.BODY else b"", end))
    assert b"".join(piece.wire for piece in kept) == b"".join(wire for _, wire, _ in parts)
    assert [piece.kind for piece in kept if piece.kind is not Kind.BODY] == [
        kind for kind, _, _ in parts if kind is not Kind.BODY
    ]
    assert sum(piece.end for piece in kept) == sum(end for _, _, end in parts)
