"""The checker over mirrors that are wrong on purpose: each fault is caught, and a right mirror is never accused."""

from __future__ import annotations

import os

import pytest
from faults.simulation.virtual_time import run
from small_world import Wrong, world

from proxy.torture.check import EXTRA, MISSING, STALE, TWO_EPOCHS, Verdict, check
from proxy.torture.register import Fault

SEEDS = int(os.environ.get("VECFERRY_SEEDS", "200"))
UNTIL_CAUGHT = 25
CAUGHT_AS = {
    Wrong.DROPS: {MISSING, STALE, EXTRA},
    Wrong.REORDERS: {STALE},
    Wrong.RESURRECTS: {EXTRA},
    Wrong.BACKFILLS_BLINDLY: {STALE, EXTRA, Fault.LOST, Fault.BACK},
    Wrong.TWO_EPOCHS: {TWO_EPOCHS},
    Wrong.TWICE: {Fault.LOST, Fault.BACK},
    Wrong.FORGETS: {Fault.LOST},
    Wrong.LAGS: {Fault.LOST, Fault.BACK, Fault.UNORDERED},
    Wrong.KEEPS_REFUSED: {STALE, EXTRA},
}


def judged(seed: int, fault: Wrong = Wrong.NOTHING) -> Verdict:
    return check(run(world(seed, fault)))


def test_a_right_mirror_is_never_accused() -> None:
    verdicts = [judged(seed) for seed in range(SEEDS)]
    assert [str(found) for verdict in verdicts for found in verdict.violations] == []
    assert min(verdict.looks for verdict in verdicts) > 20
    assert min(verdict.keys for verdict in verdicts) == 12


@pytest.mark.parametrize("fault", [fault for fault in Wrong if fault is not Wrong.NOTHING])
def test_a_wrong_mirror_is_caught(fault: Wrong) -> None:
    found = {violation.kind for seed in range(UNTIL_CAUGHT) for violation in judged(seed, fault).violations}
    assert found & CAUGHT_AS[fault], found
