"""A head that waits for the body behind it, so that both leave in one system call: most often they came in one read.

Owns: when a head is written. Not: what is written (inbound, outbound).
"""

from __future__ import annotations

import asyncio
from typing import Final

from proxy.net.turn import Outlet, running_turn

_JOINED: Final = 2**15
"""Bytes of a body up to which it is copied behind its head; more are cheaper to write from two buffers."""


class Writer(Outlet):
    """Of one connection. A head waits for what is written next, but never longer than to the end of the read or of the turn."""

    __slots__ = ("_head", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._turn = running_turn()
        self._head = b""

    def hold(self, head: bytes) -> None:
        """Nothing is held yet: of a message there is one head, and its body is written before the next one's."""
        self._head = head
        if self._turn.reading:
            self._turn.await_end(self)
        else:
            asyncio.get_running_loop().call_soon(self.flush)

    def write(self, wire: bytes) -> None:
        if not (head := self._head):
            self._transport.write(wire)
            return
        self._head = b""
        if len(wire) > _JOINED:
            self._transport.writelines([head, wire])
        else:
            self._transport.write(head + wire)

    def flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)
