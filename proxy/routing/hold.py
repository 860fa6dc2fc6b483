"""Keeps writes waiting while the primary changes: in memory, bounded in count and bytes, released in order.

Owns: the wait and its bounds, the count of writes under way. Not: what becomes of a write (the router).
"""

from __future__ import annotations

import asyncio
from collections import deque

from proxy.errors import Unavailable


class Hold:
    """`flying` counts writes between their decision and their outcome; `max_requests` and `max_bytes` bound those that wait."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._bytes = 0
        self._flying = 0
        self._landed = asyncio.Event()
        self._landed.set()
        self.holding = False

    def __repr__(self) -> str:
        return f"<Hold {'holding' if self.holding else 'idle'} waiting={len(self._waiting)} flying={self._flying}>"

    def take_off(self) -> None:
        self._flying += 1
        self._landed.clear()

    def land(self) -> None:
        self._flying -= 1
        if not self._flying:
            self._landed.set()

    async def passed(self, size: int) -> None:
        """Waits until nothing is held. `size`: bytes that the write keeps in memory. Raises Unavailable above a bound."""
        if not self.holding:
            return
        if len(self._waiting) >= self._max_requests or self._bytes + size > self._max_bytes:
            raise Unavailable("too many writes wait for the change of primary; try again in a few seconds")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._bytes += size
        try:
            await turn
        finally:
            self._bytes -= size

    def begin(self) -> None:
        self.holding = True

    async def all_landed(self) -> None:
        await self._landed.wait()

    def release(self) -> None:
        self.holding = False
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
