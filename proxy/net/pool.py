"""Connections to one port of one side, and the exchanges that wait for one while it is down.

Owns: dialling with backoff, the bounded wait, reuse. Not: what an exchange sends (relaying), the wire (http1, http2).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from proxy.certificates import Renewed
from proxy.config import RelayConfig
from proxy.errors import Unavailable
from proxy.net.ends import Caller, Failure, Rewrite, UpstreamEnd
from proxy.net.http1.outbound import UpstreamConnection as Http1Connection
from proxy.net.http2.frames import Code
from proxy.net.http2.outbound import UpstreamConnection as Http2Connection
from proxy.net.limits import HTTP1_DIALS, HTTP1_IDLE, HTTP2_CONNECTIONS, HTTP2_LEFT, KEEPALIVE_TIMEOUT, WAITING
from proxy.net.owned import Owned
from proxy.net.refusal import Trouble
from proxy.net.tls import chosen, words

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
"""Seconds between dials to an upstream that is down: it is back for at most so long before it is found."""
P = TypeVar("P", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class Port:
    """Where an upstream is, and how it wants to be spoken to. `port` 0: `host` is the path of a Unix socket."""

    name: str
    host: str
    port: int
    tls: Renewed[ssl.SSLContext] | None
    server_name: str | None
    rewrite: Rewrite | None
    """None: the client's heads go on verbatim."""
    relay: RelayConfig


