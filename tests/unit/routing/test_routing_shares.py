from __future__ import annotations

from collections import Counter

import pytest
from fakes.plain_frontend import put, request
from fakes.sidecar import FakeExchange, Sidecar, see

from proxy.config import RoutingConfig
from proxy.model.phase import Phase
from proxy.routing.plan import Action
from proxy.routing.shares import Draw, Shares
from proxy.shadow.sample import Sampler

READS = 20_000


@pytest.mark.parametrize("share", [1.0, 0.3, 1e-9])
def test_what_is_picked_is_in_the_sample_and_spread_over_it(share) -> None:
    sampler = Sampler(seed=5)
    picked = [sampler.pick(n, share) for n in range(10_000)]
    assert all(sampler.take(number, share) for number in picked)
    assert sum(sampler.take(number, share / 4) for number in picked) == pytest.approx(2500, abs=250)


def chosen(shares: Shares, number: int) -> tuple[bool, bool, bool]:
    return shares.shadows(number, "c"), shares.canaries(number, "c"), shares.canaries(number, "rare")


@pytest.mark.parametrize(("shadow", "canary"), [(0.1, 0.0), (0.1, 0.3), (1.0, 0.2), (0.5, 1.0), (0.0, 0.2)])
def test_a_worker_and_the_core_together_choose_as_one_process_does(shadow, canary) -> None:
    """Within five standard deviations, for each way in which the two shares of a read may fall."""
    routing = RoutingConfig(shadow=shadow, canary=canary, collections={"rare": {"canary": canary / 4}})
    alone, core, worker = Shares(routing), Shares(routing), Draw(2**40)
    here = Counter(chosen(alone, alone.number()) for _ in range(READS))
    there = Counter(chosen(core, core.drawn()) if worker.takes(shadow, canary) else (False, False, False) for _ in range(READS))
    for way in here | there:
        assert there[way] == pytest.approx(here[way], abs=5 * (2 * READS * max(here[way], 1) / READS) ** 0.5 + 5), way


def test_workers_do_not_draw_in_step() -> None:
    one, other = Draw(0), Draw(2**40)
    assert sum(one.takes(0.5, 0.0) and other.takes(0.5, 0.0) for _ in range(1000)) < 400


def test_a_drawn_read_is_of_some_number_where_the_shares_were_lowered_meanwhile() -> None:
    shares = Shares(RoutingConfig(shadow=0.0, canary=0.0))
    assert not any(chosen(shares, shares.drawn())[:2])


async def test_a_drawn_read_is_sampled_without_another_draw(tmp_path) -> None:
    async with Sidecar(tmp_path, "shadow", routing={"shadow": 0.01}) as sidecar:
        await sidecar.ask(put("c", (1, 1.0)))
        for _ in range(20):
            asked = request("get", "c", ids=(1,))
            exchange = FakeExchange(asked)
            sidecar.parts.router.begin_drawn(exchange, "rest")
            await see(exchange.said, asked)
        await sidecar.until(lambda: sidecar.parts.shadow.status().tried == 20)


async def test_a_read_drawn_before_the_phase_changed_is_an_ordinary_one(tmp_path) -> None:
    async with Sidecar(tmp_path, "shadow", routing={"shadow": 1.0}) as sidecar:
        sidecar.parts.router.enter(Phase.MIRROR)
        asked = request("get", "c", ids=(1,))
        exchange = FakeExchange(asked)
        sidecar.parts.router.begin_drawn(exchange, "rest")
        assert (await see(exchange.said, asked)).status == 200
        assert {action: n for (_, action), n in sidecar.parts.router.seen().items()} == {Action.RELAY: 1}
