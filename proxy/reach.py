"""Whether both sides are there, and what the settings say that they are; asked once, at the start.

Owns: who must be there, for how long it is waited for, what is said of one that is not. Not: how a side is asked (backends).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from proxy.config import Config, SideConfig
from proxy.errors import ConfigError, Refused, Unavailable
from proxy.model.place import Place
from proxy.ports import Clock, ServerInfo
from proxy.products import BACKENDS, PROBE
from proxy.routing.sides import Side, Sides

log = logging.getLogger(__name__)

PAUSE: Final = 1.0
_REST: Final = "rest"


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """A side knows its own settings only; the operator knows them by the place's."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{place}.{error.path}", str(error).removeprefix(f"{error.path}: ")) from error
    except Refused as error:
        raise ConfigError(str(place), str(error)) from error


async def reach(sides: Sides, primary: Place, config: Config, clock: Clock) -> None:
    """The primary must be there; the secondary may be away, but not be the wrong one. Raises ConfigError."""
    settings = {Place.SOURCE: config.source, Place.TARGET: config.target}
    for side in filter(None, (sides.source, sides.target)):
        found = settings[side.place]
        assert found is not None
        needed = side.place is primary
        try:
            with explained(side.place):
                await _ask(side, found, config.relay.bridge if needed else 0.0, clock)
        except Unavailable as error:
            if needed:
                raise ConfigError(f"{side.place}.url", str(error)) from error
            log.warning("the secondary cannot be reached; the journal keeps what it misses", extra={"why": str(error)})


async def _ask(side: Side, settings: SideConfig, seconds: float, clock: Clock) -> None:
    await _patiently(side.backend.ping, seconds, clock)
    # Our own calls take another of its ports than the clients that are relayed here, and either address may be wrong.
    if _REST in side.upstreams and side.product in BACKENDS:
        async with _probe(settings) as ping:
            await _patiently(ping, seconds, clock)


@asynccontextmanager
async def _probe(settings: SideConfig) -> AsyncIterator[Callable[[], Awaitable[ServerInfo]]]:
    probe = PROBE(settings)
    try:
        yield probe.ping
    finally:
        await probe.close()


async def _patiently(ping: Callable[[], Awaitable[ServerInfo]], seconds: float, clock: Clock) -> None:
    deadline = clock.monotonic() + seconds
    while True:
        try:
            await ping()
        except Unavailable as error:
            if clock.monotonic() >= deadline:
                raise
            log.info("waits for the primary", extra={"why": str(error)})
            await clock.sleep(PAUSE)
        else:
            return
