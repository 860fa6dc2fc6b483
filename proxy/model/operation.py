"""What a request means, and what its answer holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from proxy.model.edit import Change
from proxy.model.filter import EVERYTHING, Filter, Path
from proxy.model.point import Key, Point, PointId, Vector
from proxy.model.schema import Schema, VectorField

# ---- writes ----


@dataclass(frozen=True, slots=True, eq=False)
class Put:
    """Each point becomes exactly this (full state). `insert`: the client said that the key is new.

    `complete` is False where the request does not hold the whole resulting state (vectors made by the server ...): then only
    the keys count, and the mirror settles.
    """

    collection: str
    points: tuple[Point, ...]
    insert: bool = False
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Remove:
    collection: str
    keys: frozenset[Key]


@dataclass(frozen=True, slots=True)
class RemoveWhere:
    """`partitions` None: in all of them."""

    collection: str
    filter: Filter
    partitions: tuple[str | None, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A partial update: each point's given vectors and payload fields replace those that it had, the rest stays.

    Only points that match `only` are changed. An absent key becomes a point of these parts alone; with `must_exist` that is an
    error instead, after the others were changed.
    """

    collection: str
    points: tuple[Point, ...]
    only: Filter = EVERYTHING
    must_exist: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PutIf:
    """`Put` of those points whose key is absent, where `absent`, and of those whose present state matches `present`."""

    collection: str
    points: tuple[Point, ...]
    absent: bool
    present: Filter


@dataclass(frozen=True, slots=True)
class Edit:
    """The same change to each of these points. An absent key is an error, after the others were changed."""

    collection: str
    keys: tuple[Key, ...]
    change: Change


@dataclass(frozen=True, slots=True)
class EditWhere:
    """The same change to each point that the filter selects."""

    collection: str
    filter: Filter
    change: Change
    partitions: tuple[str | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Opaque:
    """A write whose keys cannot be known from the request and reply we have: the whole collection becomes unverified."""

    collection: str
    why: str


SingleWrite: TypeAlias = Put | Remove | RemoveWhere | Patch | PutIf | Edit | EditWhere


@dataclass(frozen=True, slots=True)
class Batch:
    """One after the other, up to the first that fails; all of one collection."""

    collection: str
    writes: tuple[SingleWrite, ...]


Selection: TypeAlias = RemoveWhere | EditWhere
DataWrite: TypeAlias = SingleWrite | Opaque | Batch


# ---- schema writes: barriers in their collection ----


@dataclass(frozen=True, slots=True)
class CreateCollection:
    schema: Schema


@dataclass(frozen=True, slots=True)
class DropCollection:
    collection: str


@dataclass(frozen=True, slots=True)
class RenameCollection:
    collection: str
    to: str


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """On a vector (then `metric` may be in `params`) or on a payload field. `params` are the product's own."""

    collection: str
    field: str
    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DropIndex:
    collection: str
    field: str
    name: str


@dataclass(frozen=True, slots=True)
class CreatePartition:
    collection: str
    partition: str


@dataclass(frozen=True, slots=True)
class DropPartition:
    """The points in it are gone with it."""

    collection: str
    partition: str


@dataclass(frozen=True, slots=True)
class SetAlias:
    """Creates or moves it."""

    alias: str
    collection: str


@dataclass(frozen=True, slots=True)
class DropAlias:
    alias: str


@dataclass(frozen=True, slots=True)
class ChangeAliases:
    """One after the other, and nobody sees the state between."""

    changes: tuple[SetAlias | DropAlias, ...]


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """No point is different afterwards. `native`: what the schema's becomes; `patch`: the product's own request."""

    collection: str
    native: Mapping[str, Any]
    patch: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AddVector:
    """No point has it yet. `native`: what the schema's becomes."""

    collection: str
    field: VectorField
    native: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DropVector:
    """The points lose theirs of this name. `native`: what the schema's becomes."""

    collection: str
    name: str
    native: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SetLoaded:
    """Milvus's load and release: kept in the catalog, nothing to do on products that are always loaded."""

    collection: str
    loaded: bool


SchemaWrite: TypeAlias = (
    CreateCollection
    | DropCollection
    | RenameCollection
    | CreateIndex
    | DropIndex
    | CreatePartition
    | DropPartition
    | SetAlias
    | DropAlias
    | ChangeAliases
    | UpdateSettings
    | AddVector
    | DropVector
    | SetLoaded
)

Write: TypeAlias = DataWrite | SchemaWrite


# ---- reads ----


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


# ---- results ----


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """`value` is the canonical metric value. `point` holds what the search asked for."""

    key: Key
    value: float
    point: Point


Hits: TypeAlias = tuple[tuple[Hit, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """`end` is True when nothing is behind it. To go on: `replace(scan, after=page.points[-1].key)`.

    `next`: only of a PageFrom.
    """

    points: tuple[Point, ...]
    end: bool
    next: Key | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    value: str | int
    hits: tuple[Hit, ...]
    lookup: Point | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The best first, by their best hits."""

    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    each: tuple[Hits | Page, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Of a write: the ids in the request's order (with those that the server made), and how many it touched."""

    ids: tuple[PointId, ...] = ()
    count: int = 0


Result: TypeAlias = Done | Hits | Page | Mapping[Key, Point] | int | Groups | Answers


def keys_of(write: Write) -> frozenset[Key] | None:
    """The keys that a write touches as far as the request tells; None where only the primary can say."""
    if not isinstance(write, DataWrite) or isinstance(write, Opaque) or selections(write):
        return None
    return named_keys(write)


def named_keys(write: SingleWrite | Batch) -> frozenset[Key]:
    """The keys that a write names; what its filters select comes on top."""
    match write:
        case Put(points=points) | Patch(points=points) | PutIf(points=points):
            return frozenset(point.key for point in points)
        case Remove(keys=keys):
            return keys
        case Edit(keys=named):
            return frozenset(named)
        case RemoveWhere() | EditWhere():
            return frozenset()
        case Batch(writes=writes):
            return frozenset().union(*map(named_keys, writes))


def selections(write: Write) -> tuple[Selection, ...]:
    """The writes in it that select their points by a filter."""
    match write:
        case RemoveWhere() | EditWhere():
            return (write,)
        case Batch(writes=writes):
            return tuple(each for each in writes if isinstance(each, RemoveWhere | EditWhere))
        case _:
            return ()


def collection_of(operation: Write | Read) -> str:
    """The collection named in the request, which may be an alias; "" where only aliases are."""
    match operation:
        case CreateCollection(schema=schema):
            return schema.collection
        case DropAlias() | ChangeAliases():
            return ""
        case _:
            return operation.collection


def last_wins(points: Sequence[Point]) -> tuple[Point, ...]:
    """One point a key, the last of each, in the order of first appearance."""
    return tuple({point.key: point for point in points}.values())
