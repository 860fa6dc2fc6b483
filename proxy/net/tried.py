"""A relay to an upstream that may fail without anybody noticing: what it cannot answer well, another one is asked.

Owns: holding the reply until it is judged, the time that it may take. Not: what a good reply is (routing).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from proxy.net.ends import BODY, INTERIM, Failure, Piece, UpstreamEnd
from proxy.net.relaying import Relay
from proxy.ports import Otherwise, RelayTo

if TYPE_CHECKING:
    from proxy.net.exchange import Exchange
    from proxy.net.upstream import Upstream

CONNECT: Final = 0.25
"""Seconds until a connection must be there: the other upstream is not kept waiting for one that is down."""


class TriedRelay(Relay):
    """For a request that is whole, so that it can be sent again however far it came."""

    __slots__ = ("_otherwise", "_parked", "_parked_size", "_prepaid", "_request", "_timer")

    def __init__(self, exchange: Exchange, to: RelayTo, upstream: Upstream, otherwise: Otherwise) -> None:
        super().__init__(exchange, to, upstream)
        self._otherwise = otherwise
        self._request: tuple[list[Piece], int] = ([], 0)
        self._parked: list[Piece] = []
        self._parked_size = 0
        self._prepaid = 0  # bytes of the reply that the upstream was granted while they were held
        self._timer: asyncio.TimerHandle | None = None

    def start(self, pieces: list[Piece], granted: int) -> None:
        self._request = (pieces, granted)
        self._expect(CONNECT, f"{self._upstream.name} has no connection")
        super().start(list(pieces), granted)

    def attached(self, end: UpstreamEnd) -> None:
        self._expect(self._otherwise.patience, f"{self._upstream.name} sent no reply in time")
        super().attached(end)

    def gone(self) -> None:
        self._calm()
        super().gone()

    def _deliver(self, piece: Piece) -> None:
        if self._shown:
            self._send(piece)
            return
        self._parked.append(piece)
        self._prepay(len(piece.wire) if piece.kind is BODY else 0)
        if self._over:
            return
        if self._parked_size > self._otherwise.limit:
            self._release()
        elif piece.end and piece.kind is not INTERIM:
            self._judge()

    def _judge(self) -> None:
        final = [piece for piece in self._parked if piece.kind is not INTERIM]
        if self._otherwise.good(self._exchange.client.read(final)):
            self._release()
        else:
            self._switch()

    def _fail(self, failure: Failure) -> None:
        if self._shown:
            super()._fail(failure)
        else:
            self._switch()

    def _switch(self) -> None:
        """As if it had never been here."""
        self.gone()
        self._exchange.forward(self._otherwise.to(), *self._request)

    def _release(self) -> None:
        self._calm()
        self._request = ([], 0)
        held, self._parked = self._parked, []
        self._repay(self._parked_size)
        self._parked_size = 0
        for piece in held:
            if not self._over:
                self._send(piece)

    def _prepay(self, size: int) -> None:
        """What is held must not use up the window in which the upstream completes the reply."""
        self._owe(size)
        self._parked_size += size
        self._prepaid += size
        if self._end is not None:
            self._end.grant(size)

    def _grant(self, size: int) -> None:
        covered = min(size, self._prepaid)
        self._prepaid -= covered
        if size > covered:
            super()._grant(size - covered)

    def _expect(self, seconds: float, text: str) -> None:
        self._calm()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._late, text)

    def _late(self, text: str) -> None:
        if not self._over and not self._shown:
            self._give_up(Failure(text))

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
