from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.network.ways import Ways
from tests.servers.facade import MilvusFacade


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """Over a source that is not the real one but quick to start: for what has nothing to do with Milvus."""
    with MilvusFacade() as source, Ways(source.url, tmp_path_factory.mktemp("ways"), mirror={"linger": "1s"}) as made:
        yield made
