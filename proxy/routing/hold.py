"""Keeps writes waiting while the primary changes: in memory, bounded, in order.

Owns: the queue and its bound. Not: what becomes of a write (the router decides again when it is released).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Hold:
    """Closed: writes go on. Open: they wait. `flying` counts writes between their decision and their outcome."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Callable[[], None]] = deque()
        self._open = False
        self._flying = 0
        self._landed = asyncio.Event()
        self._landed.set()

    def __repr__(self) -> str:
        return f"<Hold {'holding' if self._open else 'idle'} waiting={len(self._waiting)} flying={self._flying}>"

    @property
    def holding(self) -> bool:
        return self._open

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self._waiting) >= self._limit

    def take_off(self) -> None:
        self._flying += 1
        self._landed.clear()

    def land(self) -> None:
        self._flying -= 1
        if not self._flying:
            self._landed.set()

    def begin(self) -> None:
        self._open = True

    def keep(self, again: Callable[[], None]) -> None:
        """`again` is called at the release; bytes of its body are bounded by the connection's credit."""
        self._waiting.append(again)

    async def all_landed(self) -> None:
        await self._landed.wait()

    def release(self) -> None:
        self._open = False
        while self._waiting:
            self._waiting.popleft()()
