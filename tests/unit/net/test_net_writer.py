"""A head of HTTP/1.1 leaves with the body behind it, and alone where none comes."""

from __future__ import annotations

import asyncio

import pytest

from proxy.net.http1.writer import Writer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


class Recorded(asyncio.Transport):
    """Keeps what each system call would have been given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def writelines(self, parts) -> None:
        self.calls.append(b"".join(parts))

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def transport() -> Recorded:
    return Recorded()


@pytest.mark.parametrize("body", [b"ok", b"x" * 200_000])
async def test_a_head_and_its_body_are_one_write(transport, body):
    writer = Writer(transport)
    writer.hold(HEAD)
    writer.write(body)
    await asyncio.sleep(0)
    assert transport.calls == [HEAD + body]


async def test_a_head_whose_body_is_late_leaves_at_the_end_of_the_turn(transport):
    writer = Writer(transport)
    writer.hold(HEAD)
    assert not transport.calls
    await asyncio.sleep(0)
    assert transport.calls == [HEAD]
    writer.write(b"ok")
    assert transport.calls == [HEAD, b"ok"]


async def test_two_messages_of_one_turn_keep_their_order(transport):
    writer = Writer(transport)
    for body in (b"first", b"second"):
        writer.hold(HEAD)
        writer.write(body)
    await asyncio.sleep(0)
    assert transport.calls == [HEAD + b"first", HEAD + b"second"]


async def test_nothing_is_written_to_a_connection_that_closes(transport):
    writer = Writer(transport)
    writer.hold(HEAD)
    transport.closing = True
    await asyncio.sleep(0)
    assert not transport.calls
