"""Who is compared with whom, and how thoroughly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from proxy.compare.kept import Kept, kept_by
from proxy.ports import Backend
from proxy.shadow.judge import Touched


class WriteWindow(Protocol):
    """The part of the mirror that is needed here."""

    @property
    def position(self) -> int:
        """Number of the last write given out."""

    def touched(self, collection: str, since: int) -> Touched:
        """Keys of writes behind position `since`, in flight or dirty."""


@dataclass(frozen=True, slots=True)
class Pair:
    primary: Backend
    secondary: Backend
    epoch: int

    @property
    def same_product(self) -> bool:
        """What our model lacks, the secondary can do all the same."""
        return self.primary.product is self.secondary.product

    @property
    def kept(self) -> Kept:
        return kept_by(self.primary.features, self.secondary.features)


@dataclass(frozen=True, slots=True)
class Extras:
    """What else is done with a search."""

    noise: bool
    """Repeat it on the primary too, to learn the primary's disagreement with itself."""
    referee: bool
    """If the sides disagree, find out which one is right."""
