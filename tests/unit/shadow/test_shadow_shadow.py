from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from shadow_stage import Stage, key, query

from proxy.config import GatesConfig
from proxy.errors import Unavailable, Unsupported
from proxy.model.feature import Feature
from proxy.model.operation import Count, Search
from proxy.shadow import shadow as module
from proxy.shadow.sample import Sample, Sampler
from proxy.shadow.shadow import Shadow
from proxy.store.samples import Samples

GATES = GatesConfig()


def search(id: int = 0) -> Search:
    return Search("books", "", (query(id),), 10)


@asynccontextmanager
async def running(shadow: Shadow) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(shadow.run())
        yield
        task.cancel()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  the shadow tells nobody when it is done
            await asyncio.sleep(0)


async def tried(shadow: Shadow, *samples: Sample) -> None:
    wanted = shadow.status().tried + len(samples)
    async with running(shadow):
        for sample in samples:
            shadow.offer(sample)
        await until(lambda: shadow.status().tried == wanted and not shadow.status().waiting)


async def test_figures_are_the_sum_of_the_samples(stage: Stage) -> None:
    await stage.fill(range(50))
    first = [hit.key for hit in (await stage.primary.search(search()))[0]]
    await stage.secondary.remove(first[:3])
    shadow = stage.shadow(noise=1.0, referee=1.0)
    await tried(shadow, await stage.sample(search()), await stage.sample(Count("books")))
    figures = shadow.figures(GATES)["books"]
    assert (figures.samples, figures.recall, figures.noise_recall) == (1, pytest.approx(0.7), 1.0)
    assert (figures.reads, figures.unequal) == (1, 1)
    assert figures.rulings == {"primary": 1}
    assert figures.tail == 1.0
    assert (figures.attempts, figures.errors) == (2, 0)
    assert figures.latency is not None
    assert figures.latency.primary_p50 == 0.01


async def test_a_target_that_is_down_is_counted_and_nothing_is_raised(stage: Stage) -> None:
    await stage.fill(range(50))
    samples = [await stage.sample(search(n)) for n in range(5)]
    stage.secondary.fault = Unavailable("connection refused")
    shadow = stage.shadow()
    await tried(shadow, *samples)
    figures = shadow.figures(GATES)["books"]
    assert (figures.samples, figures.attempts, figures.errors, figures.latency) == (0, 5, 5, None)
    assert shadow.status().last_error == "connection refused"


async def test_offering_never_waits_and_the_newest_win(stage: Stage) -> None:
    await stage.fill(range(50))
    stage.secondary.fault = Unavailable("the others")
    shadow = stage.shadow(queue=3, concurrency=1)
    samples = [await stage.sample(search(n)) for n in range(10)]
    for sample in samples:
        shadow.offer(sample)
    assert (shadow.status().waiting, shadow.status().dropped) == (3, 7)
    async with running(shadow):
        await until(lambda: shadow.status().tried == 3)
    worst = await stage.store.run(lambda db: db.execute("select digest from samples order by number").fetchall())
    assert [digest.decode() for (digest,) in worst] == [module._digest(sample) for sample in reversed(samples[-3:])]


async def test_bodies_that_wait_are_bounded_in_bytes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_BYTES", 1000)
    shadow = stage.shadow()
    small = stage.sample_of(search(), ())
    big = replace(small, reply=replace(small.reply, body=b"." * 400))
    for _ in range(5):
        shadow.offer(big)
    assert (shadow.status().waiting, shadow.status().dropped) == (2, 3)
    shadow.offer(replace(small, reply=replace(small.reply, body=b"." * 5000)))
    assert shadow.status().waiting == 1


async def test_only_the_chosen_shares_ask_the_primary_again(stage: Stage) -> None:
    await stage.fill(range(50))
    shadow = stage.shadow(noise=0.25)
    samples = [await stage.sample(search(n)) for n in range(100)]
    before = stage.primary.searches
    await tried(shadow, *samples)
    again = stage.primary.searches - before
    assert 15 <= again <= 35
    assert shadow.figures(GATES)["books"].noise_samples == again


async def test_calls_that_the_secondary_cannot_answer_are_counted_sampled_or_not(stage: Stage) -> None:
    await stage.fill(range(5))
    gap = stage.sample_of(Unsupported(Feature.SEARCH_GROUP, "qdrant"), ())
    shadow = stage.shadow()
    shadow.note_unanswerable("CreateDatabase", "no meaning in the model")
    shadow.note_unanswerable("CreateDatabase", "no meaning in the model")
    await tried(shadow, gap)
    figures = shadow.figures(GATES)
    assert figures["books"].unanswerable == {"Search: grouped search": 1}
    assert figures[""].unanswerable == {"CreateDatabase: no meaning in the model": 2}


async def test_a_secondary_of_the_same_product_can_be_asked_what_the_model_lacks(stage: Stage) -> None:
    await stage.fill(range(5))
    gap = stage.sample_of(Unsupported(Feature.SEARCH_GROUP, "qdrant"), ())
    stage.secondary.product = stage.primary.product
    shadow = stage.shadow()
    await tried(shadow, gap)
    assert shadow.figures(GATES)["books"].unanswerable == {}


