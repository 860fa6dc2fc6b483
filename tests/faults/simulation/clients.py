"""Applications: what they write, and what they know of each write afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import astuple, dataclass

from fakes.plain_frontend import put, remove, request
from faults.simulation.story import Mix

from proxy.ports import Reply, Request

NAME = "c"
MAYFLY = "m"
"""A collection that comes and goes."""
FIRST_VALUE = 1001.0


@dataclass(slots=True, eq=False)
class Attempt:
    """One write of a client. `keys` None: by filter. `value` None: it removes. `ended` None: nobody knows whether it was done.

    `refused`: the client was told that it was not done.
    """

    keys: tuple[int, ...] | None
    value: float | None
    began: float
    asked: Request
    ended: float | None = None
    refused: bool = False

    def close(self, reply: Reply | None, now: float) -> None:
        if reply is None:
            return
        if reply.status == 200:
            self.ended = now
        elif reply.status == 400:
            self.refused = True


class Pen:
    """Makes writes with values that are used once, to the keys below `hot`."""

    def __init__(self, chance: random.Random, hot: int, mix: Mix) -> None:
        self._chance = chance
        self._hot = range(hot)
        self._mix = astuple(mix)
        self._value = FIRST_VALUE

    def next(self, now: float) -> Attempt:
        kinds = (self._put, self._put_two, self._patch, self._remove, self._auto, self._remove_where)
        make: Callable[[float], Attempt] = self._chance.choices(kinds, weights=self._mix)[0]
        self._value += 1
        return make(now)

    def _some(self, number: int) -> tuple[int, ...]:
        return tuple(self._chance.sample(self._hot, min(number, len(self._hot))))

    def _put(self, now: float) -> Attempt:
        [key] = keys = self._some(1)
        return Attempt(keys, self._value, now, put(NAME, (key, self._value)))

    def _put_two(self, now: float) -> Attempt:
        keys = self._some(2)
        return Attempt(keys, self._value, now, put(NAME, *((key, self._value) for key in keys)))

    def _patch(self, now: float) -> Attempt:
        [key] = keys = self._some(1)
        return Attempt(keys, self._value, now, put(NAME, (key, self._value), path="patch"))

    def _remove(self, now: float) -> Attempt:
        keys = self._some(1)
        return Attempt(keys, None, now, remove(NAME, *keys))

    def _auto(self, now: float) -> Attempt:
        return Attempt((), self._value, now, put(NAME, (0, self._value), path="put_auto"))

    def _remove_where(self, now: float) -> Attempt:
        return Attempt(None, None, now, request("remove_where", NAME, group=self._chance.randrange(3)))


def mayfly(value: float) -> tuple[Request, ...]:
    """One life of it, up to its drop."""
    return request("create", MAYFLY), put(MAYFLY, (1, value)), request("drop", MAYFLY)


async def pause(chance: random.Random, seconds: float) -> None:
    await asyncio.sleep(chance.expovariate(1 / seconds))
