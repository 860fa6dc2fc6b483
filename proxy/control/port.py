"""The admin API's port: how many may be connected, how long each may take.

Owns: the listening socket and its bounds. Not: who may command (admission), the calls (http). aiohttp adds its own bounds:
a head of 8 KiB a line and 128 lines, 128 KiB of a body that nobody reads.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from proxy.errors import ConfigError

MAX_CONNECTIONS: Final = 100
"""Operators, probes and Prometheus are a handful; one more is closed at once."""
HEAD_SECONDS: Final = 30.0
"""For a request's whole head, from the connection's start or the last reply; so an idle connection is closed after it too."""
LINGER_SECONDS: Final = 1.0
"""That a client may go on sending a body which nobody reads, so that it sees the reply."""
STOP_SECONDS: Final = 1.0
"""For calls under way at a stop."""


_log = logging.getLogger(__name__)


def _no_fault_of_a_client(record: logging.LogRecord) -> bool:
    # aiohttp logs each malformed request with the bytes that it choked on, which may be a credential. Its client is told.
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_log.addFilter(_no_fault_of_a_client)


class AdminPort:
    """Made by `serve`."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        self._runner = runner
        self._server = server
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        """host:port as bound."""

    async def close(self) -> None:
        self._server.close()
        await self._runner.cleanup()


class _Turned(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _why(error: OSError) -> str:
    # asyncio puts a sentence of its own before the system's words.
    if error.errno is None:
        return str(error)
    hint = "; another sidecar has it? give each its own `admin.address`" if error.errno == errno.EADDRINUSE else ""
    return f"{os.strerror(error.errno)}{hint}"


async def serve(
    app: web.Application, address: str, *, most: int = MAX_CONNECTIONS, patience: float = HEAD_SECONDS
) -> AdminPort:
    """Listens; at most `most` connections, each with `patience` seconds for a head. Raises ConfigError where the address
    cannot be had.
    """
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_log,
        handle_signals=False,
        keepalive_timeout=patience,
        lingering_time=LINGER_SECONDS,
        shutdown_timeout=STOP_SECONDS,
    )
    await runner.setup()
    made = runner.server
    assert made is not None

    def admit() -> asyncio.Protocol:
        return made() if len(made.connections) < most else _Turned()

    try:
        server = await asyncio.get_running_loop().create_server(admit, host.strip("[]") or None, int(port))
    except OSError as error:
        await runner.cleanup()
        raise ConfigError("admin.address", f"cannot listen on {address}: {_why(error)}") from error
    return AdminPort(runner, server)
