"""Whole sidecars in worlds where every message may be late, lost or land after its time-out, and every process may die.

`VECFERRY_SEEDS=20` runs twenty times as many worlds, and looks for each fault from seed 0. A failure names the command that
shows its world step by step.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import pytest
from faults.simulation.fleet import FLEET
from faults.simulation.judge import Verdict
from faults.simulation.seeded import FAULTS
from faults.simulation.setting import Setting, report
from faults.simulation.story import STORIES

TIMES = int(os.environ.get("VECFERRY_SEEDS", "1"))
WORLDS = {
    "one": 80,
    "verified": 40,
    "changes": 40,
    "slow disk": 15,
    "deaths": 25,
    "mayflies": 25,
    "two": 30,
    "three": 15,
    "race": 60,
    "pages": 15,
    "filters": 30,
}
Tell: TypeAlias = Callable[[str, object], None]
LONGEST_SEARCH = 3000
"""Worlds in which a fault must be noticed. The seed that its table names comes first, which spares the search until a change of
the code gives the seeds other worlds."""
QUICKLY = 20
"""Worlds that are tried in a second or two."""

NEEDED = {
    "settle_after_direct_writes": ("race", 18),
    "settle_after_pages": ("pages", 38),
    "list_on_the_secondary": ("filters", 185),
}
"""A rule of several sidecars -> the story that shows why, and the seed from which it is looked for."""


def lived(setting: Setting, seeds: Iterable[int]) -> dict[int, Verdict]:
    verdicts = dict(setting.verdicts(seeds))
    if wrong := report(setting, verdicts):
        pytest.fail(wrong)
    return verdicts


@pytest.mark.parametrize("name", STORIES)
def test_nothing_is_lost_and_both_sides_are_equal_in_the_end(name: str) -> None:
    verdicts = lived(Setting.named(name), range(WORLDS[name] * TIMES))
    assert sum(not verdict.owed for verdict in verdicts.values()) > len(verdicts) / 2


def test_most_worlds_change_their_primary_three_times_and_die_meanwhile() -> None:
    verdicts = lived(Setting.named("changes"), range(1000, 1030))
    assert sum(verdict.changes for verdict in verdicts.values()) >= 2 * len(verdicts)
    assert sum(verdict.deaths for verdict in verdicts.values()) >= 2 * len(verdicts)


def assert_noticed(setting: Setting, first: int, tell: Tell) -> None:
    """`tell` says, at the end of the run, where the table should send the next one."""
    found = next(setting.bad(itertools.chain(() if TIMES > 1 else [first], range(LONGEST_SEARCH))), None)
    assert found is not None
    if TIMES == 1 and found not in (first, *range(QUICKLY)):
        tell("stale", f"its seed is {found} now, and was searched for from {first}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_put_in_on_purpose_is_noticed(name: str, record_property: Tell) -> None:
    assert_noticed(Setting.named(name), FAULTS[name].first, record_property)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rule", FLEET)
def test_several_sidecars_need_each_rule_that_one_does_not(rule: str, record_property: Tell) -> None:
    name, first = NEEDED[rule]
    assert_noticed(Setting.named(name, without=rule), first, record_property)


def test_a_seed_means_the_same_world_in_every_process() -> None:
    """Whatever hashes strings have there."""
    traces = [_trace(hashes) for hashes in ("1", "2")]
    assert traces[0] == traces[1]
    assert "dies and starts again" in traces[0]


def _trace(hashes: str) -> str:
    folder = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "faults.simulation", "three", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=folder.parent).stdout
