"""Every backend answers every question, and the page that tells users says the same."""

from __future__ import annotations

from conformance.registry import BACKENDS, FRONTENDS, pairs

from proxy.model.feature import Feature


def test_every_backend_answers_every_feature() -> None:
    assert {b.name: set(b.supports) for b in BACKENDS} == {b.name: set(Feature) for b in BACKENDS}


def test_every_pair_takes_part() -> None:
    assert len(pairs()) == len(FRONTENDS) * len(BACKENDS)
