"""Trying again: what is retried, and after how long."""

import pytest

from proxy.clock import SystemClock
from proxy.errors import Refused, Throttled, Unavailable
from proxy.patience import LONGEST_PAUSE, Patience


class Sleepless(SystemClock):
    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def failing(*errors: Exception):
    left = list(errors)

    async def call(answer: int) -> int:
        if left:
            raise left.pop(0)
        return answer

    return call


async def test_what_is_unavailable_is_tried_until_it_answers():
    clock, troubles = Sleepless(), []
    call = failing(*[Unavailable("down")] * 10)
    assert await Patience(clock, troubles.append)(call, 7) == 7
    assert troubles == ["down"] * 10
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == LONGEST_PAUSE


async def test_a_side_that_asks_for_patience_gets_it():
    clock = Sleepless()
    await Patience(clock, lambda why: None)(failing(Throttled("busy", 40.0)), 1)
    assert clock.slept == [40.0]


async def test_what_is_refused_is_not_tried_again():
    clock = Sleepless()
    with pytest.raises(Refused, match="no"):
        await Patience(clock, lambda why: None)(failing(Refused("no")), 1)
    assert clock.slept == []
