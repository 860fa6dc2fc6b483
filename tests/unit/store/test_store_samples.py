from __future__ import annotations

from typing import Any

from proxy.store.samples import SampleRow, Samples


def row(recall: float | None, *, collection: str = "books", overlap: float | None = 1.0, seconds: float = 0.1) -> SampleRow:
    answered = None if recall is None else seconds * 2
    return SampleRow(
        collection, 1.0, "Search", "d1", recall, overlap, 0.0, seconds, answered, {"k": 10, "primary": [["7", 0.5]]}
    )


async def test_the_worst_rows_come_first_and_equal_answers_not_at_all(shelf: Any) -> None:
    samples = Samples(shelf.store, keep=100)
    rows = [row(0.9), row(1.0), row(0.2), row(None), row(0.9, overlap=0.5), row(0.1, collection="films")]
    await samples.add(1, rows, {})
    worst = await samples.worst(1, "books", 10)
    assert [(found.recall, found.overlap) for found in worst] == [(0.2, 1.0), (0.9, 0.5), (0.9, 1.0)]
    assert worst[0] == rows[2]
    assert len(await samples.worst(1, "books", 2)) == 2
    assert await samples.worst(2, "books", 10) == ()


async def test_only_the_last_rows_are_kept(shelf: Any) -> None:
    samples = Samples(shelf.store, keep=3)
    await samples.add(1, [row(n / 10) for n in range(5)], {})
    await samples.add(1, [row(0.9)], {})
    assert [found.recall for found in await samples.worst(1, "books", 10)] == [0.3, 0.4, 0.9]


async def test_figures_and_latest_seconds_are_there_after_a_restart(shelf: Any) -> None:
    samples = Samples(shelf.store, keep=100)
    await samples.add(1, [row(1.0, seconds=n / 8) for n in range(4)], {"books": "old", "films": "f"})
    await samples.add(1, [row(None, seconds=0.5)], {"books": "new"})
    await samples.add(2, [], {"books": "other epoch"})
    again = Samples(shelf.reopen(), keep=100)
    assert again.figures(1) == {"books": "new", "films": "f"}
    assert again.latest_seconds(1, "books", 3) == [(0.25, 0.5), (0.375, 0.75), (0.5, None)]
    assert again.latest_seconds(2, "books", 3) == []
