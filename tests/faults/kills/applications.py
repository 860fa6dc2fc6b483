"""Applications that write without pause, and what each key may be by what they were told.

Each has keys of its own, so that it knows their states, and all write one hot key. A write without an answer may have been
applied, may still be, or may never be.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from fakes.plain_frontend import put, remove, request

from proxy.ports import Reply, Request

SHARED: Final = "shared"
"""The collection of all applications."""
MAYFLY: Final = "mayfly"
"""One that an application makes and drops again."""
APPLICATIONS: Final = 3
"""As many as PlainFrontend has groups: what an application writes is in its group, so its deletes by filter meet only that."""
KEYS: Final = 6
HOT: Final = 1000

State: TypeAlias = float | None
Ask: TypeAlias = Callable[[Request], Awaitable[Reply | None]]
"""None: no answer."""


@dataclass
class History:
    """What each key of SHARED may be on the primary."""

    possible: defaultdict[int, set[State]] = field(default_factory=lambda: defaultdict(lambda: {None}))
    lingering: defaultdict[int, set[State]] = field(default_factory=lambda: defaultdict(set))
    """States of writes without an answer that may still land."""
    acknowledged: int = 0

    def told(self, states: Mapping[int, State]) -> None:
        self.acknowledged += 1
        for key, state in states.items():
            self.possible[key] = {state, *self.lingering[key]}

    def untold(self, states: Mapping[int, State]) -> None:
        for key, state in states.items():
            self.possible[key].add(state)
            self.lingering[key].add(state)

    def landed(self) -> None:
        """Nothing can land any more."""
        self.lingering.clear()

    def wrong(self, found: Mapping[int, float]) -> dict[int, tuple[State, set[State]]]:
        return {key: (found.get(key), states) for key, states in self.possible.items() if found.get(key) not in states}


class Application:
    def __init__(self, group: int, ask: Ask, history: History, seed: int) -> None:
        self._group = group
        self._ask = ask
        self._history = history
        self._chance = random.Random(seed)
        self._keys = [group * 100 + number for number in range(KEYS)]
        self._written = 0
        self.wrong: list[str] = []

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._chance.choices((self._put, self._patch, self._remove, self._filter, self._get, self._mayfly), WEIGHTS)[
                0
            ]()
            await asyncio.sleep(self._chance.choice((0, 0.001)))

    def _value(self) -> float:
        """Unlike any other, and of its group."""
        self._written += 1
        return float(self._written * APPLICATIONS + self._group)

    async def _put(self, path: str = "put") -> None:
        states: dict[int, State] = {key: self._value() for key in self._chance.sample(self._keys, self._chance.randint(1, 3))}
        pairs = [(key, state) for key, state in states.items() if state is not None]
        if self._chance.random() < 0.2:
            pairs.append((HOT, self._value()))
        await self._write(put(SHARED, *pairs, path=path), states)

    async def _patch(self) -> None:
        await self._put("patch")

    async def _remove(self) -> None:
        keys = self._chance.sample(self._keys, 2)
        await self._write(remove(SHARED, *keys), dict.fromkeys(keys))

    async def _filter(self) -> None:
        await self._write(request("remove_where", SHARED, group=self._group), dict.fromkeys(self._keys))

    async def _get(self) -> None:
        """What it reads is what it was told."""
        allowed = {key: set(self._history.possible[key]) for key in self._keys}
        reply = await self._ask(request("get", SHARED, ids=self._keys))
        if reply is not None and reply.status == 200:
            found = {int(key): value for key, value in json.loads(reply.body).items()}
            for key in self._keys:
                if found.get(key) not in allowed[key]:
                    self.wrong.append(f"{key}: {found.get(key)} not in {allowed[key]}")

    async def _mayfly(self) -> None:
        for body in (request("create", MAYFLY), put(MAYFLY, (1, 1.0)), request("drop", MAYFLY)) if not self._group else ():
            await self._ask(body)

    async def _write(self, body: Request, states: Mapping[int, State]) -> None:
        reply = await self._ask(body)
        if reply is not None and reply.status == 200:
            self._history.told(states)
        else:
            self._history.untold(states)


WEIGHTS: Final = (8, 3, 2, 1, 2, 1)


def values(points: Mapping[Any, Any]) -> dict[int, float]:
    return {int(key.id): point.payload["v"] for key, point in points.items()}
