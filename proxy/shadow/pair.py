"""Who is compared with whom, and how thoroughly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from proxy.model.feature import Feature, Support
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
    def exact_length(self) -> bool:
        """Whether both keep cosine vectors as they were written."""
        kept = (side.features[Feature.EXACT_VECTOR_LENGTH] for side in (self.primary, self.secondary))
        return Support.ABSENT not in kept


@dataclass(frozen=True, slots=True)
class Extras:
    """What else is done with a search."""

    noise: bool
    """Repeat it on the primary too, to learn the primary's disagreement with itself."""
    referee: bool
    """If the sides disagree, find out which one is right."""
