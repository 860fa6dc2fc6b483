"""One request on its way to an upstream, and the reply on its way back.

Owns: what was sent and what waits, sending it again where that is safe, the time to the first reply byte.
Not: holding back for a tap (tapped), connections (upstream), framing (http1, http2).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.net.ends import BODY, Failure, Piece, UpstreamEnd
from proxy.net.limits import ATTEMPTS, RETRY_COPY
from proxy.net.pieces import joined
from proxy.net.refusal import Trouble
from proxy.ports import RelayTo, Retry

if TYPE_CHECKING:
    from proxy.net.exchange import Exchange
    from proxy.net.upstream import Upstream

_FIRST_PAUSE = 0.02
"""Seconds before the second repetition, doubled each time; the first one is at once."""


class Relay:
    """An exchange's way without a tap; ends.Caller towards the upstream."""

    __slots__ = (
        "_attempts",
        "_begun",
        "_complete",
        "_connections",
        "_copy_limit",
        "_end",
        "_exchange",
        "_granted",
        "_held",
        "_kept",
        "_next",
        "_over",
        "_owed",
        "_passed",
        "_ready",
        "_replied",
        "_retry",
        "_shown",
        "_stalled",
        "_upstream",
        "_whole",
    )

    def __init__(self, exchange: Exchange, to: RelayTo, upstream: Upstream) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._connections = upstream.connections[exchange.client.version]
        self._retry = to.retry
        self._copy_limit = RETRY_COPY
        self._end: UpstreamEnd | None = None
        self._kept: list[Piece] = []  # from the request's first piece on while _whole, else from the first unsent one
        self._whole = True
        self._next = 0  # index in _kept of the first unsent piece
        self._ready = 0  # index in _kept of the first piece that may not be sent yet
        self._held = 0  # bytes counted in the budget for the request
        self._owed = 0  # bytes counted in the budget for the reply
        self._passed = 0  # request bytes that the present connection took
        self._granted = 0  # the most that any connection took: a client is granted each byte once
        self._attempts = 0
        self._complete = False  # the client sent everything
        self._begun = False  # something of a reply came from the upstream
        self._shown = False  # something of a reply went to the client
        self._replied = False  # the whole reply came from the upstream
        self._over = False  # nothing more may happen
        self._stalled: float | None = None

    def start(self, pieces: list[Piece], granted: int) -> None:
        self._granted = granted
        self._open()
        for piece in pieces:
            self.request(piece)

    # driven by the client's end

    def request(self, piece: Piece) -> None:
        if self._over:
            return
        self._kept.append(piece)
        if piece.kind is BODY and not self._count(len(piece.wire)):
            return
        self._complete = piece.end
        self._arrived(piece)
        self._forward()
        if len(self._kept) > 2:
            self._tidy()

    def reply_drained(self, size: int) -> None:
        self._repay(size)
        self._grant(size)

    def gone(self) -> None:
        self._over = True
        self._leave()
        self._exchange.around.budget.give(self._held + self._owed)
        self._held = self._owed = 0
        self._kept.clear()

    def sweep(self, now: float) -> None:
        if self._begun or self._over or not self._complete or self._end is None:
            self._stalled = None
        elif self._stalled is None:
            self._stalled = now
        elif now - self._stalled > (limit := self._upstream.first_byte_timeout):
            self._give_up(Failure(f"{self._upstream.name} sent no reply within {limit:g} s", Trouble.SLOW))

    # driven by the upstream's end

    def attached(self, end: UpstreamEnd) -> None:
        self._end = end
        self._next = self._passed = 0
        self._forward()

    def request_drained(self, size: int) -> None:
        self._pass(size)

    def reply(self, piece: Piece) -> None:
        if not self._begun:
            self._begin()
        if piece.end:
            self._replied = True
            if self._all_sent():
                self._end = None  # over HTTP/1.1 it serves another exchange from now on
        self._deliver(piece)

    def failed(self, failure: Failure) -> None:
        """The connection is lost to this relay, or none could be had in time."""
        again = self._may_repeat(failure)
        self._end = None
        if again:
            self._repeat()
        elif not (self._replied and self._complete):
            self._fail(failure)

    # what a tap changes

    def _arrived(self, piece: Piece) -> None:
        """Decides how far the request may be sent."""
        self._ready = len(self._kept)

    def _deliver(self, piece: Piece) -> None:
        self._send(piece)

    def _fail(self, failure: Failure) -> None:
        self._over = True
        if self._shown or failure.code is not None:
            self._exchange.client.cut(failure)
        else:
            self._exchange.refuse(failure.trouble, failure.text)

    def _grant(self, size: int) -> None:
        """So many bytes of the reply have reached the client's connection."""
        if self._end is not None:
            self._end.grant(size)

    # the request's steps

    def _open(self) -> None:
        if not self._over:
            self._attempts += 1
            self._connections.open(self)

    def _leave(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end.reset()
        elif not self._begun:
            self._connections.leave(self)

    def _give_up(self, failure: Failure) -> None:
        self._leave()
        self._fail(failure)

    def _forward(self) -> None:
        while self._next < self._ready and (end := self._end) is not None:
            piece = self._kept[self._next]
            self._next += 1
            if taken := end.send(piece):
                self._pass(taken)
        if not self._whole:
            self._drop_sent()

    def _pass(self, size: int) -> None:
        self._passed += size
        if self._passed > self._granted:
            self._exchange.client.grant(self._passed - self._granted)
            self._granted = self._passed
        if not self._whole:
            self._uncount(size)

    def _count(self, size: int) -> bool:
        self._held += size
        if not self._exchange.around.budget.take(size):
            self._give_up(Failure("too many bytes are waiting in the proxy", Trouble.OVERLOADED))
            return False
        if self._whole and self._held > self._copy_limit:
            self._forget_sent()
        return True

    def _uncount(self, size: int) -> None:
        self._held -= size
        self._exchange.around.budget.give(size)

    def _forget_sent(self) -> None:
        """From now on the request cannot be sent again."""
        self._whole = False
        self._drop_sent()
        self._uncount(self._passed)

    def _drop_sent(self) -> None:
        sent, self._next = self._next, 0
        self._ready -= sent
        if sent == len(self._kept):  # nearly always; a slice is made by other code
            self._kept.clear()
        else:
            del self._kept[:sent]

    def _tidy(self) -> None:
        """Of small pieces that are kept few are made: of such as are on one side of what was sent, and of what may be."""
        for second in (len(self._kept) - 1, len(self._kept) - 2):
            if second < 1 or second in (self._next, self._ready):
                continue
            one = joined(self._kept[second - 1], self._kept[second])
            if one is not None:
                self._kept[second - 1 : second + 1] = [one]
                self._next -= self._next > second
                self._ready -= self._ready > second
                return

    # sending again

    def _all_sent(self) -> bool:
        """The request's last bytes are with the upstream: what it does with them is unknown."""
        return self._complete and self._next == len(self._kept) and self._end is not None and self._end.flushed

    def _may_repeat(self, failure: Failure) -> bool:
        if self._begun or self._over or not self._whole or failure.trouble is not Trouble.CUT:
            return False
        if failure.untaken or not (self._all_sent() or self._message_sent()):
            return self._attempts < ATTEMPTS
        return self._retry is Retry.SAFE and self._attempts < 2

    def _message_sent(self) -> bool:
        """A whole gRPC message is with the upstream: of a streaming call it may have acted on it before the end."""
        if not self._exchange.head.grpc:
            return False
        sent = b"".join(piece.content for piece in self._kept[: self._next])
        return len(sent) >= 5 and len(sent) >= 5 + int.from_bytes(sent[1:5])

    def _repeat(self) -> None:
        if self._attempts == 1:
            self._open()
        else:
            asyncio.get_running_loop().call_later(_FIRST_PAUSE * 2 ** (self._attempts - 2), self._open)

    # the reply's steps

    def _begin(self) -> None:
        self._begun = True
        if self._whole:
            self._forget_sent()

    def _send(self, piece: Piece) -> None:
        self._shown = True
        taken = self._exchange.client.send(piece)
        if piece.kind is not BODY:
            return
        if late := len(piece.wire) - taken:
            self._owe(late)
        if taken:
            self._grant(taken)

    def _owe(self, size: int) -> None:
        self._owed += size
        if not self._exchange.around.budget.take(size):
            self._give_up(Failure("too many bytes are waiting for slow clients", Trouble.OVERLOADED))

    def _repay(self, size: int) -> None:
        self._owed -= size
        self._exchange.around.budget.give(size)
