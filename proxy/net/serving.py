"""An exchange that is answered by work of ours: the whole request is collected, the work runs, its reply is sent.

Owns: collecting, the work's task, what a failed work looks like to the client. Not: any meaning.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import Unavailable
from proxy.net.ends import BODY, Piece
from proxy.net.limits import SMALL_ANSWER
from proxy.net.pieces import add_piece
from proxy.net.refusal import Trouble
from proxy.ports import RelayTo, Reply, Request, Work

if TYPE_CHECKING:
    from proxy.net.exchange import Exchange


class Serving:
    """An exchange's way; see exchange.Way."""

    __slots__ = ("_exchange", "_over", "_owed", "_pieces", "_size", "_task", "_work")

    def __init__(self, exchange: Exchange, work: Work) -> None:
        self._exchange = exchange
        self._work = work
        self._pieces: list[Piece] = []
        self._size = 0
        self._owed = 0  # bytes of the reply, counted in the budget until the client has it
        self._over = False
        self._task: asyncio.Task[Reply | RelayTo] | None = None

    def request(self, piece: Piece) -> None:
        if self._over:
            return
        add_piece(self._pieces, piece)
        if piece.kind is BODY and not self._collect(len(piece.wire)):
            return
        if piece.end:
            self._start()

    def reply_drained(self, size: int) -> None:
        """The reply is whole already: nobody waits for room."""

    def gone(self) -> None:
        self._release()
        self._exchange.around.budget.give(self._owed)
        self._owed = 0
        if self._task is not None:
            self._task.cancel()

    def sweep(self, now: float) -> None:
        """The work has its own timeouts."""

    def _collect(self, size: int) -> bool:
        self._size += size
        around = self._exchange.around
        room = around.budget.take(size)
        if self._size > around.max_body:
            self._refuse(Trouble.TOO_LARGE, f"the request is larger than {around.max_body} bytes")
        elif not room:
            self._refuse(Trouble.OVERLOADED, "too many bytes are waiting in the proxy")
        else:
            self._exchange.client.grant(size)
        return not self._over

    def _refuse(self, trouble: Trouble, text: str) -> None:
        self._release()
        self._exchange.refuse(trouble, text)

    def _release(self) -> None:
        self._over = True
        self._exchange.around.budget.give(self._size)
        self._size = 0
        self._pieces = []

    def _start(self) -> None:
        head = self._exchange.head
        body = b"".join(piece.content for piece in self._pieces)
        work = self._work(Request(head.method, head.path, head.headers, body))
        path, _, _ = head.path.partition(b"?")  # what a client says behind it may be a credential, and the name is logged
        name = f"work for {head.method.decode('latin-1')} {path.decode('latin-1')}"
        self._task = self._exchange.around.tasks.start(work, name)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Reply | RelayTo]) -> None:
        self._task = None  # its result is not kept beside what waits for the client
        if self._over:
            _tell_tap(task)
            return
        pieces, granted = self._pieces, self._size
        self._release()
        if task.cancelled() or task.exception() is not None:  # the task's owner logs it
            self._exchange.refuse(Trouble.BUG, "the proxy failed to answer this request; its log says why")
            return
        match task.result():
            case Reply() as reply:
                self._answer(reply)
            case RelayTo() as to:
                self._exchange.forward(to, pieces, granted)

    def _answer(self, reply: Reply) -> None:
        size = len(reply.body)
        if self._exchange.around.budget.take(size) or size <= SMALL_ANSWER:
            self._owed = size
            self._exchange.client.answer(reply)
        else:
            self._exchange.around.budget.give(size)
            self._exchange.refuse(Trouble.OVERLOADED, "too many bytes are waiting for slow clients")


def _tell_tap(task: asyncio.Task[Reply | RelayTo]) -> None:
    """The client left in the moment between the work's decision and its relay: a tap hears of the end of every exchange."""
    if task.cancelled() or task.exception() is not None:
        return
    decision = task.result()
    if isinstance(decision, RelayTo) and decision.tap is not None:
        decision.tap.failed(Unavailable("the client left before its request was relayed"), sent=False)
