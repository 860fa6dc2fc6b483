"""A relay of which somebody wants to know when it is over, and nothing else: it holds back nothing and keeps no copy.

Owns: that one call. Not: what it means (routing).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.net.ends import Piece
from proxy.net.relaying import Relay
from proxy.ports import RelayTo

if TYPE_CHECKING:
    from proxy.net.exchange import Exchange
    from proxy.net.upstream import Upstream


class EndedRelay(Relay):
    __slots__ = ("_ended",)

    def __init__(self, exchange: Exchange, to: RelayTo, upstream: Upstream, ended: Callable[[], None]) -> None:
        super().__init__(exchange, to, upstream)
        self._ended: Callable[[], None] | None = ended

    def gone(self) -> None:
        super().gone()
        self._tell()

    def _deliver(self, piece: Piece) -> None:
        self._send(piece)
        if piece.end:  # the client may still be sending, for as long as it likes
            self._tell()

    def _tell(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()
