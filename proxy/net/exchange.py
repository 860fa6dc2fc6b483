"""One request and its reply: waits until the handler says what to do, then hands every piece to that way.

Owns: the choice of a way and what came before it. Not: forwarding (relaying, tapped), collecting (serving),
the wire (http1, http2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from proxy.config import RelayConfig
from proxy.errors import Broken, Unavailable
from proxy.net.ended import EndedRelay
from proxy.net.ends import ClientEnd, Piece, RequestHead
from proxy.net.limits import Budget
from proxy.net.owned import Owned
from proxy.net.pieces import add_piece
from proxy.net.refusal import Trouble, refusal
from proxy.net.relaying import Relay
from proxy.net.serving import Serving
from proxy.net.tapped import TappedRelay
from proxy.net.tried import TriedRelay
from proxy.net.upstream import Upstream
from proxy.ports import Headers, RelayTo, Work


class Way(Protocol):
    """What happens with an exchange: a relay, a work, or nothing any more."""

    def request(self, piece: Piece) -> None: ...

    def reply_drained(self, size: int) -> None: ...

    def gone(self) -> None:
        """The client is, or both directions are complete. Called once, last."""

    def sweep(self, now: float) -> None:
        """From time to time: looks after timeouts."""


class _Over:
    """Nothing is left to do."""

    def request(self, piece: Piece) -> None: ...

    def reply_drained(self, size: int) -> None: ...

    def gone(self) -> None: ...

    def sweep(self, now: float) -> None: ...


OVER = _Over()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all exchanges of a listener share."""

    relay: RelayConfig
    budget: Budget
    tasks: Owned
    max_body: int
    """Bytes of a request that is collected for a work."""


class Exchange:
    """ports.Exchange, driven by its client's end."""

    __slots__ = ("_first", "_held", "_size", "_waiting", "_way", "around", "authority", "client", "head", "method", "path")

    def __init__(self, client: ClientEnd, head: RequestHead, first: Piece, around: Surroundings) -> None:
        self.client = client
        self.head = head
        self.method = head.method
        self.path = head.path
        self.authority = head.authority
        self.around = around
        self._waiting: list[Piece] | None = [first]
        self._held = 0
        self._first = len(first.wire)
        self._size = 0  # of the head, which is kept until the end
        self._way: Way = OVER

    def headers(self) -> Headers:
        return self.head.headers

    def relay(self, to: RelayTo) -> None:
        waiting = self._decided()
        if waiting is not None:
            self.forward(to, waiting, 0)
        elif to.tap is not None:
            to.tap.failed(Unavailable("the client left before its request was relayed"), sent=False)
        elif to.ended is not None:
            to.ended()

    def serve(self, work: Work) -> None:
        waiting = self._decided()
        if waiting is None:
            return
        self._way = serving = Serving(self, work)
        self.client.invite()
        for piece in waiting:
            serving.request(piece)

    def forward(self, to: RelayTo, pieces: list[Piece], granted: int) -> None:
        """`pieces` came so far; `granted` bytes of them are no more in the client's window."""
        if not isinstance(to.upstream, Upstream):
            raise Broken(f"{to.upstream.name} is no upstream that the relay can reach")
        self._way = relay = _relay(self, to, to.upstream)
        self.client.invite()
        relay.start(pieces, granted)

    def refuse(self, trouble: Trouble, text: str) -> None:
        self.client.answer(refusal(trouble, text, grpc=self.head.grpc))

    # driven by the client's end

    def admitted(self) -> bool:
        """Once, first. False: its head is more than the proxy may hold, and it is refused."""
        self._size = self._first
        if self.around.budget.take(self._size):
            return True
        self._overloaded()
        return False

    def request(self, piece: Piece) -> None:
        if self._waiting is None:
            self._way.request(piece)
        else:
            self._wait(self._waiting, piece)

    def reply_drained(self, size: int) -> None:
        self._way.reply_drained(size)

    def gone(self) -> None:
        self._taken()
        self.around.budget.give(self._size)
        self._size = 0
        way, self._way = self._way, OVER
        way.gone()

    def sweep(self, now: float) -> None:
        self._way.sweep(now)

    def _wait(self, waiting: list[Piece], piece: Piece) -> None:
        add_piece(waiting, piece)
        self._held += len(piece.wire)
        if not self.around.budget.take(len(piece.wire)):
            self._overloaded()

    def _overloaded(self) -> None:
        self._taken()
        self.refuse(Trouble.OVERLOADED, "too many bytes are waiting in the proxy")

    def _decided(self) -> list[Piece] | None:
        """What waited; None where the client left meanwhile."""
        if self._way is not OVER:
            raise Broken("an exchange is relayed or served once")
        return self._taken()

    def _taken(self) -> list[Piece] | None:
        waiting, self._waiting = self._waiting, None
        if self._held:
            self.around.budget.give(self._held)
            self._held = 0
        return waiting


def _relay(exchange: Exchange, to: RelayTo, upstream: Upstream) -> Relay:
    if to.tap is not None:
        return TappedRelay(exchange, to, upstream, to.tap)
    if to.otherwise is not None:
        return TriedRelay(exchange, to, upstream, to.otherwise)
    if to.ended is not None:
        return EndedRelay(exchange, to, upstream, to.ended)
    return Relay(exchange, to, upstream)
