"""What two sides keep exactly as it was written, so how exactly their states can be compared.

Owns: which declarations of the backends say so. Not: comparing (points).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.model.feature import Feature, Support


@dataclass(frozen=True, slots=True)
class Kept:
    """True: both sides do."""

    lengths: bool = True
    """Of cosine vectors; else only their direction counts."""
    doubles: bool = True
    """Of payloads; else a unit in the last place tells nothing."""


EXACTLY: Final = Kept()


def kept_by(*sides: Mapping[Feature, Support]) -> Kept:
    def everywhere(feature: Feature) -> bool:
        return all(side[feature] is not Support.ABSENT for side in sides)

    return Kept(everywhere(Feature.EXACT_VECTOR_LENGTH), everywhere(Feature.EXACT_DOUBLES))
