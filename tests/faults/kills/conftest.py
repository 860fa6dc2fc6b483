"""One process that forks lives, for all tests here; and the world of real databases, as tests/migration has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.kills.forks import Forks
from tests.migration.conftest import local_qdrant, source, target, world

__all__ = ["local_qdrant", "source", "target", "world"]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    made = Forks()
    yield made
    made.close()
