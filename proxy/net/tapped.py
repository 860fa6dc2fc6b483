"""A relay that is watched, and held back at two points: before the request's last bytes, before the reply's.

Owns: the order of a tap's calls, the copies kept for it. Not: what taps do (routing).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from proxy.errors import Broken, ProxyError, Unavailable, Uncertain
from proxy.net.ends import BODY, HEAD, INTERIM, Failure, Piece
from proxy.net.limits import RETRY_COPY
from proxy.net.relaying import Relay
from proxy.ports import RelayTo, Reply, Request, Tap

if TYPE_CHECKING:
    from proxy.net.exchange import Exchange
    from proxy.net.upstream import Upstream


class _Step(Enum):
    """Where the tap stands."""

    REQUEST = "the request may go on"
    HELD = "the tap holds the request's end"
    REPLY = "the tap holds the reply's end"
    TOLD = "done or failed was called"


class TappedRelay(Relay):
    """A server may start at the last message byte, before the end of the stream: so the last piece with content waits,
    and in a request without a body its head."""

    __slots__ = ("_advance", "_held_reply", "_held_size", "_last_sent", "_read", "_reply", "_size", "_step", "_tap")

    def __init__(self, exchange: Exchange, to: RelayTo, upstream: Upstream, tap: Tap) -> None:
        super().__init__(exchange, to, upstream)
        self._tap = tap
        self._copy_limit = max(RETRY_COPY, tap.limit)
        self._step = _Step.REQUEST
        self._last_sent = False
        self._reply: list[Piece] | None = []  # the copy; None above the tap's limit
        self._read: Reply | None = None  # what the copy is, once it is whole
        self._size = 0
        self._held_reply: list[Piece] = []  # not yet sent to the client
        self._held_size = 0  # bytes of it that are counted in the budget
        self._advance = 0  # bytes of the reply that the upstream was granted while they are held

    def gone(self) -> None:
        super().gone()
        match self._step:
            case _Step.REPLY:
                self._tell_done()
            case _Step.REQUEST | _Step.HELD:
                self._tell_failed("the client left")
            case _Step.TOLD:
                pass

    def failed(self, failure: Failure) -> None:
        self._last_sent |= self._all_sent()
        super().failed(failure)

    def _leave(self) -> None:
        self._last_sent |= self._all_sent()
        super()._leave()

    # the request

    def _arrived(self, piece: Piece) -> None:
        if piece.kind is HEAD or piece.content:
            self._ready = len(self._kept) - 1
        if piece.end and not self._replied:
            self._step = _Step.HELD
            self._tap.request(self._request(), self._go)

    def _request(self) -> Request | None:
        if not self._whole or sum(len(piece.content) for piece in self._kept) > self._tap.limit:
            return None
        head = self._exchange.head
        return Request(head.method, head.path, head.headers, b"".join(piece.content for piece in self._kept))

    def _go(self, instead: Reply | None) -> None:
        if self._over or self._replied or self._step is not _Step.HELD:
            return
        if instead is None:
            self._step = _Step.REQUEST
            self._ready = len(self._kept)
            self._forward()
        else:
            self._replace(instead)

    def _replace(self, reply: Reply) -> None:
        if self._shown:
            raise Broken("a request cannot be answered by its tap when its reply has begun")
        self._over = True
        self._leave()
        self._tell_failed("the request was answered before it was sent")
        self._exchange.client.answer(reply)

    # the reply

    def _deliver(self, piece: Piece) -> None:
        if piece.kind is INTERIM:
            self._send(piece)
            return
        self._copy(piece)
        self._held_reply.append(piece)
        if piece.end:
            self._ask()
        elif not self._tap.holds_reply or self._reply is None:
            self._release()
        else:
            self._prepay(len(piece.wire) if piece.kind is BODY else 0)

    def _copy(self, piece: Piece) -> None:
        self._size += len(piece.content)
        if self._size > self._tap.limit:
            self._reply = None
        elif self._reply is not None:
            self._reply.append(piece)

    def _ask(self) -> None:
        self._step = _Step.REPLY
        if not self._complete:  # nobody needs the rest of the request
            self._leave()
        self._read = None if self._reply is None else self._exchange.client.read(self._reply)
        self._tap.reply(self._read, self._go_reply)

    def _go_reply(self, instead: Reply | None) -> None:
        if self._over or self._step is not _Step.REPLY:
            return
        self._step = _Step.TOLD
        if instead is None:
            self._release()
        elif self._shown:
            raise Broken("a reply that has begun cannot be replaced by its tap")
        else:
            self._exchange.client.answer(instead)
        self._tap.done(self._read)
        if not self._complete and not self._over:
            self._exchange.client.cut(Failure("the reply came before the request's end", code=0))

    def _release(self) -> None:
        held, self._held_reply = self._held_reply, []
        self._repay(self._held_size)
        self._held_size = 0
        for piece in held:
            if not self._over:
                self._send(piece)

    def _prepay(self, size: int) -> None:
        """What is held for the tap must not use up the window in which the upstream completes the reply."""
        self._owe(size)
        self._held_size += size
        self._advance += size
        if self._end is not None:
            self._end.grant(size)

    def _grant(self, size: int) -> None:
        covered = min(size, self._advance)
        self._advance -= covered
        if size > covered:
            super()._grant(size - covered)

    # the last call

    def _fail(self, failure: Failure) -> None:
        self._over = True
        if self._step is not _Step.REPLY:
            self._tell_failed(failure.text)
        super()._fail(failure)

    def _tell_done(self) -> None:
        self._step = _Step.TOLD
        self._tap.done(self._read)

    def _tell_failed(self, text: str) -> None:
        if self._step is _Step.TOLD:
            return
        self._step = _Step.TOLD
        error: ProxyError = Uncertain(text) if self._last_sent else Unavailable(text)
        self._tap.failed(error, sent=self._last_sent)
