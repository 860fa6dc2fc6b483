"""The two places with what reaches them, and who is primary now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.errors import Broken
from proxy.model.place import Place
from proxy.model.schema import Product
from proxy.ports import Backend, Upstream


@dataclass(frozen=True, slots=True)
class Side:
    """`upstreams` by role of the listening port: only of use where the side speaks the client's product. `timeout`: seconds
    for a request of ours to it."""

    place: Place
    product: Product
    backend: Backend
    upstreams: Mapping[str, Upstream]
    timeout: float


@dataclass(frozen=True, slots=True)
class Sides:
    """`target` is None only in phase passthrough."""

    source: Side
    target: Side | None

    @property
    def same_product(self) -> bool:
        """Whatever the client may ask, the target can be asked in the same words."""
        return self.target is not None and self.target.product is self.source.product

    def at(self, place: Place) -> Side:
        side = self.source if place is Place.SOURCE else self.target
        if side is None:
            raise Broken("a phase that needs a target was entered without one")
        return side
