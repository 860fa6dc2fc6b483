from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.model.times import said_instant

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T00:00:00Z",
        "2024-01-01t00:00:00z",
        "2024-01-01",
        "2024-01-01T00:00",
        "2024-01-01 00:00:00",
        "2024-01-01 00:00:00 +0000",
        "2024-01-01T02:00:00+02:00",
        "2024-01-01T00:00:00.000000999Z",
        " 2024-01-01T00:00:00Z",
    ],
)
def test_a_text_says_a_time(text: str) -> None:
    """As measured on Qdrant's engine, and the next too."""
    assert said_instant(text) == NEW_YEAR


@pytest.mark.parametrize(
    "text",
    ["", "2024", "20240101", "01/01/2024", "2024-W01-1", "2024-01-01T00Z", "2024-01-01T00:00Z", "2024-13-01", "2024-01-01 "],
)
def test_a_text_says_no_time(text: str) -> None:
    assert said_instant(text) is None
