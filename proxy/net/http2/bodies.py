"""Bodies of one read that wait for its end: of a stream's many small frames, and of its large ones, one piece is made.

A piece costs more than a small frame's bytes, and a body that goes on by the read costs by its bytes, not by its frames.
Owns: joining. Not: which frames may wait (connection).
"""

from __future__ import annotations

from proxy.net.ends import BODY, Piece
from proxy.net.http2.stream import Stream


class Bodies:
    """A stream has small ones or large ones, never both."""

    __slots__ = ("large", "small")

    def __init__(self) -> None:
        self.small: dict[Stream, list[bytes]] = {}
        self.large: dict[Stream, list[memoryview]] = {}

    def add_small(self, stream: Stream, payload: bytes) -> None:
        self.small.setdefault(stream, []).append(payload)

    def add_large(self, stream: Stream, payload: memoryview, *, end: bool) -> None:
        self.large.setdefault(stream, []).append(payload)
        if end:
            _arrived(stream, self.large.pop(stream), end=True)

    def deliver(self, stream: Stream) -> None:
        """Its small ones, before anything else of it is."""
        if (payloads := self.small.pop(stream, None)) is not None:
            payload = b"".join(payloads)
            stream.arrived(Piece(BODY, payload, payload, False))

    def deliver_small(self) -> None:
        while self.small:
            self.deliver(next(iter(self.small)))

    def deliver_large(self) -> None:
        large, self.large = self.large, {}
        for stream, payloads in large.items():
            _arrived(stream, payloads, end=False)


def _arrived(stream: Stream, payloads: list[memoryview], *, end: bool) -> None:
    stream.got_end = end
    payload = b"".join(payloads)
    stream.arrived(Piece(BODY, payload, payload, end))
