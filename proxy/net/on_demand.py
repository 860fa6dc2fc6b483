"""Upstreams by role where not all are known from the start: the others are made when they are first asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from proxy.net.owned import Owned
from proxy.net.upstream import Upstream

LIMIT: Final = 1000
"""Upstreams made on demand; the one that was not asked for longest goes."""


class OnDemand(Mapping[str, Upstream]):
    """`known` are closed by their maker; `make` raises KeyError for what is no role."""

    def __init__(self, known: Mapping[str, Upstream], make: Callable[[str], Upstream]) -> None:
        self._known = known
        self._make = make
        self._made: OrderedDict[str, Upstream] = OrderedDict()
        self._tasks = Owned()

    def __getitem__(self, role: str) -> Upstream:
        if role in self._known:
            return self._known[role]
        found = self._made.get(role)
        if found is None:
            self._made[role] = found = self._make(role)
            if len(self._made) > LIMIT:
                _, oldest = self._made.popitem(last=False)
                self._tasks.start(oldest.close(), f"close {oldest.name}")
        else:
            self._made.move_to_end(role)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from self._known
        yield from self._made

    def __len__(self) -> int:
        return len(self._known) + len(self._made)

    async def close(self) -> None:
        await self._tasks.close()
        for upstream in self._made.values():
            await upstream.close()
