"""Clients, two databases and a small mirror in virtual time: right by itself, and wrong in one way where a test asks for it.

Owns: a mirror of forty lines that is easy to get wrong on purpose. Not: our mirror, which has worlds of its own. What comes out
is the history that the clients wrote down and what both databases hold.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from proxy.torture.check import Contents, Run, Stage
from proxy.torture.history import Act, Call, Change, History, Key, Outcome, Value

KEYS = tuple(Key("c", "_default", number) for number in range(6))
OLD = tuple(Key("c", "_default", number) for number in range(6, 12))
"""Written before the mirror began; then by nobody but the backfill, and now and then by a client."""


class Wrong(Enum):
    NOTHING = auto()
    DROPS = auto()
    """A write in a hundred never reaches the secondary."""
    REORDERS = auto()
    """Writes what requests said, as it comes, instead of settling."""
    RESURRECTS = auto()
    """A late put of a row that was deleted meanwhile."""
    BACKFILLS_BLINDLY = auto()
    """A page goes over whatever was written since it was read."""
    TWO_EPOCHS = auto()
    """A change of primary does not wait for writes under way, which the old primary then acknowledges."""
    TWICE = auto()
    """A held write goes to the old primary, and once more to the new one, when others have written."""
    FORGETS = auto()
    """The primary acknowledges a write that it does not keep."""
    LAGS = auto()
    """A read that is called strong is not."""
    KEEPS_REFUSED = auto()
    """Mirrors a write that the primary refused."""


@dataclass
class SmallWorld:
    chance: random.Random
    fault: Wrong = Wrong.NOTHING
    primary: dict[Key, int] = field(default_factory=dict)
    secondary: dict[Key, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=lambda: [Stage(1, "source")])
    dirty: set[Key] = field(default_factory=set)
    touched: set[Key] = field(default_factory=set)
    open: Counter[Key] = field(default_factory=Counter)
    """Keys of writes under way, also of those that were given up and may still land."""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    later: list[asyncio.Task[None]] = field(default_factory=list)
    past: dict[Key, Value] = field(default_factory=dict)

    async def run(self) -> Run:
        self.held.set()
        for number, key in enumerate(OLD, 1):
            self.primary[key] = number
            self.calls.append(Call(number, 0, Act.UPSERT, (key,), -2.0, -1.0, Outcome.ACKNOWLEDGED))
        settler = asyncio.ensure_future(self.settle_forever())
        await asyncio.gather(*(self.client(number) for number in range(1, 5)), self.operator())
        await asyncio.gather(*self.later)
        await self.drained()
        await asyncio.sleep(20)
        settler.cancel()
        history = History(tuple(self.calls), tuple(self.changes))
        return Run(history, Contents(dict(self.primary)), Contents(dict(self.secondary)), self.stages)

    async def while_passing(self, least: float = 0.0) -> None:
        await asyncio.sleep(least + self.chance.expovariate(2))

    # ---- clients ----

    async def client(self, client: int) -> None:
        for _ in range(30):
            await self.while_passing()
            await self.call(client)

    async def call(self, client: int) -> None:
        act = self.chance.choices([Act.UPSERT, Act.DELETE, Act.DELETE_WHERE, Act.READ], [5, 2, 1, 3])[0]
        keys = tuple(self.chance.sample((*KEYS, *KEYS, *OLD), self.chance.choice((1, 1, 3))))
        keys = tuple(dict.fromkeys(keys))
        begun = Call(1000 * client + len(self.calls) + 100, client, act, keys, self.now, epochs=(self.epoch, self.epoch))
        self.calls.append(begun)
        ended = await (self.read(begun) if act is Act.READ else self.write(begun))
        self.calls[self.calls.index(begun)] = replace(ended, epochs=(begun.epochs[0], self.epoch))

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def epoch(self) -> int:
        return self.stages[-1].epoch

    async def read(self, call: Call) -> Call:
        await self.while_passing()
        source = self.past if self.fault is Wrong.LAGS else self.primary
        seen = {key: source.get(key) for key in call.keys}
        await self.while_passing()
        return replace(call, end=self.now, outcome=Outcome.ACKNOWLEDGED, seen=seen)

    async def write(self, call: Call) -> Call:
        await self.held.wait()
        self.open.update(call.keys)
        try:
            return await self.forward(call, self.primary)
        finally:
            self.open.subtract(call.keys)

    async def forward(self, call: Call, to: dict[Key, int]) -> Call:
        self.touched.update(call.keys)
        await self.while_passing()
        if self.chance.random() < 0.05:
            if self.fault is Wrong.KEEPS_REFUSED:
                self.execute(call, self.secondary)
            return replace(call, end=self.now, outcome=Outcome.REFUSED)
        if self.chance.random() < 0.1:
            self.later.append(asyncio.ensure_future(self.land_late(call, to)))
            return replace(call, end=self.now, outcome=Outcome.UNKNOWN)
        if not (self.fault is Wrong.FORGETS and self.chance.random() < 0.02):
            self.execute(call, to)
        dropped = self.fault is Wrong.DROPS and self.chance.random() < 0.05
        if not dropped and to is self.primary:  # nobody mirrors what the old primary takes when its epoch is over
            self.mirror(call)
        if self.fault is Wrong.TWICE and not self.held.is_set():
            self.later.append(asyncio.ensure_future(self.again(call)))
        await self.while_passing()
        return replace(call, end=self.now, outcome=Outcome.ACKNOWLEDGED)

    async def land_late(self, call: Call, to: dict[Key, int]) -> None:
        """Its reply was lost, and perhaps the request too. Who changes the primary waits for it."""
        self.open.update(call.keys)
        await self.while_passing(self.chance.choice((0, 5)))
        if self.chance.random() < 0.5:
            self.execute(call, to)
        self.mirror(call)
        self.open.subtract(call.keys)

    async def again(self, call: Call) -> None:
        await self.held.wait()
        await asyncio.sleep(3)
        self.execute(call, self.primary)
        self.mirror(call)

    def execute(self, call: Call, side: dict[Key, int]) -> None:
        for key in call.keys:
            self.past[key] = side.get(key)
            if call.act is Act.UPSERT:
                side[key] = call.number
            else:
                side.pop(key, None)

    # ---- the mirror ----

    def mirror(self, call: Call) -> None:
        if self.fault is Wrong.REORDERS:
            asyncio.get_running_loop().call_later(self.chance.expovariate(1), self.execute, call, self.secondary)
            return
        if self.fault is Wrong.RESURRECTS and call.act is Act.UPSERT and self.chance.random() < 0.2:
            asyncio.get_running_loop().call_later(15, self.resurrect, call)
        self.dirty.update(call.keys)

    def resurrect(self, call: Call) -> None:
        for key in call.keys:
            if key not in self.primary:
                self.secondary[key] = call.number

    async def settle_forever(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            for key in sorted(self.dirty, key=str)[:3]:
                await self.settle(key)

    async def settle(self, key: Key) -> None:
        while True:
            before, primary, secondary = self.primary.get(key), self.primary, self.secondary
            await asyncio.sleep(0.02)
            _put(secondary, key, before)
            await asyncio.sleep(0.02)
            if primary.get(key) == before:
                self.dirty.discard(key)
                return

    async def operator(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, 20))
        await self.backfill()
        await self.change()

    async def backfill(self) -> None:
        for start in range(0, len(OLD), 2):
            page = {key: self.primary.get(key) for key in OLD[start : start + 2]}
            self.touched = set(+self.open)
            await self.while_passing(2)
            for key, value in page.items():
                if self.fault is Wrong.BACKFILLS_BLINDLY or (key not in self.touched and key not in self.dirty):
                    _put(self.secondary, key, value)
                else:
                    self.dirty.add(key)

    async def change(self) -> None:
        begin = self.now
        if self.fault is not Wrong.TWO_EPOCHS:
            self.held.clear()
            await self.drained()
        self.primary, self.secondary = self.secondary, self.primary
        self.stages.append(Stage(2, "target"))
        self.held.set()
        self.changes.append(Change(2, begin, self.now))

    async def drained(self) -> None:
        while +self.open or self.dirty:  # noqa: ASYNC110  time is virtual
            await asyncio.sleep(0.1)


def _put(side: dict[Key, int], key: Key, value: Value) -> None:
    if value is None:
        side.pop(key, None)
    else:
        side[key] = value


def world(seed: int, fault: Wrong = Wrong.NOTHING) -> Callable[[object], Coroutine[Any, Any, Run]]:
    async def work(_: object) -> Run:
        return await SmallWorld(random.Random(seed), fault).run()

    return work