class Pool:
    """Subclasses keep the connections of one protocol."""

    def __init__(self, port: Port, tasks: Owned) -> None:
        self.port = port
        self.problem: str | None = None
        """Why the last dial failed."""
        self.dials = 0
        self.dialling = 0
        self._tasks = tasks
        self._waiting: dict[Caller, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def open_connections(self) -> int:
        raise NotImplementedError

    def open(self, caller: Caller) -> None:
        """`attached` is called, now or later, or `failed` when the bridge's time is over."""
        end = self._take(caller) if not self._waiting else None
        if end is not None:
            caller.attached(end)
        elif len(self._waiting) >= WAITING:
            caller.failed(self._unreachable("too many requests are waiting for it"))
        else:
            self._waiting[caller] = self._loop.call_later(self.port.relay.bridge, self._expire, caller)
            self._dial()

    def leave(self, caller: Caller) -> None:
        timer = self._waiting.pop(caller, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        for caller in list(self._waiting):
            self.leave(caller)
            caller.failed(self._unreachable("the proxy is stopping"))
        self._close_connections()

    # what a subclass adds

    def _take(self, caller: Caller) -> UpstreamEnd | None:
        raise NotImplementedError

    def _wanted(self) -> int:
        """Connections that should be dialled now, at most."""
        raise NotImplementedError

    async def _connect(self) -> None:
        """Adds a connection. Raises OSError or Unavailable."""
        raise NotImplementedError

    def _close_connections(self) -> None:
        raise NotImplementedError

    # waiting

    def _serve_waiting(self) -> None:
        while self._waiting:
            caller = next(iter(self._waiting))
            end = self._take(caller)
            if end is None:
                self._dial()
                return
            self.leave(caller)
            caller.attached(end)

    def _expire(self, caller: Caller) -> None:
        self._waiting.pop(caller, None)
        caller.failed(self._unreachable(self.problem or "no connection became free"))

    def _unreachable(self, why: str) -> Failure:
        where = f"{self.port.host}:{self.port.port}" if self.port.port else self.port.host
        return Failure(f"{self.port.name} at {where} is unavailable: {why}", Trouble.UNREACHABLE)

    # dialling

    def _dial(self) -> None:
        for _ in range(min(self._wanted(), len(self._waiting) - self.dialling)):
            self.dialling += 1
            self._tasks.start(self._dial_until_connected(), f"dial {self.port.name}")

    async def _dial_until_connected(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while self._waiting and not await self._tried():
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            self.dialling -= 1
        self._serve_waiting()

    async def _tried(self) -> bool:
        self.dials += 1
        problem = None
        try:
            async with asyncio.timeout(self.port.relay.connect_timeout):
                await self._connect()
        except TimeoutError:
            problem = "no answer in time"
        except (OSError, Unavailable) as error:
            problem = words(error)
        self._note(problem)
        return problem is None

    def _note(self, problem: str | None) -> None:
        """Logs what is another than before: not each dial, and no request."""
        before, self.problem = self.problem, problem
        if problem != before:
            facts = {"upstream": self.port.name, "address": f"{self.port.host}:{self.port.port}"}
            if problem is not None:
                log.warning("an upstream cannot be reached", extra=facts | {"why": problem})
            else:
                log.info("an upstream can be reached again", extra=facts)

    async def _transport(self, factory: Callable[[], P]) -> P:
        port = self.port
        if not port.port:
            return (await self._loop.create_unix_connection(factory, port.host))[1]
        context = port.tls.at(self._loop.time()) if port.tls is not None else None
        server_name = port.server_name if context is not None else None
        transport, protocol = await self._loop.create_connection(
            factory, port.host, port.port, ssl=context, server_hostname=server_name
        )
        _notice_silence(transport.get_extra_info("socket"))
        return protocol


def _notice_silence(connection: socket.socket) -> None:
    """So that a host that vanished without a word is noticed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KEEPALIVE_TIMEOUT)


class Http2Pool(Pool):
    """Few connections with many streams."""

    def __init__(self, port: Port, tasks: Owned) -> None:
        super().__init__(port, tasks)
        self._connections: list[Http2Connection] = []
        self._left: dict[Http2Connection, None] = {}
        """Those that end with their last stream, in the order in which they were left."""

    @property
    def open_connections(self) -> int:
        return len(self._connections) + len(self._left)

    def _take(self, caller: Caller) -> UpstreamEnd | None:
        for connection in self._connections:
            if connection.room:
                return connection.open(caller)
        return None

    def _wanted(self) -> int:
        return 1 if not self.dialling and len(self._connections) < HTTP2_CONNECTIONS else 0

    async def _connect(self) -> None:
        port = self.port
        connection = await self._transport(
            lambda: Http2Connection(port.name, port.rewrite, port.relay.max_header_bytes, self._freed)
        )
        try:
            await connection.ready
        except Unavailable as error:
            connection.transport.abort()
            raise Unavailable(f"{error}{self._unagreed(connection)}") from error
        except BaseException:
            connection.transport.abort()
            raise
        self._connections.append(connection)

    def _unagreed(self, connection: Http2Connection) -> str:
        agreed = self.port.tls is None or chosen(connection.transport.get_extra_info("ssl_object")) is not None
        return "" if agreed else "; it did not choose HTTP/2 (ALPN), so perhaps it speaks HTTP/1.1 only"

    def _freed(self, connection: Http2Connection) -> None:
        if (connection.closed or connection.draining) and connection in self._connections:
            self._connections.remove(connection)
            self._left[connection] = None
            self._bound_left()
        if connection.closed:
            self._left.pop(connection, None)
        if self._waiting:
            self._serve_waiting()

    def _bound_left(self) -> None:
        """Its streams are told, and a read on it that has no reply yet goes to another connection."""
        while len(self._left) > HTTP2_LEFT:
            first = next(iter(self._left))
            del self._left[first]
            first.fail(Code.NO_ERROR, "too many connections were left with requests under way")

    def _close_connections(self) -> None:
        for connection in [*self._connections, *self._left]:
            connection.fail(Code.NO_ERROR, "the proxy is stopping")


class Http1Pool(Pool):
    """A connection for each exchange under way; the last one used is taken first, so that the others can go."""

    def __init__(self, port: Port, tasks: Owned) -> None:
        super().__init__(port, tasks)
        self._connections: set[Http1Connection] = set()
        self._idle: list[Http1Connection] = []
        self._pruning: asyncio.TimerHandle | None = None

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    def _take(self, caller: Caller) -> UpstreamEnd | None:
        fresh = self._loop.time() - HTTP1_IDLE
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since > fresh:
                connection.take(caller)
                return connection
            self._drop(connection)
        return None

    def _wanted(self) -> int:
        if self.problem is not None:
            return 1 - self.dialling
        return min(HTTP1_DIALS - self.dialling, self.port.relay.max_connections - len(self._connections))

    async def _connect(self) -> None:
        port = self.port
        connection = await self._transport(
            lambda: Http1Connection(port.name, port.rewrite, port.relay.max_header_bytes, self._freed)
        )
        self._connections.add(connection)
        self._freed(connection)

    def _freed(self, connection: Http1Connection) -> None:
        if connection.closed:
            self._connections.discard(connection)
        elif connection.usable:
            connection.idle_since = self._loop.time()
            self._idle.append(connection)
            if self._pruning is None:
                self._pruning = self._loop.call_later(HTTP1_IDLE, self._prune)
        if self._waiting:
            self._serve_waiting()

    def _prune(self) -> None:
        self._pruning = None
        stale = self._loop.time() - HTTP1_IDLE
        for connection in [idle for idle in self._idle if idle.idle_since <= stale]:
            self._idle.remove(connection)
            self._drop(connection)
        if self._idle:
            self._pruning = self._loop.call_later(HTTP1_IDLE / 4, self._prune)

    def _drop(self, connection: Http1Connection) -> None:
        connection.usable = False
        connection.transport.close()

    def _close_connections(self) -> None:
        if self._pruning is not None:
            self._pruning.cancel()
        for connection in list(self._connections):
            connection.transport.abort()
