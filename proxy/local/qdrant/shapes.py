"""Which vectors a collection takes, and the check of a point's vectors against it, before anything is written.

The engine checks too, but point by point while it applies, so that a wrong one would leave others of its request written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.errors import WRONG_INPUT, Fault
from proxy.local.qdrant.vectors import EngineVector, engine_vector
from proxy.qdrant.settings import dense_by_name


@dataclass(frozen=True, slots=True)
class Shapes:
    """Dimensions by name; the unnamed vector has the name ""."""

    dense: Mapping[str, int]
    multi: Mapping[str, int]
    sparse: frozenset[str]

    def vectors(self, raw: Any) -> Any:
        """A point's vectors for the engine: one unnamed, or a dict by name. Raises Fault when one does not belong."""
        if isinstance(raw, Mapping):
            return {name: self._vector(name, vector) for name, vector in raw.items()}
        return self._vector("", raw)

    def _vector(self, name: str, raw: Any) -> EngineVector:
        vector = engine_vector(raw)
        if name in self.sparse:
            _need(isinstance(vector, edge.SparseVector), "Wrong usage of sparse vectors")
            return vector
        _need(not isinstance(vector, edge.SparseVector), "Wrong usage of sparse vectors")
        rows = vector if vector and isinstance(vector[0], list) else [vector]
        _need(name in self.multi or rows[0] is vector, "Wrong usage of multi vectors")
        self._check_dimension(name, len(rows[0]))
        return vector

    def _check_dimension(self, name: str, found: int) -> None:
        expected = self.dense.get(name) or self.multi.get(name)
        _need(expected is not None, f"Not existing vector name error: {name}")
        _need(expected == found, f"Vector dimension error: expected dim: {expected}, got {found}")


def shapes_of(settings: models.CreateCollection) -> Shapes:
    params = dense_by_name(settings)
    return Shapes(
        {name: vector.size for name, vector in params.items() if vector.multivector_config is None},
        {name: vector.size for name, vector in params.items() if vector.multivector_config is not None},
        frozenset(settings.sparse_vectors or {}),
    )


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Fault(WRONG_INPUT, otherwise)
