"""Every fault of the network on each of the three ways, under load: nothing acknowledged is lost, both sides are equal in the
end, and an application is told of nothing but what it would be told without a sidecar.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

from tests.faults.network.probe import DEADLINE, Probe
from tests.faults.network.ways import Place, Ways
from tests.migration.load import Load
from tests.migration.shelf import Shelf
from tests.servers import moods

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

pytestmark = pytest.mark.milvus
ROWS: Final = 300
BEYOND: Final = 10_000
"""Where the probes' rows begin."""
SECONDS: Final = 3.0
SLACK: Final = 2.0
"""Of a deadline, on a machine that is busy."""
MOODS: Final = {
    "latency": moods.LATENCY,
    "bandwidth": moods.BANDWIDTH,
    "reset on the way up": moods.RESET_UP,
    "reset on the way down": moods.RESET_DOWN,
    "half-open up": moods.HALF_OPEN_UP,
    "half-open down": moods.HALF_OPEN_DOWN,
    "slicing": moods.SLICING,
    "refused": moods.REFUSE,
    "black hole": moods.BLACK_HOLE,
    "silent": moods.SILENT,
    "slow close": moods.SLOW_CLOSE,
}
ALL: Final = [(place, name) for place in Place for name in MOODS]
TELLING: Final = [
    (Place.CLIENT, "reset on the way down"),
    (Place.SOURCE, "reset on the way up"),
    (Place.SOURCE, "half-open down"),
    (Place.TARGET, "black hole"),
]
CELLS: Final = ALL if os.environ.get("VECFERRY_NIGHTLY") else TELLING
OF_A_BAD_WAY: Final = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
"""Which of the two depends on the moment."""
TO_A_PYMILVUS: Final = ("Fail connecting to server", "UNAVAILABLE", "DEADLINE_EXCEEDED")


@pytest.fixture(scope="module")
def ways(milvus: MilvusServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    with Ways(milvus.url, tmp_path_factory.mktemp("ways"), mirror={"linger": "2s"}) as made:
        yield made


@pytest.fixture(scope="module")
def others(ways: Ways) -> Iterator[Shelf]:
    """What the application without a sidecar works on."""
    with ways.shelf(ROWS, mirrored=False) as made:
        yield made


@pytest.mark.parametrize(("place", "name"), CELLS, ids=[f"{place}-{name}" for place, name in CELLS])
def test_a_fault_loses_nothing_and_is_told_only_on_its_own_way(ways: Ways, others: Shelf, place: Place, name: str) -> None:
    with ways.shelf(ROWS, mirrored=True) as books:
        with (
            Load(ways.url, books, ROWS) as load,
            Probe(ways.url, books, BEYOND) as probe,
            Probe(ways.past.url, others, BEYOND) as past,
        ):
            load.work_for(1)
            with ways.failing(place, MOODS[name]):
                load.work_for(SECONDS)
            load.recover()
        ways.sidecar.drained()
        found = ways.sides(books.name)
    load.check(found)
    probe.history.check(found.source)
    assert max(answer.took for answer in probe.answers) < DEADLINE + SLACK
    # Without a sidecar nobody sees what happens before the target, and everybody the rest.
    assert probe.codes() <= past.codes() | (OF_A_BAD_WAY if past.codes() else set()), probe.failures()
    assert [call for call in load.errors if not any(words in call.error for words in TO_A_PYMILVUS)] == []
    assert place is not Place.TARGET or load.errors == []
