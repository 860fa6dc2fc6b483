"""Which reads are sampled, and what a sample holds. Called on the client's path: cheap, never fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.ports import Reply, Request, Route

_MASK: Final = 2**64 - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB
_PICKED: Final = 0x5851F42D4C957F2D
"""Keeps what is picked for a number apart from the number's own hash."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One read as the client saw it. `seconds`: what the primary took; `since`: the mirror's position before it was sent."""

    route: Route
    request: Request
    reply: Reply
    seconds: float
    since: int

    @property
    def size(self) -> int:
        """Bytes of both bodies."""
        return len(self.request.body) + len(self.reply.body)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Chooses by a hash of a sequence number: the same numbers are chosen again in every run with the same seed."""

    seed: int

    def take(self, n: int, share: float) -> bool:
        """Whether the n-th is in the sample, when `share` of all are."""
        return _splitmix64(n + self.seed * _GAMMA) < share * 2**64

    def pick(self, n: int, share: float) -> int:
        """A number that is in the sample, when `share` of all are; each of them with the same chance."""
        return (_unmixed(int(_splitmix64(n ^ _PICKED) * share)) - self.seed * _GAMMA) & _MASK


def _splitmix64(number: int) -> int:
    """Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014), its output function."""
    z = (number + _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * _FIRST) & _MASK
    z = ((z ^ (z >> 27)) * _SECOND) & _MASK
    return z ^ (z >> 31)


def _unmixed(value: int) -> int:
    """The number whose hash this is."""
    z = (value ^ (value >> 31) ^ (value >> 62)) * pow(_SECOND, -1, 2**64) & _MASK
    z = (z ^ (z >> 27) ^ (z >> 54)) * pow(_FIRST, -1, 2**64) & _MASK
    return (z ^ (z >> 30) ^ (z >> 60)) - _GAMMA
