"""How far a task has walked over the collections: one value, saved whole, so that a kill repeats work and never skips it.

Owns: the order (collection by collection, stretch by stretch, by key). Not: what is done at each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from proxy.errors import Broken, NotFound
from proxy.model.point import Key
from proxy.model.schema import Schema
from proxy.ports import Backend
from proxy.store.checkpoints import Checkpoints
from proxy.store.keys import dump_key, load_key


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a collection that is scanned in one go. `partitions` as in `Scan`."""

    on_primary: bool = True
    partitions: tuple[str | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """`asked`: the collections that the operator named. `collection` is "" between two; `stretches` are what is left of it,
    the first being walked behind the key `after`.

    `points`: of this collection's primary walked so far; `done` and `total`: of the whole walk. `claims`: keys whose writes
    may be on their way to the secondary. `debts_since`: number of the last debt when this collection was begun.
    """

    epoch: int
    asked: tuple[str, ...]
    remaining: tuple[str, ...]
    total: int = 0
    collection: str = ""
    stretches: tuple[Stretch, ...] = ()
    after: str | None = None
    points: int = 0
    done: int = 0
    claims: tuple[str, ...] = ()
    debts_since: int = 0

    @property
    def cursor(self) -> Key | None:
        return None if self.after is None else load_key(self.collection, self.after)

    @property
    def ahead(self) -> tuple[str, ...]:
        """The collections that are not done with."""
        return (self.collection, *self.remaining) if self.collection else self.remaining

    def continues(self, asked: tuple[str, ...], epoch: int) -> bool:
        """Whether a task asked for this goes on with this walk; between two primaries nothing is gone on with."""
        return (self.asked, self.epoch) == (asked, epoch)

    def begin(self, stretches: Sequence[Stretch], debts_since: int = 0) -> Walk:
        """The first of the remaining collections."""
        first, *rest = self.remaining
        begun = replace(self, collection=first, remaining=tuple(rest), stretches=tuple(stretches))
        return replace(begun, after=None, points=0, debts_since=debts_since)

    def advance(self, to: Key, points: int) -> Walk:
        compared = points if self.stretches[0].on_primary else 0
        return replace(self, after=dump_key(to), points=self.points + compared, done=self.done + points)

    def unclaimed(self) -> Walk:
        return replace(self, claims=())

    def turn(self) -> Walk:
        """The stretch is at its end; after the last one the collection is too."""
        rest = self.stretches[1:]
        return replace(self, stretches=rest, after=None)

    def leave(self) -> Walk:
        """The collection is done with."""
        return replace(self, collection="", stretches=(), after=None, points=0)


_WALK: Final = TypeAdapter(Walk)


def stretches_of(schema: Schema) -> tuple[Stretch, ...]:
    """Partition by partition where there are some, because one id may stand in two of them and a scan goes on behind an id."""
    if not schema.partitions:
        return (Stretch(),)
    return tuple(Stretch(partitions=(name,)) for name in (None, *schema.partitions))


async def exists(primary: Backend, walk: Walk) -> bool:
    """Whether the stretch being walked still does. The catalog may not know of a drop yet, so the primary is asked."""
    try:
        schema = await primary.describe(walk.collection)
    except NotFound:
        return False
    return set(walk.stretches[0].partitions or ()) <= {None, *schema.partitions}


async def load(checkpoints: Checkpoints, task: str) -> Walk | None:
    """Where the task stopped; None where it was never begun or came to its end. Raises Broken."""
    document = await checkpoints.load(task)
    return None if document is None else _parse(task, document)


async def save(checkpoints: Checkpoints, task: str, walk: Walk) -> None:
    await checkpoints.save(task, _WALK.dump_python(walk, mode="json"))


def _parse(task: str, document: Mapping[str, Any]) -> Walk:
    try:
        return _WALK.validate_python(document)
    except ValidationError as error:
        raise Broken(f"the checkpoint of {task} is of another shape: {error.errors()[0]['msg']}") from error
