from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shadow_stage import Stage

from proxy.store.store import Store


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    store = Store(tmp_path / "state.db")
    yield Stage(store)
    store.close()
