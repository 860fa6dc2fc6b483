"""Lets coroutines wait until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pulse:
    """`ring` whenever something changed that somebody may wait for; each waiter looks again for itself."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
