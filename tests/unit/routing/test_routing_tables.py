from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from proxy.errors import Refused
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.ports import Kind
from proxy.routing.phase import PHASES, TRANSITIONS, Step, step
from proxy.routing.plan import Action, actions


def test_every_phase_has_a_row() -> None:
    assert set(PHASES) == set(Phase)


@pytest.mark.parametrize(("row", "same"), [*product(PHASES.values(), (True, False))])
def test_the_plan_answers_every_kind(row, same) -> None:
    assert set(actions(row, same_product=same)) == set(Kind)


@pytest.mark.parametrize(("phase", "same"), [*product(Phase, (True, False))])
def test_writes_are_never_relayed_unseen_while_the_mirror_runs(phase, same) -> None:
    plan = actions(PHASES[phase], same_product=same)
    if PHASES[phase].mirror:
        assert {plan[Kind.WRITE], plan[Kind.SCHEMA]} <= {Action.MIRROR, Action.WRITE}


@pytest.mark.parametrize(("now", "then"), list(TRANSITIONS))
def test_the_primary_changes_by_a_change_only(now, then) -> None:
    changes = PHASES[now].primary is not PHASES[then].primary
    assert changes == (TRANSITIONS[now, then] is Step.CHANGE)


def test_nothing_leads_away_from_the_end() -> None:
    for phase in set(Phase) - {Phase.COMPLETE}:
        with pytest.raises(Refused, match="from here: nowhere"):
            step(Phase.COMPLETE, phase)


def test_a_phase_that_holds_needs_no_step() -> None:
    assert all(step(phase, phase) is None for phase in Phase)


def test_the_end_is_reached_through_cutover_only() -> None:
    assert {now for now, then in TRANSITIONS if then is Phase.COMPLETE} == {Phase.CUTOVER}


def test_a_phase_that_samples_or_answers_from_the_secondary_mirrors() -> None:
    assert all(row.mirror for row in PHASES.values() if row.shadow or row.canary)
    assert all(row.primary is Place.SOURCE for row in PHASES.values() if row.canary)


def test_the_page_names_every_phase_with_its_primary() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cutover.md").read_text("utf-8")
    for phase, row in PHASES.items():
        assert f"| {phase} | {row.primary} | " in page
