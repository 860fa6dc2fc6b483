"""Takes an edit of the config file over while the sidecar runs. What cannot change then is named, and the old value stays.

Owns: noticing, checking, telling. Not: what a setting does (each part is given its own).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from proxy.config import Config, GatesConfig, RoutingConfig, load
from proxy.control.operator import Operator, Standing
from proxy.errors import ConfigError, ProxyError
from proxy.model.phase import Phase
from proxy.ports import Clock
from proxy.routing.router import Router
from proxy.store.catalog import StoredCatalog
from proxy.store.debts import Debts

log = logging.getLogger(__name__)

POLL: Final = 1.0
"""Seconds between looks at the file; ConfigMaps change by a link, which no watch of the file itself would see."""
LIVE: Final[Mapping[str, frozenset[str]]] = {
    "routing": frozenset(RoutingConfig.model_fields),
    "gates": frozenset(GatesConfig.model_fields),
    "mirror": frozenset({"mode", "collections"}),
}
"""Keys whose edit takes effect at once, by group; every other one needs a restart."""


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
        self._phase = standing.config.routing.phase

    async def run(self) -> None:
        while True:
            await self._clock.sleep(POLL)
            text = await asyncio.to_thread(_text, self._path)
            if text != self._text:
                self._text = text
                await self._take()

    async def _take(self) -> None:
        try:
            wanted = load(self._path)
        except ConfigError as error:
            self._say(f"the edit was not taken: {error}")
            return
        self._standing.config = live = _with_live(self._standing.config, wanted)
        self._router.configure(live)
        try:
            await exclude(self._catalog, self._debts, live)
            await self._follow(wanted.routing.phase)
        except ProxyError as error:
            self._say(f"the edit was taken, but not all of it: {error}")
        else:
            fixed = _differences(live, wanted)
            self._say(f"needs a restart: {', '.join(fixed)}" if fixed else "")

    async def _follow(self, phase: Phase) -> None:
        """A phase that could not be entered is tried again at the next edit."""
        if phase is not self._phase:
            await self._operator.enter(phase, "config", "an edit of the file")
            self._phase = phase

    def _say(self, trouble: str) -> None:
        self._standing.config_error = trouble
        log.info("the config file was edited", extra={"outcome": trouble or "taken"})


def _with_live(before: Config, wanted: Config) -> Config:
    groups = {}
    for name, keys in LIVE.items():
        edited = {key: getattr(getattr(wanted, name), key) for key in keys}
        groups[name] = getattr(before, name).model_copy(update=edited)
    return before.model_copy(update=groups)


def _differences(one: BaseModel, other: BaseModel, prefix: str = "") -> list[str]:
    """Paths of the keys in which they differ."""
    found: list[str] = []
    for name in type(one).model_fields:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, BaseModel) and isinstance(b, BaseModel):
            found += _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            found.append(f"{prefix}{name}")
    return found


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
