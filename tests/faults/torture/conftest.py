from tests.migration.conftest import local_qdrant, source, target

__all__ = ["local_qdrant", "source", "target"]
