"""Lets many pass together, or one alone: a partial update reads, merges and writes back, and nothing may write in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from proxy.routing.under_way import UnderWay


class Turnstile:
    """One per collection. A waiting `alone` lets those inside finish and keeps others out until it is done."""

    def __init__(self) -> None:
        self._inside = UnderWay()
        self._door = asyncio.Lock()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._door:
            self._inside.begin()
        try:
            yield
        finally:
            self._inside.end()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._door:
            await self._inside.none()
            yield
