"""Writes that a full journal does not keep at all: their collection becomes a debt before they may go on.

Owns: the order of debt and write. Not: when the journal is full.
"""

from __future__ import annotations

from proxy.mirror.journal import Told
from proxy.mirror.owing import Owing
from proxy.mirror.parts import Parts
from proxy.mirror.pulse import Pulse


class Shedding:
    """Bound: one debt a collection, and one call for each write that waits in a connection anyway."""

    def __init__(self, parts: Parts) -> None:
        self._owing = Owing(parts)
        self._waiting: dict[str, list[Told]] = {}
        self._pulse = Pulse()

    def owe(self, collection: str, call: Told | None) -> None:
        """`call(None)` when the debt is durable. Once before the write and once after its end: verify may pass in between."""
        self._waiting.setdefault(collection, []).extend([] if call is None else [call])
        self._pulse.ring()

    async def run(self) -> None:
        while True:
            await self._pulse.until(lambda: bool(self._waiting))
            collection, calls = self._waiting.popitem()
            await self._owing.mark(collection, "the journal was full and did not keep a write")
            for call in calls:
                call(None)
