"""The world of real databases, as tests/migration has it."""

from tests.migration.conftest import source, target, world

__all__ = ["source", "target", "world"]
