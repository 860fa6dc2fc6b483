from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.clock import SystemClock
from proxy.store.store import Store


class Shelf:
    """A state database that can be closed and opened again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.store = Store(path)
        self.clock = SystemClock()

    def reopen(self) -> Store:
        self.store.close()
        self.store = Store(self._path)
        return self.store


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path / "state.db")
    yield shelf
    shelf.store.close()
