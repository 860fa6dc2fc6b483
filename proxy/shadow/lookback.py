"""Where the mirror stood a moment before a read: the primary itself may not have shown its last writes to that read yet.

Owns: how long that moment is. Milvus at its default consistency misses about the last 200 ms of writes; the secondary may
have them already, and that is no disagreement.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from proxy.ports import Clock
from proxy.shadow.pair import WriteWindow

TICK_SECONDS: Final = 0.5
TICKS: Final = 3  # the oldest of them is 1 to 1.5 seconds old


class Lookback:
    def __init__(self, window: WriteWindow, clock: Clock) -> None:
        self._window = window
        self._clock = clock
        self._positions = deque([window.position], maxlen=TICKS)

    def before(self, position: int) -> int:
        """For a read sent now or just before, when the mirror stood at `position`."""
        return min(position, self._positions[0])

    async def run(self) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            self._positions.append(self._window.position)
