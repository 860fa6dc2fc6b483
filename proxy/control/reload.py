"""Takes an edit of the config file over while the sidecar runs. What cannot change then is named, and the old value stays.

Owns: noticing, checking, telling. Not: what a setting does (each part is given its own).
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from proxy.config import Config, Phase, load
from proxy.control.operator import Operator, Standing
from proxy.errors import ConfigError, ProxyError
from proxy.ports import Clock
from proxy.routing.router import Router
from proxy.store.catalog import StoredCatalog
from proxy.store.debts import Debts

log = logging.getLogger(__name__)

POLL: Final = 1.0
"""Seconds between looks at the file; ConfigMaps change by a link, which no watch of the file itself would see."""
LIVE: Final = frozenset({"routing", "gates", "mirror"})
"""Groups whose edit takes effect at once (of `mirror`, the modes)."""


class Reload:
    def __init__(
        self,
        path: Path,
        standing: Standing,
        operator: Operator,
        router: Router,
        catalog: StoredCatalog,
        debts: Debts,
        clock: Clock,
    ) -> None:
        self._path = path
        self._standing = standing
        self._operator = operator
        self._router = router
        self._catalog = catalog
        self._debts = debts
        self._clock = clock
        self._text = _text(path)

    async def run(self) -> None:
        while True:
            await self._clock.sleep(POLL)
            text = await asyncio.to_thread(_text, self._path)
            if text != self._text:
                self._text = text
                await self._take()

    async def _take(self) -> None:
        before = self._standing.config
        try:
            wanted = load(self._path)
            await self._follow(before, wanted)
        except ConfigError as error:
            self._standing.config_error = f"the edit was not taken: {error}"
        except ProxyError as error:
            self._standing.config_error = f"the edit was taken, but not its phase: {error}"
        else:
            fixed = [
                name for name in Config.model_fields if name not in LIVE and getattr(before, name) != getattr(wanted, name)
            ]
            self._standing.config_error = f"needs a restart: {', '.join(fixed)}" if fixed else ""
        log.info("the config file was edited", extra={"outcome": self._standing.config_error or "taken"})

    async def _follow(self, before: Config, wanted: Config) -> None:
        live = before.model_copy(update={name: getattr(wanted, name) for name in LIVE})
        self._standing.config = live
        self._router.configure(live)
        await exclude(self._catalog, self._debts, live)
        if wanted.routing.phase is not before.routing.phase:
            await self._operator.enter(wanted.routing.phase, "config", "an edit of the file")


async def exclude(catalog: StoredCatalog, debts: Debts, config: Config) -> None:
    """Leaves out what the settings leave out; what comes back in has to be verified first."""
    wanted = frozenset(name for name, own in config.routing.collections.items() if own.phase is Phase.PASSTHROUGH)
    before = catalog.excluded()
    if wanted == before:
        return
    await catalog.exclude(wanted)
    for name in before - wanted:
        await debts.mark(name, "it was left out of the migration until now")
    for name in wanted - before:
        await debts.clear(name)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        return f"# unreadable: {error.strerror}"
