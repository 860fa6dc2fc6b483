"""A listening port: HTTP/1.1 and HTTP/2, told apart by ALPN or by the connection's first bytes, plain or TLS.

Owns: accepting, the connections' lives, timeouts' clock, the drain. Not: what a request means (the handler).
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from proxy.config import ListenTls, RelayConfig
from proxy.errors import Unavailable
from proxy.net.ends import HTTP2, Version
from proxy.net.entrance import Reason, TurnedAway, entrance
from proxy.net.exchange import Exchange, Surroundings
from proxy.net.http1.inbound import ClientConnection as Http1Connection
from proxy.net.http2.frames import PREFACE
from proxy.net.http2.inbound import ClientConnection as Http2Connection
from proxy.net.limits import HEAD_TIMEOUT, Budget
from proxy.net.owned import Owned
from proxy.net.tls import chosen
from proxy.ports import Handler

UNIX = "unix:"
_BACKLOG = 1024
_SWEEP = 1.0
"""Seconds between two looks at the timeouts; shorter where a timeout is."""
_CLIENT_HELLO = b"\x16\x03"
_CLOSE = 1.0
"""Seconds for aborted connections to be gone; it takes them one loop turn."""


class Connection(Protocol):
    """A client's, of either protocol or not yet known."""

    transport: asyncio.Transport
    received: int

    def drain(self) -> None: ...

    def sweep(self, now: float) -> None: ...


@dataclass(frozen=True, slots=True)
class ListenerStats:
    """For telemetry; numbers since the start, but for the first and the last."""

    connections: int
    accepted: int
    refused: int
    """Connections above the limit."""
    requests: dict[Version, int]
    received: int
    """Bytes from clients."""
    buffered: int
    """Bytes that wait with us, of all listeners that share the budget."""
    turned_away: dict[Reason, int]
    """Clients that did not get as far as a request."""


class _Doorway(asyncio.Protocol):
    """A connection whose protocol is not yet known."""

    transport: asyncio.Transport

    def __init__(self, listener: Listener) -> None:
        self.received = 0
        self._listener = listener
        self._seen = b""
        self._since = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._listener.accepted(self)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        version = chosen(self.transport.get_extra_info("ssl_object")) or self._by_preface()
        if version is Version.HTTP2 and not self._seen.startswith(PREFACE):
            if not PREFACE.startswith(self._seen):
                self.transport.close()
        elif version is not None:
            self._notice_tls()
            self._listener.enter(self, version, self._seen)

    def _notice_tls(self) -> None:
        # Its answer in plain HTTP is what its TLS library calls a wrong version number: what that means is well known.
        if self._seen.startswith(_CLIENT_HELLO):
            peer = self.transport.get_extra_info("peername")
            self._listener.turned_away.note(Reason.NOT_TLS_HERE, peer=peer[0] if peer else "")

    def _by_preface(self) -> Version | None:
        if self._seen.startswith(PREFACE):
            return Version.HTTP2
        return None if PREFACE.startswith(self._seen) else Version.HTTP1

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.ended(self)

    def drain(self) -> None:
        self.transport.close()

    def sweep(self, now: float) -> None:
        if now - self._since > HEAD_TIMEOUT:
            self.transport.abort()


_PROTOCOLS: dict[Version, type[Http1Connection] | type[Http2Connection]] = {
    Version.HTTP1: Http1Connection,
    Version.HTTP2: Http2Connection,
}


