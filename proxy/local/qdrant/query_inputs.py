"""What a query is asked with: vectors, and ids that stand for the vectors of stored points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.errors import NOT_FOUND, WRONG_INPUT, Fault
from proxy.local.qdrant.vectors import EngineId, EngineVector, engine_id, engine_vector


@dataclass(slots=True)
class Inputs:
    """Turns what a query is asked with into vectors, and remembers the points among it."""

    collection: Collection
    using: str
    foreign: bool
    asked_with: set[EngineId] = field(default_factory=set)

    def vector(self, found: models.VectorInput) -> EngineVector:
        if not isinstance(found, int | str | UUID):
            return engine_vector(found)
        wanted = engine_id(found)
        if not self.foreign:
            self.asked_with.add(wanted)
        return self._stored(wanted)

    def vectors(self, found: Any) -> list[EngineVector]:
        return [self.vector(one) for one in found or []]

    def pairs(self, found: Any) -> list[edge.ContextPair]:
        return [edge.ContextPair(self.vector(pair.positive), self.vector(pair.negative)) for pair in listed(found)]

    def _stored(self, wanted: EngineId) -> EngineVector:
        found = self.collection.retrieve([wanted], False, True)
        if not found:
            raise Fault(NOT_FOUND, f"No point with id {wanted} found")
        vectors = found[0].vector
        vector = vectors.get(self.using) if isinstance(vectors, dict) else vectors if not self.using else None
        if vector is None:
            raise Fault(WRONG_INPUT, f"Vector with name {self.using!r} not found for point {wanted}")
        return vector


def listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]
