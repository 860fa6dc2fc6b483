"""What a read means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from proxy.model.filter import EVERYTHING, Filter, Path
from proxy.model.point import Key, PointId, Vector


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One query vector each in `vectors`; all share the rest.

    `threshold` and `far` bound the canonical metric value: hits at least as near as `threshold`, and, where `far` is given,
    not nearer than it. `hints` are the product's own search parameters (ef, nprobe ...).
    `fields` None: the whole payload; `vector_names` (): no vectors.
    """

    collection: str
    using: str
    vectors: tuple[Vector, ...]
    k: int
    offset: int = 0
    filter: Filter = EVERYTHING
    partitions: tuple[str | None, ...] | None = None
    threshold: float | None = None
    far: float | None = None
    fields: tuple[str, ...] | None = ()
    vector_names: tuple[str, ...] = ()
    hints: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """By key; what does not exist is left out. Keeps no order: index the result by key."""

    collection: str
    keys: tuple[Key, ...]
    fields: tuple[str, ...] | None = None
    vector_names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """A page in the backend's own stable order of ids, each matching point once.

    `after`: continue behind the point with this key (need not exist any more). `offset` skips that many more.
    `vector_names` None: all, (): none; `fields` likewise.
    """

    collection: str
    limit: int
    after: Key | None = None
    offset: int = 0
    filter: Filter = EVERYTHING
    partitions: tuple[str | None, ...] | None = None
    fields: tuple[str, ...] | None = None
    vector_names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Count:
    collection: str
    filter: Filter = EVERYTHING
    partitions: tuple[str | None, ...] | None = None


BackendRead: TypeAlias = Search | Fetch | Scan | Count
"""What a backend answers itself. The reads below are made of these, in `proxy.reads`, for every backend alike."""


@dataclass(frozen=True, slots=True)
class PageFrom:
    """The points of `scan` from `start` on (its point need not exist any more), and the key of the next page's first one."""

    scan: Scan
    start: Key | None = None

    @property
    def collection(self) -> str:
        return self.scan.collection


Example: TypeAlias = "Vector | Key"
"""A key stands for the vector that its point has."""


@dataclass(frozen=True, slots=True, eq=False)
class Like:
    """`search`, whose `vectors` are to be made of examples: their mean, moved away from the mean of `negative` where there is
    one: 2 * mean(positive) - mean(negative). `vector_name`: of the vectors that keys stand for."""

    search: Search
    positive: tuple[Example, ...]
    negative: tuple[Example, ...] = ()
    vector_name: str = ""

    @property
    def collection(self) -> str:
        return self.search.collection


@dataclass(frozen=True, slots=True)
class Lookup:
    """The points of another collection whose ids are the groups' values, read as that product reads an id (None: as none)."""

    collection: str
    id_of: Callable[[str | int], PointId | None]
    fields: tuple[str, ...] | None
    vector_names: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """The best `size` hits of each of the best `groups`, by the texts and integers at `by`; those in an array each make one.

    Found by looking at ever more hits, up to a bound: behind it groups may be missing or short, as in the products.
    """

    search: Search | Like
    by: Path
    groups: int
    size: int
    lookup: Lookup | None = None

    @property
    def collection(self) -> str:
        return self.search.collection


@dataclass(frozen=True, slots=True)
class ReciprocalRank:
    """The sum over the parts of 1 / (k - 1 + rank / weight), ranks from 1. `weights`: one a part, or () for 1 each."""

    k: float
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class DistributionBased:
    """The sum of the parts' values, each on the scale on which three deviations below their mean are 0 and above it are 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Hybrid:
    """Hits of several searches, as one list: `value` is what the fusion makes of them, larger is nearer."""

    collection: str
    parts: tuple[Search | Like, ...]
    fusion: ReciprocalRank | DistributionBased
    k: int
    offset: int = 0
    threshold: float | None = None
    fields: tuple[str, ...] | None = ()
    vector_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """Each has its own answer, in this order."""

    collection: str
    reads: tuple[Search | Like | Hybrid | Scan, ...]


Read: TypeAlias = BackendRead | PageFrom | Like | Grouped | Hybrid | Several


class Consistency(StrEnum):
    """LATEST sees every acknowledged write; CLIENT is what the product gives when nothing is asked."""

    LATEST = "latest"
    CLIENT = "client"
