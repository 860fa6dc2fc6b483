"""What an index holds: namespaces of records, in memory; and how near a record is to a query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from proxy._pb.vecferry import pinecone_pb2 as pb
from proxy.local.pinecone.errors import INVALID, Fault
from proxy.local.pinecone.filters import matches

Floats = npt.NDArray[np.float32]
DEFAULT: Final = "__default__"


@dataclass(slots=True)
class Record:
    """Metadata as plain values; every number is a float, as in the real server."""

    values: Floats
    sparse: dict[int, float]
    metadata: dict[str, Any]


Namespace = dict[str, Record]


@dataclass(frozen=True, slots=True)
class Traits:
    """Of an index. `dimension` is 0 for a sparse one."""

    dimension: int
    metric: str
    vector_type: str


@dataclass(slots=True)
class Records:
    """Of one index. The default namespace is "" and `__default__`."""

    traits: Traits
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    lsn: int = 0
    """Of the last write."""

    def at(self, name: str) -> Namespace:
        """To be read; an empty one where there is none."""
        return self.namespaces.get(_key(name), {})

    def made(self, name: str) -> Namespace:
        return self.namespaces.setdefault(_key(name), {})

    def drop(self, name: str) -> bool:
        return self.namespaces.pop(_key(name), None) is not None

    def has(self, name: str) -> bool:
        return _key(name) in self.namespaces

    def nearest(
        self, namespace: Namespace, query: Record, top_k: int, tree: Mapping[str, Any]
    ) -> list[tuple[str, float, Record]]:
        score = _SCORES[self.traits.metric]
        found = [(key, score(query, record), record) for key, record in selected(namespace, tree)]
        worse_first = self.traits.metric != "euclidean"
        return sorted(found, key=lambda hit: (-hit[1] if worse_first else hit[1], hit[0]))[:top_k]

    def check(self, values: Floats, sparse: dict[int, float]) -> None:
        """Raises Fault where the vector does not fit the index."""
        traits = self.traits
        if traits.dimension and values.size and values.size != traits.dimension:
            raise Fault(INVALID, f"Vector dimension {values.size} does not match the dimension of the index {traits.dimension}")
        if traits.vector_type == "sparse" and values.size:
            raise Fault(INVALID, "Dense vectors are not supported by a sparse index")
        if values.size and not values.any():
            raise Fault(INVALID, "Dense vectors must contain at least one non-zero value.")
        if not values.size and not sparse:
            raise Fault(INVALID, "Vector must have values")


def selected(namespace: Namespace, tree: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    return ((key, record) for key, record in sorted(namespace.items()) if matches(tree, record.metadata))


def floats(values: Any) -> Floats:
    return np.asarray(values, np.float32)


def sparse_of(found: pb.SparseValues) -> dict[int, float]:
    if len(found.indices) != len(found.values):
        raise Fault(INVALID, "Sparse indices and values must have the same length")
    return dict(zip(found.indices, found.values, strict=True))


def _key(name: str) -> str:
    return "" if name == DEFAULT else name


def _dot(query: Record, record: Record) -> float:
    dense = float(query.values @ record.values) if query.values.size and record.values.size else 0.0
    return dense + sum(value * record.sparse.get(at, 0.0) for at, value in query.sparse.items())


def _cosine(query: Record, record: Record) -> float:
    if not query.values.size or not record.values.size:
        return 0.0
    return float(query.values @ record.values / (np.linalg.norm(query.values) * np.linalg.norm(record.values)))


def _euclidean(query: Record, record: Record) -> float:
    """Squared, as the real one."""
    return float(((query.values - record.values) ** 2).sum()) if query.values.size == record.values.size else 0.0


_SCORES: Final[Mapping[str, Callable[[Record, Record], float]]] = {
    "cosine": _cosine,
    "dotproduct": _dot,
    "euclidean": _euclidean,
}
