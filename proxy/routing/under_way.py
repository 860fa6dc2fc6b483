"""Counts what has begun and not ended, and lets others wait until nothing is left."""

from __future__ import annotations

import asyncio


class UnderWay:
    """`begin` and `end` in pairs, from the loop."""

    def __init__(self) -> None:
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    def begin(self) -> None:
        self.count += 1
        self._none.clear()

    def end(self) -> None:
        self.count -= 1
        if not self.count:
            self._none.set()

    async def none(self) -> None:
        await self._none.wait()
