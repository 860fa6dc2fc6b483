"""Runs the server until SIGTERM or SIGINT: open the data, listen, say so, flush now and then, stop cleanly."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import closing

from proxy.local.qdrant import grpc_server, rest_server
from proxy.local.qdrant.config import FLUSH_SECONDS, STOP_SECONDS, LocalQdrantConfig
from proxy.local.qdrant.registry import Registry, open_registry


def run(config: LocalQdrantConfig) -> None:
    """Blocks. Prints one line `ready rest=HOST:PORT grpc=HOST:PORT` to stdout. Raises Refused when it cannot start."""
    with closing(open_registry(config.data)) as registry:
        if config.optimize:
            for collection in registry.collections():
                collection.optimize()
        asyncio.run(_serve(registry, config))


async def _serve(registry: Registry, config: LocalQdrantConfig) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner, rest_port = await rest_server.start(registry, config)
    try:
        server, grpc_port = grpc_server.start(registry, config)
        await server.start()
        sys.stdout.write(f"ready rest={config.host}:{rest_port} grpc={config.host}:{grpc_port}\n")
        sys.stdout.flush()
        await _flush_until(stopped, registry)
        await server.stop(STOP_SECONDS)
    finally:
        await runner.cleanup()


async def _flush_until(stopped: asyncio.Event, registry: Registry) -> None:
    """The write-ahead log grows until a flush lets it shrink."""
    while not await _within(FLUSH_SECONDS, stopped):
        for name in registry.names():
            if registry.exists(name):  # it may be dropped while we let others in
                registry.get(name).flush()
            await asyncio.sleep(0)  # a flush holds everything up for as long as the disk takes


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        return await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
