"""Runs the server until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys

from aiohttp import web

from proxy.errors import Unavailable
from proxy.local.pinecone import control
from proxy.local.pinecone.config import LocalPineconeConfig
from proxy.local.pinecone.indexes import Indexes


def run(config: LocalPineconeConfig) -> None:
    """Blocks. Prints one line `ready control=HOST:PORT` to stdout. Raises Unavailable when it cannot start."""
    asyncio.run(_serve(config))


async def _serve(config: LocalPineconeConfig) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    indexes = Indexes(config)
    runner = web.AppRunner(control.application(indexes, config.api_key), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.host, config.port).start()
        sys.stdout.write(f"ready control={config.host}:{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await stopped.wait()
    except OSError as error:
        raise Unavailable(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from error
    finally:
        await runner.cleanup()
        await indexes.close()
