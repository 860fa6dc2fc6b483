"""Points, their keys and their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PointId: TypeAlias = int | UUID | str
"""Texts stay texts: `1` is not `"1"`. A frontend whose product knows UUIDs makes them `UUID`."""


class Key(NamedTuple):
    """The identity of a point. `partition` is None in the product's default partition, or where it has none.

    A tuple, since there is one for each point of each write, and it is looked up in sets and tables all the way: made, hashed
    and compared in C.
    """

    collection: str
    partition: str | None
    id: PointId


def keys_of_ids(collection: str, partition: str | None, ids: Iterable[PointId]) -> list[Key]:
    """Without the call of Python that a named tuple's own constructor is."""
    new = tuple.__new__
    return [new(Key, (collection, partition, id)) for id in ids]


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """Degrees."""

    lon: float
    lat: float


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """`indices` (n,) uint32, strictly ascending; `values` (n,) float32."""

    indices: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]


Vector: TypeAlias = "npt.NDArray[Any] | Sparse"
"""Dense: shape (dim,); multi: shape (rows, dim); binary: uint8, 8 dimensions a byte, with `DType.BINARY` in the schema."""

Value: TypeAlias = "bool | int | float | str | bytes | datetime | UUID | GeoPoint | list[Value] | dict[str, Value] | None"
"""JSON and what JSON lacks. None (null), a missing key and `[]` are three different things."""

Payload: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """The whole state of one key. Compare with `proxy.compare.points`, not with `==`."""

    key: Key
    vectors: Mapping[str, Vector]
    payload: Payload = field(default_factory=dict)
