"""Ordinary calls of four client versions: direct, through the sidecar, and after cutover see the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.environments import NoClient
from tests.migration.clients import OTHERS, OURS, python, run_all
from tests.migration.shelf import Shelf
from tests.migration.world import World

pytestmark = pytest.mark.milvus
ABSENT = {
    "query_arithmetic": "filter: arithmetic is not supported",
    "iterate_over_partitions": "an iterator over several partitions; name one partition",
    "group": "grouped search is not supported",
    "rename": "rename of a collection is not supported",
}
"""Steps that Qdrant cannot answer, and the words of the refusal."""


def versions() -> list[str]:
    """Those that install here; the others are named in a warning."""
    found = [OURS]
    for version in OTHERS:
        try:
            python(version)
        except NoClient as missing:
            pytest.skip(str(missing))
        found.append(version)
    return found


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {step: (seen, after[step]) for step, seen in before.items() if seen != after[step]}


@pytest.mark.timeout(1200)  # on a fresh machine it makes four environments first
def test_four_client_versions_see_the_same_direct_mirrored_and_after_cutover(world: World) -> None:
    clients = versions()
    direct = run_all(clients, world.source_url, "direct")
    world.shelf(Shelf("other"), 10)
    sidecar = world.sidecar()
    sidecar.copy()
    mirrored = run_all(clients, sidecar.url, "mirrored")
    for version in clients:
        assert differing(direct[version], mirrored[version]) == {}, version
    sidecar.drained()
    sidecar.change("cutover", "recall", "tail", "latency", "errors", "violations", "unanswerable", "verified")
    after = run_all(clients, sidecar.url, "after")
    for version in clients:
        different = differing(direct[version], after[version])
        for step, words in ABSENT.items():
            assert words in str(different.pop(step)[1])
        assert different == {}, version
