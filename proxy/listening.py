"""The client's ports: opening them, handing them over, leaving them.

Owns: which address belongs to which role, and what is said when it cannot be had. Not: what comes in there (net, routing).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from proxy.config import Config
from proxy.errors import ConfigError, Unavailable
from proxy.net.limits import Budget
from proxy.net.listener import Listener, listen
from proxy.ports import Handler
from proxy.routing.router import Router

log = logging.getLogger(__name__)


class OwnPorts:
    """Held by this process, for the router itself."""

    def __init__(self, ports: Mapping[str, Listener]) -> None:
        self.ports = ports
        """By role."""

    def serve(self, router: Router) -> None:
        """Every call comes to it anyway."""

    async def drain(self, seconds: float) -> None:
        """All stop accepting before any connection is told to go: who comes back finds the next process."""
        for listener in self.ports.values():
            listener.stop_accepting()
        await asyncio.gather(*(listener.drain(seconds) for listener in self.ports.values()))


async def open_ports(config: Config, handler: Handler, max_body: int, stack: AsyncExitStack) -> OwnPorts:
    """Closed with the stack. Raises ConfigError."""
    listeners = {}
    budget = Budget(config.relay.buffer_bytes)
    for role, address in config.listen.items():
        try:
            listener = await listen(address, role, handler, config.relay, config.listen_tls, max_body, budget=budget)
        except Unavailable as error:
            raise ConfigError(f"listen.{role}", str(error)) from error
        stack.push_async_callback(listener.close)
        listeners[role] = listener
    return OwnPorts(listeners)


def check_free(listen: Mapping[str, str]) -> None:
    # Ports are shared (SO_REUSEPORT) for hand-overs, so a stranger on the same port would take half of the connections.
    for role, address in listen.items():
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host.strip("[]"), int(port)))
            except OSError as error:
                hint = "; to replace a running sidecar use --takeover" if error.errno == errno.EADDRINUSE else ""
                raise ConfigError(f"listen.{role}", f"cannot listen on {address}: {error.strerror}{hint}") from error


def ask_to_leave(directory: Path) -> None:
    try:
        pid = int((directory / "lock").read_text("ascii"))
        os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        log.info("nobody holds the state, so there is nothing to take over")


class StopSignal:
    """SIGTERM and SIGINT. The first ends a start at once, or lets a sidecar that runs leave in order; a second one kills."""

    def __init__(self) -> None:
        """To be made by the task that starts."""
        self._asked = asyncio.Event()
        self._starting = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._ask)

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        """The start is over."""
        self._starting = None
        await self._asked.wait()

    def _ask(self) -> None:
        if self.asked:
            os._exit(130)
        self._asked.set()
        if self._starting is not None:
            self._starting.cancel()
