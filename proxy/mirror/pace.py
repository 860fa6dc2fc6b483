"""How long to wait before the next try. Only Unavailable is ever tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from proxy.errors import ProxyError, Throttled, Unavailable
from proxy.ports import Clock

T = TypeVar("T")

FIRST: Final = 0.05
"""Seconds; doubled with each failure in a row."""


class Pace:
    def __init__(self, clock: Clock, longest: float) -> None:
        self._clock = clock
        self._longest = longest
        self._next = FIRST
        self.error: ProxyError | None = None
        """Of the last try; None when it was good."""

    def good(self) -> None:
        self._next = FIRST
        self.error = None

    async def bad(self, error: ProxyError) -> None:
        """Waits; at least as long as the other side asks."""
        asked = error.retry_after or 0.0 if isinstance(error, Throttled) else 0.0
        pause, self._next = self._next, min(self._next * 2, self._longest)
        await self._clock.sleep(max(pause, asked))

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Until it is not Unavailable."""
        while True:
            try:
                result = await call()
            except Unavailable as error:
                self.error = error
                await self.bad(error)
            else:
                self.good()
                return result
