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
from proxy.errors import ConfigError
from proxy.net.listener import Listener, listen
from proxy.ports import Handler

log = logging.getLogger(__name__)


async def open_ports(config: Config, handler: Handler, max_body: int, stack: AsyncExitStack) -> list[Listener]:
    listeners = []
    for role, address in config.listen.items():
        try:
            listener = await listen(address, role, handler, config.relay, config.listen_tls, max_body)
        except OSError as error:
            raise ConfigError(f"listen.{role}", f"cannot listen on {address}: {error.strerror}") from error
        stack.push_async_callback(listener.close)
        listeners.append(listener)
    return listeners


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


async def drain(listeners: list[Listener], seconds: float) -> None:
    for listener in listeners:
        listener.stop_accepting()
    await asyncio.gather(*(listener.drain(seconds) for listener in listeners))


def ask_to_leave(directory: Path) -> None:
    try:
        pid = int((directory / "lock").read_text("ascii"))
        os.kill(pid, signal.SIGTERM)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        log.info("nobody holds the state, so there is nothing to take over")


def stop_signal() -> asyncio.Event:
    stop = asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    return stop
