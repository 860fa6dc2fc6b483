"""How a network can be: the moods of a FaultProxy, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import Final

CHUNK: Final = 1 << 16


class Way(Enum):
    UP = auto()
    """To the server."""
    DOWN = auto()
    """To the client."""


BOTH: Final = frozenset(Way)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """As it is made, a network without faults. Seconds and bytes."""

    listens: bool = True
    """False: nobody does, and what was open is reset."""
    swallows: bool = False
    """Connections are taken and their bytes read, none goes on and none comes; they are reset when the mood ends."""
    stopped: frozenset[Way] = frozenset()
    """Bytes these ways wait until the mood ends, as TCP does while packets are lost."""
    latency: float = 0.0
    """Of every byte, each way."""
    jitter: float = 0.0
    """At most this much more, drawn for each chunk."""
    rate: float = inf
    """Bytes a second and connection, each way."""
    piece: int = CHUNK
    """Bytes travel in pieces of one up to so many, each one a packet of its own."""
    limits: tuple[tuple[Way, int], ...] = ()
    """A connection ends when it has carried so many bytes that way since the mood began, the last of them arrived."""
    resets: bool = True
    """How: by a reset on both sides; False: closed in order towards the server."""
    linger: float = 0.0
    """The end of a connection travels that much longer than its bytes."""


PASS: Final = Mood()
LATENCY: Final = Mood(latency=0.1, jitter=0.1)
SLOW: Final = Mood(latency=2.0)
BANDWIDTH: Final = Mood(rate=40_000)
RESET_UP: Final = Mood(limits=((Way.UP, 4_000),))
RESET_DOWN: Final = Mood(limits=((Way.DOWN, 2_000),))
HALF_OPEN_UP: Final = Mood(stopped=frozenset({Way.UP}))
HALF_OPEN_DOWN: Final = Mood(stopped=frozenset({Way.DOWN}))
SLICING: Final = Mood(piece=7)
REFUSE: Final = Mood(listens=False)
BLACK_HOLE: Final = Mood(swallows=True)
SILENT: Final = Mood(stopped=BOTH)
SLOW_CLOSE: Final = Mood(limits=((Way.UP, 4_000), (Way.DOWN, 2_000)), resets=False, linger=1.0)
