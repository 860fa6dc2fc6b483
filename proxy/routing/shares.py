"""Which reads are sampled, and which are answered by the secondary.

A read is chosen by the hash of its number, so the reads of a smaller share are among those of a larger one: the largest share
of any collection is asked on the path, where the collection is not known yet, and the collection's own share later.
"""

from __future__ import annotations

from typing import Final

from proxy.config import RoutingConfig
from proxy.shadow.sample import Sampler

_SHADOW: Final = Sampler(seed=0)
_CANARY: Final = Sampler(seed=1)


class Shares:
    def __init__(self, routing: RoutingConfig) -> None:
        self._number = 0
        self.configure(routing)

    def configure(self, routing: RoutingConfig) -> None:
        own = routing.collections.items()
        self._shadow, self._shadows = routing.shadow, {name: c.shadow for name, c in own if c.shadow is not None}
        self._canary, self._canaries = routing.canary, {name: c.canary for name, c in own if c.canary is not None}
        self._most_shadow = max(self._shadow, *self._shadows.values(), 0.0)
        self._most_canary = max(self._canary, *self._canaries.values(), 0.0)

    def number(self) -> int:
        """Of the next read."""
        self._number += 1
        return self._number

    def may_shadow(self, number: int) -> bool:
        return _SHADOW.take(number, self._most_shadow)

    def shadows(self, number: int, collection: str) -> bool:
        return _SHADOW.take(number, self._shadows.get(collection, self._shadow))

    def may_canary(self, number: int) -> bool:
        return _CANARY.take(number, self._most_canary)

    def canaries(self, number: int, collection: str) -> bool:
        return _CANARY.take(number, self._canaries.get(collection, self._canary))
