"""What a read makes others write leaves at its end, not in the loop's next turn: one change of hands less for each direction.

Owns: when. Not: what is written (the sender of HTTP/2, the writer of HTTP/1.1).
"""

from __future__ import annotations

import asyncio
from typing import Final
from weakref import WeakKeyDictionary


class Outlet:
    """Has bytes that wait to be written together."""

    __slots__ = ()

    def flush(self) -> None:
        """Hands them to the socket; none are no fault."""
        raise NotImplementedError


class Turn:
    """Of one loop: the read that is under way, and what it made others write."""

    __slots__ = ("_depth", "_due", "reading")

    def __init__(self) -> None:
        self.reading = False
        self._depth = 0
        self._due: list[Outlet] = []

    def begin(self) -> None:
        self._depth += 1
        self.reading = True

    def await_end(self, outlet: Outlet) -> None:
        """Only while one is `reading`."""
        self._due.append(outlet)

    def end(self) -> None:
        self._depth -= 1
        if not self._depth:
            self.reading = False
            for outlet in self._due:
                outlet.flush()
            self._due.clear()


_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Turn]] = WeakKeyDictionary()


def running_turn() -> Turn:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    turn = _TURNS.get(loop)
    if turn is None:
        turn = _TURNS[loop] = Turn()
    return turn
