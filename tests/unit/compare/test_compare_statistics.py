from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from proxy.compare.statistics import Verdict, at_least, at_most, lower_bound, upper_bound

CONFIDENCE = 0.95


def test_nothing_is_known_of_nothing() -> None:
    assert lower_bound({}, CONFIDENCE) == 0.0
    assert upper_bound({}, CONFIDENCE) == 1.0
    assert at_least({}, 0.5, CONFIDENCE) is Verdict.NOT_ENOUGH


def test_perfect_samples_prove_a_high_recall_after_some_eighty() -> None:
    assert at_least({1.0: 50}, 0.95, CONFIDENCE) is Verdict.NOT_ENOUGH
    assert at_least({1.0: 100}, 0.95, CONFIDENCE) is Verdict.PASS


def test_a_limit_of_zero_always_holds_and_one_is_never_proved() -> None:
    assert at_least({0.0: 10}, 0.0, CONFIDENCE) is Verdict.PASS
    assert at_least({1.0: 10**6}, 1.0, CONFIDENCE) is Verdict.NOT_ENOUGH


def test_bounds_enclose_the_mean_and_close_in() -> None:
    few, many = {0.8: 50, 1.0: 50}, {0.8: 5000, 1.0: 5000}
    for counts in (few, many):
        assert lower_bound(counts, CONFIDENCE) < 0.9 < upper_bound(counts, CONFIDENCE)
    assert lower_bound(many, CONFIDENCE) - lower_bound(few, CONFIDENCE) > 0.01
    assert upper_bound(many, CONFIDENCE) - lower_bound(many, CONFIDENCE) < 0.01


def test_bounds_mirror_each_other() -> None:
    assert upper_bound({0.25: 30, 1.0: 10}, CONFIDENCE) == pytest.approx(1 - lower_bound({0.75: 30, 0.0: 10}, CONFIDENCE))


def test_more_confidence_is_more_cautious() -> None:
    counts = {0.9: 40, 1.0: 100}
    assert lower_bound(counts, 0.99) < lower_bound(counts, 0.95) < lower_bound(counts, 0.6)


def test_a_verdict_passes_fails_or_asks_for_more() -> None:
    assert at_least({0.9: 1000}, 0.95, CONFIDENCE) is Verdict.FAIL
    assert at_least({0.95: 20}, 0.95, CONFIDENCE) is Verdict.NOT_ENOUGH
    assert at_most({0.0: 990, 1.0: 10}, 0.05, CONFIDENCE) is Verdict.PASS
    assert at_most({0.0: 800, 1.0: 200}, 0.05, CONFIDENCE) is Verdict.FAIL


def test_a_verdict_agrees_with_the_bound() -> None:
    counts = {0.9: 70, 1.0: 200}
    bound = lower_bound(counts, CONFIDENCE)
    assert at_least(counts, bound - 1e-9, CONFIDENCE) is Verdict.PASS
    assert at_least(counts, bound + 1e-9, CONFIDENCE) is Verdict.NOT_ENOUGH


@pytest.mark.parametrize("misses", [0.02, 0.1, 0.5])
def test_looking_after_every_tenth_sample_is_rarely_wrong(misses: float) -> None:
    """Coverage: queries of ten hits, each missed with the same chance; the limit lies just above the true recall."""
    runs, wrong = 300, 0
    for run in range(runs):
        found = np.random.default_rng(run).binomial(10, 1 - misses, 500) / 10
        looks = (Counter(found[:n].tolist()) for n in range(10, 501, 10))
        wrong += any(at_least(look, 1 - misses + 1e-9, CONFIDENCE) is Verdict.PASS for look in looks)
    assert wrong / runs <= 1 - CONFIDENCE


def test_a_bound_for_a_fixed_size_would_be_wrong_more_often() -> None:
    """The simulation above can fail: the same looks with a normal approximation exceed the promised error."""
    runs, wrong = 300, 0
    for run in range(runs):
        found = np.random.default_rng(run).binomial(10, 0.9, 500) / 10
        means = [(found[:n].mean() - 1.645 * found[:n].std() / n**0.5) for n in range(10, 501, 10)]
        wrong += any(mean > 0.9 for mean in means)
    assert wrong / runs > 2 * (1 - CONFIDENCE)
