from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fakes.mirror import FastClock
from fakes.sidecar import Sidecar

from proxy.config import MirrorMode
from proxy.control.reload import Reload
from proxy.model.phase import Phase


class Editor:
    """An operator with the config file open."""

    def __init__(self, sidecar: Sidecar, path: Path) -> None:
        self.sidecar = sidecar
        self.path = path
        self.tree = json.loads(sidecar.config.model_dump_json(exclude_unset=True))
        self.path.write_text(json.dumps(self.tree))
        parts = sidecar.parts
        self.reload = Reload(path, sidecar.standing, sidecar.operator, parts.router, parts.catalog, parts.debts, FastClock())

    async def edit(self, group: str, **keys: Any) -> str:
        """What the status says of it."""
        self.tree[group] = self.tree.get(group, {}) | keys
        self.path.write_text(json.dumps(self.tree))
        await self.reload._take()
        return self.sidecar.standing.config_error


@asynccontextmanager
async def editing(directory: Path, phase: str = "mirror", **settings: Any) -> AsyncIterator[Editor]:
    async with Sidecar(directory, phase, **settings) as sidecar:
        yield Editor(sidecar, directory / "vecferry.yaml")


async def test_an_edit_of_the_phase_enters_it(tmp_path) -> None:
    async with editing(tmp_path) as editor:
        assert await editor.edit("routing", phase="shadow", shadow=0.5) == ""
        assert editor.sidecar.parts.migration.phase is Phase.SHADOW
        assert editor.sidecar.standing.config.routing.shadow == 0.5


async def test_a_bad_edit_is_told_and_nothing_changes(tmp_path) -> None:
    async with editing(tmp_path) as editor:
        assert "routing.phaze: unknown key; did you mean phase?" in await editor.edit("routing", phaze="shadow")
        assert editor.sidecar.parts.migration.phase is Phase.MIRROR
        del editor.tree["routing"]["phaze"]
        assert await editor.edit("routing") == ""


async def test_what_needs_a_restart_is_named_by_its_key(tmp_path) -> None:
    async with editing(tmp_path) as editor:
        said = await editor.edit("mirror", mode="sync", batch_points=7)
        assert said == "needs a restart: mirror.batch_points"
        assert editor.sidecar.standing.config.mirror.mode is MirrorMode.SYNC
        assert "cutover.max_hold" in await editor.edit("cutover", max_hold="7s")


async def test_a_phase_that_cannot_be_entered_is_told_and_tried_again(tmp_path) -> None:
    async with editing(tmp_path, "passthrough", target=None) as editor:
        editor.tree["target"] = {"product": "qdrant", "url": "http://t:1"}
        assert "no target is configured" in await editor.edit("routing", phase="mirror")
        assert "no target is configured" in await editor.edit("gates", recall=0.9)


async def test_a_collection_that_comes_back_must_be_verified(tmp_path) -> None:
    async with editing(tmp_path) as editor:
        await editor.edit("routing", collections={"c": {"phase": "passthrough"}})
        assert editor.sidecar.parts.catalog.migrated() == ()
        await editor.edit("routing", collections={})
        assert "left out" in editor.sidecar.parts.debts.all()["c"]


async def test_it_notices_the_edit_itself(tmp_path) -> None:
    import asyncio

    async with editing(tmp_path) as editor:
        watching = asyncio.ensure_future(editor.reload.run())
        editor.tree["routing"]["phase"] = "canary"
        editor.path.write_text(json.dumps(editor.tree))
        await editor.sidecar.until(lambda: editor.sidecar.parts.migration.phase is Phase.CANARY)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
