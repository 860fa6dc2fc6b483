from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config import GatesConfig
from proxy.routing.gate import CollectionFacts, GateFacts, closed, gates
from proxy.shadow.figures import Figures, figures
from proxy.shadow.tally import Record, Tally

CONFIG = GatesConfig()


def found(recalls: dict[int, int], *, seconds: float = 0.01, failures: int = 0, **tally: Any) -> Figures:
    record = Record(Tally(recalls=Counter(recalls), **tally))
    record.recent.extend([(0.01, seconds)] * (sum(recalls.values()) - failures))
    record.recent.extend([(0.01, None)] * failures)
    return figures(record, CONFIG)


GOOD = CollectionFacts("books", verified=True, debt="", divergences=0, figures=found({1000: 500}))
CLEAN = GateFacts(
    entries=0, oldest_seconds=0.0, dirty_keys=0, dirty_seconds=0.0, lingering=0, parked=0, collections=(GOOD,), excluded=()
)


def verdicts(facts: GateFacts, config: GatesConfig = CONFIG) -> dict[str, bool | None]:
    return {gate.name: gate.ok for gate in gates(facts, config)}


def with_figures(figures: Figures | None) -> GateFacts:
    return replace(CLEAN, collections=(replace(GOOD, figures=figures),))


def test_everything_is_open_when_all_is_well() -> None:
    assert set(verdicts(CLEAN).values()) == {True}
    assert closed(gates(CLEAN, CONFIG)) == ()


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (replace(CLEAN, oldest_seconds=6.0), "journal"),
        (replace(CLEAN, entries=10_001), "journal"),
        (replace(CLEAN, dirty_keys=1, dirty_seconds=6.0), "dirty_keys"),
        (replace(CLEAN, dirty_keys=1, lingering=1), "dirty_keys"),
        (replace(CLEAN, parked=1), "parked"),
        (replace(CLEAN, excluded=("films",)), "excluded"),
        (replace(CLEAN, elsewhere=found({}, unanswerable=Counter({"CreateDatabase": 1}))), "unanswerable"),
        (with_figures(found({1000: 500}, unanswerable=Counter({"Search: grouped search": 2}))), "unanswerable"),
        (replace(CLEAN, collections=(replace(GOOD, verified=False),)), "verified:books"),
        (replace(CLEAN, collections=(replace(GOOD, debt="shed"),)), "verified:books"),
        (replace(CLEAN, collections=(replace(GOOD, divergences=1),)), "verified:books"),
        (with_figures(found({1000: 500}, seconds=0.04)), "latency:books"),
        (with_figures(found({1000: 500}, violations=1)), "violations:books"),
        (with_figures(found({1000: 500}, reads=50, unequal=1)), "reads:books"),
        (with_figures(found({1000: 500}, failures=6)), "errors:books"),
    ],
)
def test_one_thing_amiss_closes_its_gate_and_no_other(facts: GateFacts, name: str) -> None:
    assert [gate.name for gate in closed(gates(facts, CONFIG))] == [name]
    assert verdicts(facts)[name] is False


def test_recall_passes_fails_or_asks_for_more() -> None:
    for recalls, ok in (({1000: 500}, True), ({900: 500}, False), ({1000: 60}, None), ({950: 500}, None)):
        assert verdicts(with_figures(found(recalls)))["recall:books"] is ok


def test_keys_that_live_writes_make_dirty_and_that_are_settled_soon_forbid_nothing() -> None:
    assert verdicts(replace(CLEAN, dirty_keys=200, dirty_seconds=0.5))["dirty_keys"] is True


def test_a_tail_of_bad_queries_closes_although_the_mean_is_high() -> None:
    tailed = verdicts(with_figures(found({1000: 9000, 700: 1000})))
    assert (tailed["recall:books"], tailed["tail:books"]) == (True, False)


def test_too_few_samples_let_nobody_through() -> None:
    for few in (None, found({}), found({1000: 49})):
        waiting = {name for name, ok in verdicts(with_figures(few)).items() if ok is None}
        assert waiting == {f"{kind}:books" for kind in ("recall", "tail", "latency", "violations", "errors")}
    assert len(closed(gates(with_figures(None), CONFIG))) == 5


def test_a_target_that_only_fails_closes_the_gate_of_errors() -> None:
    down = Record()
    down.recent.extend([(0.01, None)] * 100)
    assert verdicts(with_figures(figures(down, CONFIG)))["errors:books"] is False


def test_latency_without_one_recent_answer_is_unknown() -> None:
    down = Record(Tally(recalls=Counter({1000: 500})))
    assert verdicts(with_figures(figures(down, CONFIG)))["latency:books"] is None


def test_a_gate_is_forced_by_name_or_by_kind() -> None:
    other = replace(GOOD, name="films", figures=None)
    judged = gates(replace(CLEAN, collections=(replace(other, name="books"), other)), CONFIG)
    assert {gate.name for gate in closed(judged, ["recall:films"])} >= {"recall:books", "tail:films"}
    assert not {gate.kind for gate in closed(judged, ["recall"])} & {"recall"}


def test_why_tells_what_was_measured_and_what_is_needed() -> None:
    noisy = with_figures(found({1000: 300, 900: 200}, noise=Counter({990: 100})))
    why = {gate.name: gate.why for gate in gates(noisy, CONFIG)}
    assert "after 500 searches, 0.9900 of the primary with itself; needs 0.95" in why["recall:books"]
    disputed = with_figures(found({1000: 300, 900: 200}, rulings=Counter({"secondary": 20, "both": 1, "primary": 3})))
    assert (
        "the secondary right in 20 of 24 disagreements"
        in {gate.name: gate.why for gate in gates(disputed, CONFIG)}["recall:books"]
    )
    assert why["latency:books"] == "p95 10.0 ms, 1.00 times the primary's; may be 3"


def test_the_page_tells_every_gate_and_every_setting() -> None:
    page = (Path(__file__).parents[3] / "docs" / "gates.md").read_text("utf-8")
    for gate in gates(CLEAN, CONFIG):
        assert f"| `{gate.kind}" in page
    for setting in GatesConfig.model_fields:
        assert f"`{setting}`" in page
