"""Builds the workers and the core's side of them from the settings.

Owns: who listens where, which of the settings a worker is told. Not: anything afterwards (workers.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from proxy.config import Config
from proxy.errors import ConfigError, Unavailable
from proxy.frontends.routes import ROUTES
from proxy.net.limits import Budget
from proxy.net.listener import UNIX, Listener, bind, bound_address, listen
from proxy.ports import Clock, Handler
from proxy.workers.messages import Setup
from proxy.workers.sockets import name_of, reach, remove_others
from proxy.workers.workers import Workers

NUMBERS: Final = 2**40
"""Reads of one worker process, before its numbers are those of the next."""
STREAMS: Final = 1000
"""HTTP/2 streams of a worker's connection to the core, at least: those of all its clients share it."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The handlers of the core: `every` call that is not granted, and reads that are `drawn`."""

    every: Handler
    drawn: Handler


@dataclass(frozen=True, slots=True)
class Sockets:
    """By role: their names in the state directory."""

    every: Mapping[str, str]
    drawn: Mapping[str, str]


async def open_workers(
    config: Config, inside: Inside, max_body: int, upstreams: Mapping[str, str], clock: Clock, stack: AsyncExitStack
) -> Workers:
    """They accept clients when it returns; gone with the stack. `upstreams`: the source's URLs by role. Raises ConfigError."""
    if config.source.product not in ROUTES:
        raise ConfigError("workers", f"must be 1 where the source is {config.source.product}")
    core = secrets.token_hex(4)
    sockets = Sockets(*({role: name_of(core, what, role) for role in config.listen} for what in ("core", "drawn")))
    addresses = {role: _reserve(role, address, stack) for role, address in config.listen.items()}
    listeners = await _listen(config, inside, max_body, sockets, stack)
    setup = Setup(
        product=config.source.product,
        listen=addresses,
        listen_tls=config.listen_tls,
        relay=config.relay,
        telemetry=config.telemetry,
        upstreams=upstreams,
        upstream_tls=config.source.tls,
        directory=config.state,
        sockets=sockets.every,
        drawn=sockets.drawn,
        first=0,
    )

    def numbered(started: int) -> Setup:
        return setup.model_copy(update={"first": started * NUMBERS})

    workers = Workers(config.workers, numbered, listeners, addresses, clock)
    stack.push_async_callback(workers.close)
    await workers.start()
    return workers


def tidy(config: Config, workers: Workers) -> None:
    """Removes the sockets of cores that were killed; the state must be ours."""
    remove_others(config.state, workers.sockets)


def _reserve(role: str, address: str, stack: AsyncExitStack) -> str:
    """The address with its port. Held, so that nobody else takes it while no worker lives; it accepts nothing itself."""
    try:
        held = bind(address)
    except Unavailable as error:
        raise ConfigError(f"listen.{role}", str(error)) from error
    stack.callback(held.close)
    return bound_address(held)


async def _listen(
    config: Config, inside: Inside, max_body: int, sockets: Sockets, stack: AsyncExitStack
) -> tuple[Listener, ...]:
    # Each worker refuses what is too much for it: the core must not refuse again what they accepted.
    connections, streams = config.relay.max_connections * config.workers, max(config.relay.max_streams, STREAMS)
    relay = config.relay.model_copy(update={"max_connections": connections, "max_streams": streams})
    budget = Budget(config.relay.buffer_bytes)
    listeners = []
    for names, handler in ((sockets.every, inside.every), (sockets.drawn, inside.drawn)):
        for role, name in names.items():
            path = config.state / name
            address = f"{UNIX}{reach(config.state, name)}"
            try:
                listener = await listen(address, role, handler, relay, None, max_body, budget=budget)
            except Unavailable as error:
                raise ConfigError("state", str(error)) from error
            stack.callback(path.unlink, missing_ok=True)
            stack.push_async_callback(listener.close)
            listeners.append(listener)
    return tuple(listeners)
