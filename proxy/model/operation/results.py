"""What the answer of a write or a read holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from proxy.model.point import Key, Point, PointId


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
