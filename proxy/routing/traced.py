"""An exchange that is traced: a span from its head to its reply, whatever is done with it in between.

Owns: the span of a client's request. Not: which requests are traced (the router).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from opentelemetry.trace import Span, Status, StatusCode

from proxy.errors import ProxyError
from proxy.ports import Exchange, Headers, RelayTo, Reply, Request, Tap, Work


class TracedExchange:
    """ports.Exchange"""

    def __init__(self, exchange: Exchange, span: Span) -> None:
        self.method = exchange.method
        self.path = exchange.path
        self.authority = exchange.authority
        self._exchange = exchange
        self._span = span

    def headers(self) -> Headers:
        return self._exchange.headers()

    def relay(self, to: RelayTo) -> None:
        self._exchange.relay(self._watched(to))

    def serve(self, work: Work) -> None:
        self._exchange.serve(lambda request: self._work(work, request))

    async def _work(self, work: Work, request: Request) -> Reply | RelayTo:
        try:
            decision = await work(request)
        except BaseException:
            self._span.end()
            raise
        if isinstance(decision, RelayTo):
            return self._watched(decision)
        self._span.end()
        return decision

    def _watched(self, to: RelayTo) -> RelayTo:
        return replace(to, tap=TracedTap(to.tap, self._span, to.ended), ended=None)


class TracedTap:
    """Passes everything on to the tap behind it, if there is one."""

    def __init__(self, tap: Tap | None, span: Span, ended: Callable[[], None] | None = None) -> None:
        self.limit = 0 if tap is None else tap.limit
        self.holds_reply = tap is not None and tap.holds_reply
        self._tap = tap
        self._span = span
        self._ended = ended

    def request(self, request: Request | None, go: Callable[[Reply | None], None]) -> None:
        if self._tap is None:
            go(None)
        else:
            self._tap.request(request, go)

    def reply(self, reply: Reply | None, go: Callable[[Reply | None], None]) -> None:
        if self._tap is None:
            go(None)
        else:
            self._tap.reply(reply, go)

    def done(self, reply: Reply | None) -> None:
        self._span.end()
        if self._tap is not None:
            self._tap.done(reply)
        elif self._ended is not None:
            self._ended()

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._span.end()
        if self._tap is not None:
            self._tap.failed(error, sent=sent)
        elif self._ended is not None:
            self._ended()
