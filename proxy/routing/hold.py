"""Keeps writes waiting while the primary changes: in memory, bounded in count and bytes, released in order.

Owns: the wait and its bounds, the count of writes under way. Not: what becomes of a write (the router).
"""

from __future__ import annotations

import asyncio

from proxy.errors import Unavailable
from proxy.routing.under_way import UnderWay


class Hold:
    """Between `take_off` (its decision) and `land` (its outcome) a write is under way.

    `max_requests` and `max_bytes` bound those that wait. A write by filter takes long, for its keys are listed before it and
    settled after it: so those may be made to wait first (`calm`), while all others go on.
    """

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._bytes = 0
        self._flying = UnderWay()
        self._calming = False
        self.holding = False
        self.flying_by_filter = 0

    def __repr__(self) -> str:
        return f"<Hold {'holding' if self.holding else 'idle'} waiting={self.waiting} flying={self.flying}>"

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def flying(self) -> int:
        return self._flying.count

    def take_off(self, *, by_filter: bool = False) -> None:
        self._flying.begin()
        self.flying_by_filter += by_filter

    def land(self, *, by_filter: bool = False) -> None:
        self.flying_by_filter -= by_filter
        self._flying.end()

    async def passed(self, size: int, *, by_filter: bool = False) -> None:
        """Waits until nothing is held; take off before the next await. `size`: bytes that the write keeps in memory.

        Raises Unavailable above a bound.
        """
        while self.holding or (by_filter and self._calming):  # again: another change may have begun before this one's turn came
            if self.waiting >= self._max_requests or self._bytes + size > self._max_bytes:
                raise Unavailable("too many writes wait for the change of primary; try again in a few seconds")
            turn = asyncio.get_running_loop().create_future()
            self._waiting[turn] = None
            self._bytes += size
            try:
                await turn
            finally:
                del self._waiting[turn]
                self._bytes -= size

    def calm(self) -> None:
        """Writes by filter wait from now on."""
        self._calming = True

    def begin(self) -> None:
        self.holding = True

    async def all_landed(self) -> None:
        await self._flying.none()

    def release(self) -> None:
        self.holding = self._calming = False
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
