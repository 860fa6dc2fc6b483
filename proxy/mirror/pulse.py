"""Lets coroutines wait until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pulse:
    """`ring` whenever something has changed that somebody may wait for; only those wake for whom it holds by then.

    Most rings are for others, and to wake a task costs ten times what asking its question does.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def ring(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for holds, future in waiting:
            if future.done():  # given up
                continue
            if holds():
                future.set_result(None)
            else:
                self._waiting.append((holds, future))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Looks again when it wakes: another that woke before may have changed it back."""
        while not holds():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((holds, future))
            await future
