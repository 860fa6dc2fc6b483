"""One stream of one connection: its windows, and how far each direction has come. Owns no frames but its own WINDOW_UPDATE."""

from __future__ import annotations

from proxy.net.ends import Piece
from proxy.net.http2 import frames
from proxy.net.http2.sender import Sender
from proxy.net.limits import STREAM_WINDOW


class Stream:
    """One stream of one connection; subclasses join it to an exchange."""

    __slots__ = ("due", "expected", "got_end", "got_head", "granted", "id", "queue", "sender", "sent_end", "skipped", "window")

    def __init__(self, sender: Sender, stream_id: int) -> None:
        self.sender = sender
        self.id = stream_id
        self.window = sender.initial  # what the peer lets us send
        self.queue: list[Piece] = []
        self.skipped = 0
        self.granted = STREAM_WINDOW  # what we let the peer send
        self.due = 0  # bytes gone on, not yet granted again
        self.expected: int | None = None  # bytes of body still to come, where the peer declared them
        self.got_head = False
        self.got_end = False
        self.sent_end = False

    def arrived(self, piece: Piece) -> None:
        raise NotImplementedError

    def drained(self, size: int) -> None:
        raise NotImplementedError

    def ended(self) -> None:
        raise NotImplementedError

    def grant(self, size: int) -> None:
        """ends.ClientEnd and UpstreamEnd. Many small bodies never need a frame for it."""
        self.due += size
        if self.due >= STREAM_WINDOW // 2 and not self.got_end:
            self.granted += self.due
            self.sender.put(frames.window_update(self.id, self.due))
            self.due = 0
