"""What the clients write: every row follows from its id and the number of the call that wrote it, so half a row shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from proxy.torture.history import Id

DIM: Final = 8
BUCKETS: Final = 6
DEFAULT: Final = "_default"
_CLOSE: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Shape:
    """A collection of the run. `ids`: how many its clients use; of `made` ones the server makes them."""

    name: str
    metric: str
    ids: int = 0
    texts: bool = False
    made: bool = False
    partitions: tuple[str, ...] = (DEFAULT,)

    def id(self, number: int) -> Id:
        return f"row/{number:04}" if self.texts else number


def bucket_of(id: Id) -> int:
    return int(str(id)[-4:]) % BUCKETS


def row(shape: Shape, id: Id | None, number: int) -> dict[str, Any]:
    """`note` and `tags` are in no schema. `id` None: the server makes it."""
    bucket = number % BUCKETS if id is None else bucket_of(id)
    fields = {"v": _vector(bucket, number), "bucket": bucket, "version": number, "name": f"{bucket}-{number}"}
    dynamic = {"note": f"dynamic {number}", "tags": {"even": number % 2 == 0, "of": [bucket, number]}}
    return {**({} if id is None else {"id": id}), **fields, **dynamic}


def _vector(bucket: int, number: int) -> list[float]:
    return [float(value) for value in np.random.default_rng([bucket, number]).normal(0, 1, DIM).astype(np.float32)]


def fault(shape: Shape, found: Mapping[str, Any]) -> str:
    """How a row that was read differs from the one that its number says; "" where it does not."""
    expected = row(shape, None if shape.made else found["id"], found["version"])
    names = sorted((expected.keys() | found.keys()) - {"id"})
    unlike = [name for name in names if not _same(expected.get(name), found.get(name), shape.metric)]
    return ", ".join(f"{name} is {found.get(name)!r} and not {expected.get(name)!r}" for name in unlike)


def _same(expected: Any, found: Any, metric: str) -> bool:
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected) > 2:
        return _same_vector(expected, found, metric)
    return bool(expected == found)


def _same_vector(expected: Sequence[float], found: Sequence[float], metric: str) -> bool:
    """Of a cosine collection only the direction counts: some products keep no more."""
    scale = math.hypot(*expected) / (math.hypot(*found) or 1.0) if metric == "COSINE" else 1.0
    return all(abs(one - scale * other) < _CLOSE * (1 + abs(one)) for one, other in zip(expected, found, strict=True))
