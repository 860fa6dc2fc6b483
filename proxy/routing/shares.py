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
_WHICH: Final = Sampler(seed=3)
_PICKS: Final = 1000
"""Tries to find a number that is in one sample and not in the other, which takes long only where that is rare."""


class Draw:
    """A worker's look at its reads: those that may be sampled or answered by the secondary are drawn, once, here."""

    def __init__(self, first: int) -> None:
        """`first`: apart from the other workers', so that they do not draw in step."""
        self._number = first

    def takes(self, shadow: float, canary: float) -> bool:
        self._number += 1
        return _SHADOW.take(self._number, shadow) or _CANARY.take(self._number, canary)


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

    def drawn(self) -> int:
        """Of a read that a worker drew by `most`: a number that is in one sample or the other, or in both, each as often as
        among the numbers of all reads.
        """
        number, (shadow, canary) = self.number(), self.most
        either = shadow + canary - shadow * canary
        if not either:  # they were lowered on the way
            return number
        if _WHICH.take(number, shadow / either):
            return _SHADOW.pick(number, shadow)
        picked = (_CANARY.pick(number + n * 2**40, canary) for n in range(_PICKS))
        return next((n for n in picked if not self.may_shadow(n)), number)

    @property
    def most(self) -> tuple[float, float]:
        """The largest shares of any collection: of the shadow, of the canary."""
        return self._most_shadow, self._most_canary

    def may_shadow(self, number: int) -> bool:
        return _SHADOW.take(number, self._most_shadow)

    def shadows(self, number: int, collection: str) -> bool:
        return _SHADOW.take(number, self._shadows.get(collection, self._shadow))

    def may_canary(self, number: int) -> bool:
        return _CANARY.take(number, self._most_canary)

    def canaries(self, number: int, collection: str) -> bool:
        return _CANARY.take(number, self._canaries.get(collection, self._canary))
