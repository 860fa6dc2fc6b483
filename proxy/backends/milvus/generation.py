"""What servers of one version can, where that differs. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Generation:
    """`vectors`: fields of vectors a collection may have; `configured`: as many as the server has where nobody told it more."""

    version: str
    vectors: int
    configured: int
    sparse: bool
    min_dim: int


FIRST_WITH_MANY: Final = (2, 4)
"""From here on a collection may have several vectors, and sparse ones."""


def generation_of(version: str) -> Generation:
    """Of a version that cannot be read: the newest."""
    found = numbers(version)
    if found and found < FIRST_WITH_MANY:
        return Generation(version, vectors=1, configured=1, sparse=False, min_dim=1)
    return Generation(version, vectors=10, configured=4, sparse=True, min_dim=2)


def numbers(version: str) -> tuple[int, ...]:
    """(2, 3) of `v2.3.5`; () where there are none."""
    found = re.search(r"(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()


UNKNOWN: Final = generation_of("")
