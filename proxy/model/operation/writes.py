"""What a write means, and which keys it touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from proxy.model.edit import Change
from proxy.model.filter import EVERYTHING, Filter
from proxy.model.point import Key, Point
from proxy.model.schema import Schema, VectorField


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


def last_wins(points: Sequence[Point]) -> tuple[Point, ...]:
    """One point a key, the last of each, in the order of first appearance."""
    return tuple({point.key: point for point in points}.values())
