from tests.migration.conftest import source, target

__all__ = ["source", "target"]
