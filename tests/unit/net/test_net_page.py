"""docs/relay.md names every limit of the relay with the value that it has, and the gaps that h2spec shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_net_h2spec import CASES, GAPS

from proxy.net import limits

PAGE = (Path(__file__).parents[3] / "docs" / "relay.md").read_text()
LIMITS = {name: value for name, value in vars(limits).items() if name.isupper() and isinstance(value, int | float)}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_stands_on_the_page(name):
    assert f"| `{name}` | {LIMITS[name]:,} |" in PAGE


@pytest.mark.parametrize("flood", limits.Flood)
def test_a_rate_stands_on_the_page(flood):
    assert f"| {flood.value} | {limits.FLOODS[flood]:,} |" in PAGE


def test_h2specs_counts_stand_on_the_page():
    plain, tls = (CASES - len(GAPS[form]) for form in ("plain", "tls"))
    assert f"{CASES} cases, none skipped. Plain: {plain} pass; TLS: {tls} pass" in PAGE
