"""The named bounds of the relay that are no settings, the budget of buffered bytes, and the rates that are floods.

Owns: numbers and counting. Not: what happens when one is exceeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

STREAM_WINDOW: Final = 2**20
"""Body bytes of one exchange and direction that may wait with us; a client or upstream stops sending beyond."""
CONNECTION_WINDOW: Final = 2**24
"""HTTP/2: in flight on one connection. Given back at receipt: only its own stream's window stops a slow reader."""
FRAME_SIZE: Final = 2**16
"""HTTP/2: largest frame that we accept. More would be copied again and again while it arrives."""
WRITE_BUFFER: Final = 2**18
"""Bytes in a socket's write buffer above which its streams wait in their own queues."""
UNREAD: Final = 4 * WRITE_BUFFER
"""Bytes in a client's write buffer above which it may not ask for more answers to PING and the like."""
SMALL_ANSWER: Final = 2**16
"""Bytes of an answer of ours that is given whatever waits for others: it may tell of a write that was carried out."""
JOINED: Final = 2**12
"""Bytes up to which small bodies that wait are made one piece."""
RETRY_COPY: Final = 2**20
"""Bytes of a request kept so that it can be sent to another connection."""
ATTEMPTS: Final = 6
"""Connections that one request is sent to, at most, when none of them took it."""
WAITING: Final = 10_000
"""Exchanges that wait for a connection to one upstream."""
HTTP2_CONNECTIONS: Final = 16
"""To one upstream; another is opened when the streams that it allows are all in use."""
HTTP2_LEFT: Final = 64
"""Connections to one upstream that take no new stream and still have old ones; of more the one that was left first is ended.
A client may have ten left in a second (see Flood.GIVEN_UP), so what is under way on one has six seconds at least."""
HTTP1_DIALS: Final = 32
"""Connections to one upstream being opened at the same time."""
HTTP1_IDLE: Final = 4.0
"""Seconds. Servers close idle connections after 5 s or more (actix 5, Go 0 or more): ours must go before."""
HEAD_TIMEOUT: Final = 30.0
"""Seconds from a head's first byte to its last, from a connection's opening to a first byte of TLS or preface or to SETTINGS,
from a GOAWAY of ours to the answer to its PING; and that a client of HTTP/1.1 may leave its last reply unread."""
UNREAD_REPLY: Final = 300.0
"""Seconds that a client may take nothing of a reply that waits for it: what it holds is missing to all others."""
LINGER: Final = 2.0
"""Seconds that a client may go on sending after an early reply, so that a reset does not destroy it; and that a connection
which we end waits for its peer to read the rest."""
CONTINUATIONS: Final = 32
"""Frames of one header block."""
CHUNK_LINE: Final = 256
"""Bytes of a chunk's size line with its extensions."""
KEEPALIVE_TIMEOUT: Final = 30_000
"""Milliseconds that bytes we sent to an upstream may stay unacknowledged before the connection is given up."""


class Budget:
    """Buffered bytes of all connections together."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Counts the bytes in any case; False where they are too many."""
        self.used += size
        return self.used <= self.limit

    def give(self, size: int) -> None:
        self.used -= size


class Flood(Enum):
    """Frames that cost a peer nothing."""

    PING = "PING"
    SETTINGS = "SETTINGS"
    RESET = "RST_STREAM"
    EMPTY = "empty DATA"
    IDLE = "PRIORITY or unknown"
    GIVEN_UP = "RST_STREAM of ours to an upstream"


FLOODS: Final[Mapping[Flood, int]] = {
    Flood.PING: 10_000,  # Go's gRPC measures bandwidth with a PING each round trip, which is short on one machine
    Flood.SETTINGS: 100,
    Flood.RESET: 1000,  # a client may cancel all its streams at once
    Flood.EMPTY: 1000,
    Flood.IDLE: 1000,
    Flood.GIVEN_UP: 100,  # clients share the connection, and an upstream that counts the resets of all would end it
}
"""Frames in a second."""


class Rates:
    """Counts one connection's frames within a second."""

    __slots__ = ("_counts", "_since")

    def __init__(self) -> None:
        self._counts: dict[Flood, int] = {}
        self._since = 0.0

    def exceeded(self, flood: Flood, now: float) -> bool:
        if now - self._since >= 1.0:
            self._since = now
            self._counts.clear()
        self._counts[flood] = count = self._counts.get(flood, 0) + 1
        return count > FLOODS[flood]
