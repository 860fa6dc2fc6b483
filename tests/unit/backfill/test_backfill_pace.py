"""AIMD: how the pace follows the source."""

import math

from proxy.backfill.pace import Limits, Pace, after_error, after_scan

LIMITS = Limits(latency=2.0, step=100, floor=50)


def scans(pace: Pace, seconds: list[float], achieved: float = 1000) -> Pace:
    for one in seconds:
        pace = after_scan(pace, one, achieved, LIMITS)
    return pace


def test_a_calm_source_is_read_as_fast_as_it_goes():
    assert math.isinf(scans(Pace(), [0.1] * 50).rate)


def test_one_slow_page_is_no_congestion():
    assert math.isinf(scans(Pace(), [0.1] * 5 + [0.3]).rate)


def test_congestion_halves_what_was_achieved():
    slow = scans(Pace(), [0.1] * 5 + [0.5])
    assert slow.rate == 500
    assert after_scan(slow, 0.5, 400, LIMITS).rate == 200


def test_an_error_halves_the_rate_down_to_the_floor():
    pace = after_error(Pace(), 1000, LIMITS)
    assert pace.rate == 500
    for _ in range(20):
        pace = after_error(pace, 1000, LIMITS)
    assert pace.rate == 50


def test_an_error_before_anything_was_achieved_goes_to_the_floor():
    assert after_error(Pace(), 0, LIMITS).rate == 50


def test_after_congestion_the_rate_grows_step_by_step():
    pace = after_error(Pace(recent=0.1, calm=0.1), 1000, LIMITS)
    assert [scans(pace, [0.1] * n).rate for n in (1, 2, 3)] == [600, 700, 800]


def test_the_ceiling_holds():
    limits = Limits(latency=2, step=100, floor=50, ceiling=650)
    assert after_scan(after_scan(Pace(rate=600), 0.1, 600, limits), 0.1, 600, limits).rate == 650


def test_a_source_that_became_slower_for_good_is_not_pressed_to_nothing():
    pace = scans(Pace(), [0.1] * 10 + [0.3] * 300)
    assert pace.rate > 5000


def test_the_pause_of_a_page_follows_from_the_rate():
    assert (Pace().pause(1000), Pace(rate=500).pause(1000)) == (0.0, 2.0)
