from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.plain_frontend import schema_of
from fakes.plain_parts import PlainCatalog, PlainDebts
from mirror_stage import Stage, Watched

from proxy.model.operation import CreateCollection


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A running mirror between two sides that both have the empty collection `c`."""
    catalog = PlainCatalog([schema_of("c")])
    made = Stage(tmp_path, catalog, PlainDebts(), Watched(catalog), Watched(catalog))
    for side in (made.source, made.target):
        await side.apply(CreateCollection(schema_of("c")))
    made.start()
    yield made
    await made.stop()
