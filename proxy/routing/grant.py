"""Which calls the workers relay to the source by themselves, in step with the phase. Every other one comes to the router.

Owns: the table, and that nothing is granted while the primary changes. Not: how the workers are told (proxy/workers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from proxy.model.place import Place
from proxy.ports import Kind
from proxy.routing.phase import Row
from proxy.routing.plan import Action


@dataclass(frozen=True, slots=True)
class Grant:
    """`actions`: what is granted, and what it is counted as. `changes`: also calls that change data in ways of their own.

    `shadow` and `canary`: shares of the reads with action SAMPLE that come to the router all the same, as drawn ones.
    """

    actions: Mapping[Kind, Action]
    changes: bool = False
    shadow: float = 0.0
    canary: float = 0.0


NOTHING: Final = Grant({})
_WATCHED: Final = frozenset({Kind.READ, Kind.ADMIN})
"""What is granted beside a target: a write may need the journal a moment later, and what is opaque is told by the gates."""


def grant(row: Row, actions: Mapping[Kind, Action], *, target: bool, shadow: float, canary: float) -> Grant:
    """`target`: one is configured, so the phase may change. To another primary than the source nothing is granted: what goes
    there is translated, or shows other credentials.
    """
    if row.primary is not Place.SOURCE:
        return NOTHING
    if not target:
        return Grant(actions, changes=True)
    granted = {kind: action for kind, action in actions.items() if kind in _WATCHED}
    return Grant(granted, shadow=shadow if row.shadow else 0.0, canary=canary if row.canary else 0.0)


class Front(Protocol):
    """Whoever holds the clients' ports in the router's place."""

    def publish(self, grant: Grant) -> None:
        """In force as soon as it is heard of."""

    async def acknowledged(self) -> None:
        """Returns when the last one published is in force everywhere. Raises Refused where that is not known in time."""


class Grants:
    """Nothing to do without a front: then the router has every call."""

    def __init__(self) -> None:
        self._front: Front | None = None
        self._grant = NOTHING
        self._withdrawn = False

    def attach(self, front: Front) -> None:
        self._front = front
        self._publish()

    def set(self, grant: Grant) -> None:
        self._grant = grant
        self._publish()

    async def withdraw(self) -> None:
        """When it returns, every call that begins comes to the router, until `restore`. Raises Refused."""
        self._withdrawn = True
        self._publish()
        if self._front is not None:
            await self._front.acknowledged()

    def restore(self) -> None:
        self._withdrawn = False
        self._publish()

    def _publish(self) -> None:
        if self._front is not None:
            self._front.publish(NOTHING if self._withdrawn else self._grant)