async def test_figures_survive_a_restart(stage: Stage) -> None:
    await stage.fill(range(50))
    await stage.secondary.remove([hit.key for hit in (await stage.primary.search(search()))[0]][:1])
    shadow = stage.shadow(noise=1.0, referee=1.0)
    await tried(shadow, *[await stage.sample(search(n)) for n in range(20)])
    before = shadow.figures(GATES)
    assert before["books"].samples == 20
    assert stage.shadow().figures(GATES) == before


async def test_what_was_found_is_written_while_running(stage: Stage) -> None:
    await stage.fill(range(50))
    shadow = stage.shadow()
    async with running(shadow):
        shadow.offer(await stage.sample(search()))
        await until(lambda: shadow.status().unwritten == 1)
        await stage.clock.strike()
        await until(lambda: shadow.status().unwritten == 0)
        rows = await stage.store.run(lambda db: db.execute("select recall from samples").fetchall())
    assert rows == [(1.0,)]


async def test_writes_of_the_last_moment_before_the_read_are_left_out_too(stage: Stage) -> None:
    await stage.fill(range(50))
    shadow = stage.shadow()
    async with running(shadow):
        for position in (100, 200, 300, 400):
            await asyncio.sleep(0)
            stage.window.position = position
            await stage.clock.strike()
        shadow.offer(await stage.sample(search()))
        await until(lambda: shadow.status().unwritten == 1)
    assert stage.window.asked_since == 200


async def test_figures_begin_anew_when_the_primary_changes(stage: Stage) -> None:
    await stage.fill(range(50))
    shadow = stage.shadow()
    await tried(shadow, await stage.sample(search()))
    shadow.offer(await stage.sample(search()))
    await shadow.turn(stage.secondary, stage.primary, 2)
    assert shadow.figures(GATES) == {}
    assert shadow.status().waiting == 0
    assert "books" in Samples(stage.store, keep=100).figures(1)
    await tried(shadow, await stage.sample(search()))
    assert set(Samples(stage.store, keep=100).figures(2)) == {"books"}


async def test_what_a_trial_of_the_last_epoch_found_is_not_counted(stage: Stage) -> None:
    await stage.fill(range(50))
    sample, asked, go_on = await stage.sample(search()), asyncio.Event(), asyncio.Event()

    async def slow(*_: Any) -> Any:
        asked.set()
        await go_on.wait()
        return ((),)

    stage.secondary.search = slow
    shadow = stage.shadow()
    async with running(shadow):
        shadow.offer(sample)
        await asked.wait()
        await shadow.turn(stage.secondary, stage.primary, 2)
        go_on.set()
        for _ in range(10):
            await asyncio.sleep(0)
    assert shadow.figures(GATES) == {}


async def test_a_store_that_refuses_loses_nothing(stage: Stage) -> None:
    await stage.fill(range(50))
    shadow = stage.shadow()
    await stage.store.run(lambda db: db.execute("alter table samples rename to away").fetchall())
    await tried(shadow, await stage.sample(search()))
    status = shadow.status()
    assert status.unwritten == 1
    assert "state database" in status.last_error
    await stage.store.run(lambda db: db.execute("alter table away rename to samples").fetchall())
    await shadow.flush()
    assert shadow.status().unwritten == 0
    assert "books" in Samples(stage.store, keep=100).figures(1)


def test_the_sampler_takes_its_share_and_the_same_again() -> None:
    taken = [n for n in range(100_000) if Sampler(7).take(n, 0.1)]
    assert 9_700 < len(taken) < 10_300
    assert taken == [n for n in range(100_000) if Sampler(7).take(n, 0.1)]
    assert taken != [n for n in range(100_000) if Sampler(8).take(n, 0.1)]


def test_the_sampler_takes_all_or_nothing_at_the_ends() -> None:
    assert all(Sampler(1).take(n, 1.0) for n in range(1000))
    assert not any(Sampler(1).take(n, 0.0) for n in range(1000))


def test_two_seeds_choose_independently() -> None:
    """Otherwise the reads that the canary serves would be those that the shadow checks, or never."""
    both = sum(Sampler(0).take(n, 0.1) and Sampler(1).take(n, 0.1) for n in range(100_000))
    assert 850 < both < 1150


async def test_rows_of_equal_requests_share_a_digest_and_name_no_payload(stage: Stage) -> None:
    await stage.fill(range(50))
    await stage.secondary.remove([key(id) for id in range(40)])
    sample = await stage.sample(search())
    shadow = stage.shadow()
    await tried(shadow, sample, sample)
    rows = await Samples(stage.store, keep=100).worst(1, "books", 10)
    assert len({row.digest for row in rows}) == 1
    assert set(rows[0].detail) == {"k", "offset", "using", "filter", "query", "primary", "secondary", "ruling"}
