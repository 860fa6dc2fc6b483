"""The filter: a closed union. Close every `match` over it with `assert_never`.

Meaning (executable in `evaluate.py`): a field that is missing, and a field that is null, match no positive
condition; `Not` is plain negation, so it matches them. A condition on an array holds if any element satisfies it,
except where a node says otherwise. Types do not mix: 1 equals 1.0, never "1" and never true. What JSON lacks may be
there in the form that it has in JSON: beside a bound that is a time, a text that says one (`times.py`) is that time, and
an object with the numbers `lon` and `lat` is a geo point.
Compilers add what their product needs to get exactly this meaning, or refuse by feature name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from proxy.model.point import GeoPoint, PointId

Path: TypeAlias = tuple[str | int, ...]
"""`("a", "b", 0)`: field a, its key b, the element 0. The first step is a field's name, but in the part of an `AnyElement`."""

Scalar: TypeAlias = bool | int | float | str | datetime | UUID


class Op(StrEnum):
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True)
class AllOf:
    """Empty: everything matches."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Empty: nothing matches."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


@dataclass(frozen=True, slots=True)
class MinShould:
    parts: tuple[Filter, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Equals:
    path: Path
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """Equal to any of `values`."""

    path: Path
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """One bound; an interval is AllOf of two (on an array each may be met by another element)."""

    path: Path
    op: Op
    value: int | float | str | datetime


@dataclass(frozen=True, slots=True)
class Bound:
    op: Op
    value: int | float | str | datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """Some one value satisfies all of `bounds`, of which there is at least one."""

    path: Path
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """Some value there, or element of an array, is neither null nor equal to any of `values`."""

    path: Path
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class ContainsAny:
    """The field is an array that has at least one of `values`."""

    path: Path
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class ContainsAll:
    """The field is an array that has each of `values`."""

    path: Path
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class ContainsNull:
    """The field is an array with a null in it."""

    path: Path


@dataclass(frozen=True, slots=True)
class ArrayLength:
    """The field is an array and its length compares so; `low` and `high` inclusive, None for open."""

    path: Path
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Exists:
    """The key is there, whatever its value, null included."""

    path: Path


@dataclass(frozen=True, slots=True)
class IsNull:
    """The key is there and its value is null."""

    path: Path


@dataclass(frozen=True, slots=True)
class IsEmpty:
    """Missing, null or []."""

    path: Path


@dataclass(frozen=True, slots=True)
class Like:
    """SQL's LIKE on the whole text: % any run, _ one character, backslash escapes. Case-sensitive."""

    path: Path
    pattern: str


@dataclass(frozen=True, slots=True)
class TextMatch:
    """All the words of `text` occur; words are runs of letters and digits, in any case. Without a word nothing matches.

    `phrase`: one behind the other, in this order.
    """

    path: Path
    text: str
    phrase: bool = False


@dataclass(frozen=True, slots=True)
class GeoRadius:
    """Within `meters` of `center`, on the sphere."""

    path: Path
    center: GeoPoint
    meters: float


@dataclass(frozen=True, slots=True)
class GeoBox:
    """Inside, not on the edge. Where `west` is greater than `east` the box crosses the 180th meridian."""

    path: Path
    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True, slots=True)
class GeoPolygon:
    """Inside `exterior` and outside of each of `interiors`, edges left out. Rings close themselves; degrees are a plane."""

    path: Path
    exterior: tuple[GeoPoint, ...]
    interiors: tuple[tuple[GeoPoint, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class HasVector:
    """The point has a vector of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class HasId:
    ids: frozenset[PointId]


@dataclass(frozen=True, slots=True)
class IdRange:
    """The id itself compares so: numbers by value, texts by bytes."""

    op: Op
    value: PointId


@dataclass(frozen=True, slots=True)
class IdLike:
    """`Like` on the id of a collection whose ids are texts."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Nested:
    """Some element of the array of objects at `path` satisfies all of `part` (whose paths start at the element)."""

    path: Path
    part: Filter


@dataclass(frozen=True, slots=True)
class AnyElement:
    """Some element of the array at `path`, object or not, satisfies all of `part`, in which the path `()` is that element."""

    path: Path
    part: Filter


Filter: TypeAlias = (
    AllOf
    | AnyOf
    | Not
    | MinShould
    | Equals
    | OneOf
    | Range
    | Interval
    | NoneOf
    | ContainsAny
    | ContainsAll
    | ContainsNull
    | ArrayLength
    | Exists
    | IsNull
    | IsEmpty
    | Like
    | TextMatch
    | GeoRadius
    | GeoBox
    | GeoPolygon
    | HasVector
    | HasId
    | IdRange
    | IdLike
    | Nested
    | AnyElement
)

EVERYTHING = AllOf(())


def bounds_of(test: Range | Interval) -> tuple[Bound, ...]:
    return test.bounds if isinstance(test, Interval) else (Bound(test.op, test.value),)