class Listener:
    """Made by `listen`."""

    def __init__(self, role: str, handler: Handler, around: Surroundings) -> None:
        self.address = ""
        """host:port as bound."""
        self.turned_away = TurnedAway()
        self._role = role
        self._handler = handler
        self._around = around
        self._connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self._http1 = self._http2 = 0
        """Requests: numbers, since each request counts, and a table is a dozen times the memory to touch."""
        self._accepted = self._refused = self._received = 0
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket, tls: ListenTls | None) -> None:
        loop = asyncio.get_running_loop()
        context = entrance(tls, self._room, self.turned_away) if tls is not None else None
        timeout = HEAD_TIMEOUT if context is not None else None
        create = loop.create_unix_server if listening.family is socket.AF_UNIX else loop.create_server
        self._server = await create(
            lambda: _Doorway(self), sock=listening, backlog=_BACKLOG, ssl=context, ssl_handshake_timeout=timeout
        )
        self.address = self.turned_away.address = bound_address(listening)
        self._around.tasks.start(self._sweep(), f"timeouts of {self.address}")

    def stats(self) -> ListenerStats:
        received = self._received + sum(connection.received for connection in self._connections)
        buffered = self._around.budget.used
        turned_away = dict(self.turned_away.counts)
        requests = {version: count for version, count in zip(Version, (self._http1, self._http2), strict=True) if count}
        return ListenerStats(len(self._connections), self._accepted, self._refused, requests, received, buffered, turned_away)

    def _room(self) -> int:
        return self._around.relay.max_connections - len(self._connections)

    def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()

    async def drain(self, seconds: float) -> None:
        """What is under way may finish within `seconds`; connections end when they have nothing to do."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.drain()
        await self._until_empty(seconds)

    async def close(self) -> None:
        """At once."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.transport.abort()
        await self._until_empty(_CLOSE)
        await self._around.tasks.close()

    async def _until_empty(self, seconds: float) -> None:
        if self._connections:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)

    # called by connections

    def accepted(self, connection: Connection) -> None:
        if len(self._connections) >= self._around.relay.max_connections:
            self._refused += 1
            connection.transport.abort()
        else:
            self._accepted += 1
            self._connections.add(connection)

    def enter(self, doorway: _Doorway, version: Version, seen: bytes) -> None:
        connection = _PROTOCOLS[version](self._begin, self._around, self.ended)
        self._connections.discard(doorway)
        self._connections.add(connection)
        doorway.transport.set_protocol(connection)
        connection.connection_made(doorway.transport)
        connection.data_received(seen)

    def ended(self, connection: Connection) -> None:
        self._received += connection.received
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _begin(self, exchange: Exchange) -> None:
        if exchange.client.version is HTTP2:
            self._http2 += 1
        else:
            self._http1 += 1
        if exchange.admitted():
            self._handler.begin(exchange, self._role)

    async def _sweep(self) -> None:
        relay, loop = self._around.relay, asyncio.get_running_loop()
        pause = min(_SWEEP, relay.first_byte_timeout / 4, relay.idle_timeout / 4)
        while True:
            await asyncio.sleep(pause)
            now = loop.time()
            for connection in list(self._connections):
                connection.sweep(now)


async def listen(
    address: str,
    role: str,
    handler: Handler,
    relay: RelayConfig,
    tls: ListenTls | None,
    max_body: int,
    *,
    budget: Budget | None = None,
) -> Listener:
    """`address` is host:port (port 0: any free one), or unix:PATH of a socket for this user alone.

    `max_body`: bytes of a request that is collected for a work. `budget`: where several listeners share relay.buffer_bytes.
    Raises Unavailable where the port cannot be had.
    """
    listening = bind(address)
    listener = Listener(role, handler, Surroundings(relay, budget or Budget(relay.buffer_bytes), Owned(), max_body))
    await listener.start(listening, tls)
    return listener


def bind(address: str) -> socket.socket:
    """A socket at the address of `listen`, which does not listen yet. Raises Unavailable."""
    family, where = _place(address)
    listening = socket.socket(family)
    try:
        if family is socket.AF_UNIX:
            listening.bind(where)
            Path(address.removeprefix(UNIX)).chmod(0o600)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # a new process takes over while this one drains
            listening.bind(where)
    except OSError as error:
        listening.close()
        raise Unavailable(f"cannot listen on {address}: {error.strerror}") from error
    listening.setblocking(False)
    return listening


def bound_address(listening: socket.socket) -> str:
    """As `listen` takes it."""
    if listening.family is socket.AF_UNIX:
        return f"{UNIX}{listening.getsockname()}"
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _place(address: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    if address.startswith(UNIX):
        return socket.AF_UNIX, address.removeprefix(UNIX)
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, int(port))
