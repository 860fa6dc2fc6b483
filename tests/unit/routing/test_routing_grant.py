from __future__ import annotations

import asyncio
from itertools import product

import pytest
from fakes.plain_frontend import put
from fakes.sidecar import Sidecar

from proxy.errors import Refused
from proxy.model.phase import Phase
from proxy.model.place import Place
from proxy.ports import Kind
from proxy.routing.grant import NOTHING, Grant, Grants, grant
from proxy.routing.phase import PHASES
from proxy.routing.plan import Action, actions


def granted(phase: Phase, *, target: bool = True) -> Grant:
    row = PHASES[phase]
    plan = actions(row, same_product=row.primary is Place.SOURCE)
    return grant(row, plan, target=target, shadow=0.2, canary=0.1)


RELAYED = {Kind.READ: Action.RELAY, Kind.ADMIN: Action.RELAY}
SAMPLED = {Kind.READ: Action.SAMPLE, Kind.ADMIN: Action.RELAY}
TABLE = {
    Phase.PASSTHROUGH: Grant(RELAYED),
    Phase.MIRROR: Grant(RELAYED),
    Phase.SHADOW: Grant(SAMPLED, shadow=0.2),
    Phase.CANARY: Grant(SAMPLED, shadow=0.2, canary=0.1),
    Phase.CUTOVER: NOTHING,
    Phase.COMPLETE: NOTHING,
}


def test_what_is_granted_in_each_phase() -> None:
    assert {phase: granted(phase) for phase in Phase} == TABLE


def test_without_a_target_everything_is_granted() -> None:
    assert granted(Phase.PASSTHROUGH, target=False) == Grant(dict.fromkeys(Kind, Action.RELAY), changes=True)


@pytest.mark.parametrize(("phase", "same"), [*product(Phase, (True, False))])
def test_beside_a_target_no_write_and_nothing_translated_is_granted(phase, same) -> None:
    row = PHASES[phase]
    found = grant(row, actions(row, same_product=same), target=True, shadow=1.0, canary=1.0)
    assert set(found.actions) <= {Kind.READ, Kind.ADMIN}
    assert not found.changes
    assert row.primary is Place.SOURCE or found == NOTHING


class Front:
    """Writes down what it is told; `answers` when it may, or never. `asked`: it is waited for."""

    def __init__(self, *, answers: bool = True) -> None:
        self.told: list[Grant] = []
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()
        self._answers = answers

    def publish(self, grant: Grant) -> None:
        self.told.append(grant)

    async def acknowledged(self) -> None:
        self.asked.set()
        await self.may_answer.wait()
        if not self._answers:
            raise Refused("the worker with pid 1 did not acknowledge; nothing has changed")


async def test_while_withdrawn_nothing_is_granted_whatever_is_set() -> None:
    grants, front = Grants(), Front()
    grants.set(TABLE[Phase.MIRROR])
    grants.attach(front)
    await grants.withdraw()
    grants.set(TABLE[Phase.SHADOW])
    grants.restore()
    assert front.told == [TABLE[Phase.MIRROR], NOTHING, NOTHING, TABLE[Phase.SHADOW]]


async def test_a_front_hears_of_phases_and_shares(tmp_path) -> None:
    async with Sidecar(tmp_path, "mirror", routing={"shadow": 0.2, "canary": 0.1}) as sidecar:
        front, router = Front(), sidecar.parts.router
        router.grants.attach(front)
        router.enter(Phase.CANARY)
        routing = sidecar.config.routing.model_copy(update={"canary": 0.5})
        router.configure(sidecar.config.model_copy(update={"routing": routing}))
        assert front.told == [TABLE[Phase.MIRROR], TABLE[Phase.CANARY], Grant(SAMPLED, shadow=0.2, canary=0.5)]


async def test_all_is_withdrawn_before_the_primary_changes_and_granted_again_on_the_way_back(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        front = Front()
        sidecar.parts.router.grants.attach(front)
        front.may_answer.clear()
        change = asyncio.ensure_future(sidecar.change(Phase.CUTOVER))
        await front.asked.wait()
        assert front.told == [TABLE[Phase.MIRROR], NOTHING]
        assert (sidecar.parts.migration.epoch, sidecar.parts.router.hold.holding) == (1, False)
        front.may_answer.set()
        await change
        assert all(told == NOTHING for told in front.told[1:])
        await sidecar.change(Phase.SHADOW)
        assert front.told[-1].actions == SAMPLED


async def test_a_front_that_does_not_acknowledge_calls_the_change_off(tmp_path) -> None:
    async with Sidecar(tmp_path) as sidecar:
        front = Front(answers=False)
        sidecar.parts.router.grants.attach(front)
        with pytest.raises(Refused, match="nothing has changed"):
            await sidecar.change(Phase.CUTOVER)
        migration = sidecar.parts.migration
        assert (migration.primary, migration.epoch, sidecar.parts.router.hold.holding) == (Place.SOURCE, 1, False)
        assert front.told[-1] == TABLE[Phase.MIRROR]
        assert (await sidecar.ask(put("c", (1, 1.0)))).status == 200
