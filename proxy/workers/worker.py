"""A worker process: holds the clients' ports beside its siblings, and does what the core says.

Owns: its composition and its life. Not: what is granted (the core), what a request means (frontends). It keeps no state: when
the core is gone it ends at once, whatever is under way, as the one process of a sidecar without workers does.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final, assert_never

import uvloop

from proxy.config import TlsConfig
from proxy.errors import ConfigError, Unavailable
from proxy.frontends.routes import ROUTES
from proxy.net.allocator import spare_what_stays
from proxy.net.limits import Budget
from proxy.net.listener import UNIX, Listener, listen
from proxy.net.owned import Owned
from proxy.net.upstream import Upstream
from proxy.routing.grant import Grant
from proxy.routing.shares import Draw
from proxy.telemetry import logs, traces
from proxy.workers.desk import Desk, Ways
from proxy.workers.messages import (
    FROM_CORE,
    Bound,
    Channel,
    Counted,
    Done,
    Drain,
    Failed,
    FromCore,
    Granted,
    Report,
    Setup,
    StopAccepting,
)
from proxy.workers.sockets import reach

log = logging.getLogger(__name__)

REPORT: Final = 0.5
"""Seconds between two reports."""
NO_WORK: Final = 0
"""Bytes of a request that a worker collects: it answers none itself."""
_PR_SET_PDEATHSIG: Final = 1


def main(end: int, parent: int) -> None:
    """`end`: the file descriptor of the channel. `parent`: the core's pid."""
    _die_with(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGTERM, signal.SIGINT):  # a whole group may be signalled: the core says what follows from it
        signal.signal(number, signal.SIG_IGN)
    uvloop.run(_work(socket.socket(fileno=end)))


def _die_with(parent: int) -> None:
    """So that a worker that is stuck ends too. Where the system cannot (it is no Linux), the channel's end must do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


async def _work(end: socket.socket) -> None:
    channel = await Channel.on(FROM_CORE, end)
    setup = await channel.hear()
    if not isinstance(setup, Setup):
        return
    logs.set_up(setup.telemetry.log_level, setup.telemetry.log_format)
    async with AsyncExitStack() as stack:
        if provider := traces.set_up(setup.telemetry):
            stack.callback(provider.shutdown)
        try:
            spare_what_stays()
            worker = await Worker.open(setup, channel, stack)
        except (Unavailable, ConfigError) as error:
            await _fail(channel, error)
        else:
            await worker.run()


async def _fail(channel: Channel[FromCore], error: Unavailable | ConfigError) -> None:
    key = error.path if isinstance(error, ConfigError) else "listen"
    channel.say(Failed(key=key, why=str(error).removeprefix(f"{key}: ")))
    await channel.said()


class Worker:
    def __init__(self, channel: Channel[FromCore], desk: Desk, listeners: Mapping[str, Listener]) -> None:
        self._channel = channel
        self._desk = desk
        self._listeners = listeners
        self._tasks = Owned()
        self._drained = False

    @classmethod
    async def open(cls, setup: Setup, channel: Channel[FromCore], stack: AsyncExitStack) -> Worker:
        """Accepts clients when it returns. Raises Unavailable and ConfigError."""
        ways = {role: _ways(setup, role, stack) for role in setup.listen}
        desk = Desk(ROUTES[setup.product], ways, Draw(setup.first), traces.share(setup.telemetry))
        budget = Budget(setup.relay.buffer_bytes)
        listeners = {}
        for role, address in setup.listen.items():
            listener = await listen(address, role, desk, setup.relay, setup.listen_tls, NO_WORK, budget=budget)
            stack.push_async_callback(listener.close)
            listeners[role] = listener
        return cls(channel, desk, listeners)

    async def run(self) -> None:
        """Until the core says no more."""
        self._channel.say(Bound())
        self._tasks.start(self._report(), "reports")
        while (message := await self._channel.hear()) is not None:
            self._obey(message)
        if not self._drained:
            os._exit(1)
        await self._tasks.close()

    def _obey(self, message: FromCore) -> None:
        match message:
            case Granted():
                self._desk.grant = Grant(message.actions, message.changes, message.shadow, message.canary)
                self._channel.say(Done(number=message.number))
            case StopAccepting():
                for listener in self._listeners.values():
                    listener.stop_accepting()
                self._channel.say(Done(number=message.number))
            case Drain():
                self._tasks.start(self._drain(message), "drain")
            case Setup():
                log.error("the core set up a worker twice")
            case _:
                assert_never(message)

    async def _drain(self, order: Drain) -> None:
        await asyncio.gather(*(listener.drain(order.seconds) for listener in self._listeners.values()))
        self._drained = True
        self._channel.say(self._told())
        self._channel.say(Done(number=order.number))

    async def _report(self) -> None:
        while True:
            self._channel.say(self._told())
            await self._channel.said()
            await asyncio.sleep(REPORT)

    def _told(self) -> Report:
        taken = self._desk.taken().items()
        counted = tuple(Counted(route=route, action=action, times=times) for (route, action), times in taken)
        return Report(counted=counted, ports={role: listener.stats() for role, listener in self._listeners.items()})


def _ways(setup: Setup, role: str, stack: AsyncExitStack) -> Ways:
    # The core has its own patience with what it asks; and what it holds or translates may take longer than an upstream may.
    patient = setup.relay.model_copy(update={"first_byte_timeout": math.inf})
    core, drawn = (
        Upstream(f"{name} {role}", f"{UNIX}{reach(setup.directory, names[role])}", TlsConfig(), patient)
        for name, names in (("core", setup.sockets), ("core (drawn)", setup.drawn))
    )
    source = Upstream(f"source {role}", setup.upstreams[role], setup.upstream_tls, setup.relay)
    for upstream in (source, core, drawn):
        stack.push_async_callback(upstream.close)
    return Ways(source, core, drawn)
