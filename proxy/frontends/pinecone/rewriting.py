"""What Pinecone's control plane says of an index, on its way to the client: with our address where the index's host stood.

Owns: which replies tell hosts, the change in them. Not: what our addresses are (proxy.pinecone.hosts). The data path is never
read.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

import orjson

from proxy.errors import ProxyError
from proxy.ports import Exchange, Headers, RelayTo, Reply, Request, Tap, Work

log = logging.getLogger(__name__)

LIMIT: Final = 2**24
"""Bytes of a reply of the control plane: some thousand indexes."""
_STALE: Final = frozenset({b"content-length", b"content-encoding", b"transfer-encoding", b"etag", b"digest", b"content-md5"})
Index: TypeAlias = dict[str, Any]
Told: TypeAlias = Callable[[Mapping[str, str], bool], Awaitable[Mapping[str, str]]]
"""The hosts that a reply tells, by index, and whether it lists them all; returns what the client is told instead."""
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]


def tells_hosts(path: bytes) -> bool:
    return path.partition(b"?")[0].rstrip(b"/").split(b"/")[1:2] == [b"indexes"]


class Rewritten:
    """ports.Exchange: one with the control plane whose reply may tell hosts."""

    def __init__(self, exchange: Exchange, told: Told, spawn: Spawn) -> None:
        self.method = exchange.method
        self.path = exchange.path
        self.authority = exchange.authority
        self._exchange = exchange
        self._told = told
        self._spawn = spawn

    def headers(self) -> Headers:
        return self._exchange.headers()

    def relay(self, to: RelayTo) -> None:
        self._exchange.relay(self._through(to))

    def serve(self, work: Work) -> None:
        async def passed(request: Request) -> Reply | RelayTo:
            decision = await work(request)
            return self._through(decision) if isinstance(decision, RelayTo) else decision

        self._exchange.serve(passed)

    def _through(self, to: RelayTo) -> RelayTo:
        return replace(to, tap=HostTap(to.tap, self._told, self._spawn))


class HostTap:
    """Holds the reply until its hosts are replaced; a tap behind it sees it as it came."""

    holds_reply = True

    def __init__(self, tap: Tap | None, told: Told, spawn: Spawn) -> None:
        self.limit = LIMIT if tap is None else max(tap.limit, LIMIT)
        self._tap = tap
        self._told = told
        self._spawn = spawn

    def request(self, request: Request | None, go: Callable[[Reply | None], None]) -> None:
        if self._tap is None:
            go(None)
        else:
            self._tap.request(request, go)

    def reply(self, reply: Reply | None, go: Callable[[Reply | None], None]) -> None:
        def replaced(instead: Reply | None) -> None:
            self._spawn(self._replace(instead or reply, instead, go))

        if self._tap is None:
            replaced(None)
        else:
            self._tap.reply(reply, replaced)

    async def _replace(self, reply: Reply | None, otherwise: Reply | None, go: Callable[[Reply | None], None]) -> None:
        found = None
        if reply is None:
            log.warning("a reply of the control plane is too large to be read: the hosts in it are the indexes' own")
        elif reply.status < 300:
            found = await self._with_our_hosts(reply)
        go(found or otherwise)

    async def _with_our_hosts(self, reply: Reply) -> Reply | None:
        try:
            document = orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            return None
        indexes = list(indexes_of(document))
        if not indexes:
            return None
        told = await self._told({index["name"]: index["host"] for index in indexes}, "indexes" in document)
        for index in indexes:
            index["host"] = told[index["name"]]
            index.pop("private_host", None)
        headers = tuple((name, value) for name, value in reply.headers if name not in _STALE)
        return replace(reply, headers=headers, body=orjson.dumps(document))

    def done(self, reply: Reply | None) -> None:
        if self._tap is not None:
            self._tap.done(reply)

    def failed(self, error: ProxyError, *, sent: bool) -> None:
        if self._tap is not None:
            self._tap.failed(error, sent=sent)


def indexes_of(document: Any) -> Iterator[Index]:
    """Those that have a host already: in a list of indexes, or the document itself."""
    if not isinstance(document, dict):
        return
    listed = document.get("indexes")
    for found in listed if isinstance(listed, list) else (document,):
        if (
            isinstance(found, dict)
            and isinstance(found.get("name"), str)
            and isinstance(host := found.get("host"), str)
            and host
        ):
            yield found
