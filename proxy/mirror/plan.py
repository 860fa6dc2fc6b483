"""What is to be done for an ended write: written directly, settled, or owed. Decided as data, without I/O.

Owns: the rules of overlap, of the window of a write by filter, of unknown outcomes. Not: doing it (applier), schema changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from proxy.mirror.dirty import DirtyKeys
from proxy.mirror.entry import Entry, Reader, Scope
from proxy.mirror.window import Window
from proxy.model.operation import (
    AddVector,
    Batch,
    CreateIndex,
    CreatePartition,
    DataWrite,
    DropCollection,
    DropIndex,
    DropPartition,
    Edit,
    EditWhere,
    Opaque,
    Patch,
    Put,
    PutIf,
    Remove,
    RemoveWhere,
    Selection,
    SetLoaded,
    UpdateSettings,
    named_keys,
    selections,
)
from proxy.model.point import Key, Point
from proxy.ports import Kind, Outcome


@dataclass(slots=True)
class Plan:
    """`state`: what a key becomes on the secondary, None: removed. `marks`: keys to settle. `owed`: collections to verify
    ("" for all of them). Each with the reason; a key is never in both `state` and `marks`.
    """

    state: dict[Key, Point | None] = field(default_factory=dict)
    marks: dict[Key, str] = field(default_factory=dict)
    owed: dict[str, str] = field(default_factory=dict)

    def mark(self, keys: Iterable[Key], why: str) -> None:
        for key in keys:
            self.marks[key] = why
            self.state.pop(key, None)


class Planner:
    def __init__(self, reader: Reader, window: Window, dirty: DirtyKeys, expand_limit: int) -> None:
        self._reader = reader
        self._window = window
        self._dirty = dirty
        self._expand_limit = expand_limit

    def add(self, plan: Plan, entry: Entry, write: DataWrite) -> None:
        """In the order of outcomes."""
        rivals = self._window.rivals(entry)
        changes = [rival for rival in rivals or () if rival.route.kind is Kind.SCHEMA]
        if any(_drops(change, write.collection) for change in changes):
            return
        self._beside_schema_changes(plan, write, changes)
        match write:
            case Put() | Remove():
                self._states(plan, entry, write, rivals)
            case Patch() | PutIf() | Edit():
                plan.mark(named_keys(write), "a partial update")
            case Batch() if not selections(write):
                plan.mark(named_keys(write), "several writes in one request")
            case RemoveWhere() | EditWhere() | Batch():
                self._expand(plan, entry, write, rivals)
            case Opaque(collection, why):
                plan.owed[collection] = why
            case _:
                assert_never(write)

    def _beside_schema_changes(self, plan: Plan, write: DataWrite, changes: list[Entry]) -> None:
        for change in changes:
            scope = self._reader.scope(change)
            if scope.collection in (None, write.collection) and _diverts(change, write):
                plan.owed[write.collection] = f"a write came while {change.route.name} was under way"

    def _states(self, plan: Plan, entry: Entry, write: Put | Remove, rivals: list[Entry] | None) -> None:
        states = _states_of(write)
        if states is None or entry.outcome is not Outcome.ACCEPTED or rivals is None:
            plan.mark(self._reader.scope(entry).keys or (), _why_not_direct(entry, rivals))
            return
        scope = self._reader.scope(entry)
        shared = self._window.shared(scope, rivals)
        plan.mark(shared, "another write was under way together with this one")
        unsettled = self._dirty.unsettled(scope.keys or frozenset()) | plan.marks.keys() & states.keys()
        plan.mark(unsettled - shared, "written while it was dirty")
        plan.state.update({key: states[key] for key in states.keys() - plan.marks.keys()} if plan.marks else states)

    def _expand(self, plan: Plan, entry: Entry, write: Selection | Batch, rivals: list[Entry] | None) -> None:
        entry.by_filter = True
        entry.only_removes = isinstance(write, RemoveWhere)
        named = named_keys(write)
        listed = None if entry.intent is None else entry.intent.keys
        # One that may still land is looked at again when its linger is over.
        added = frozenset() if entry.horizon is None else self._added(write.collection, rivals)
        if listed is None or added is None:
            plan.owed[write.collection] = "the keys that a write by filter touched cannot be told"
            plan.mark(named.union(listed or ()), "a write by filter")  # those at least
            return
        keys = added.union(listed, named)
        if len(keys) > self._expand_limit:
            plan.owed[write.collection] = f"a write by filter may have touched more than {self._expand_limit} keys"
            return
        plan.mark(keys, "a write by filter")
        if entry.horizon is not None:
            entry.scope = Scope(write.collection, keys)

    def _added(self, collection: str, rivals: list[Entry] | None) -> frozenset[Key] | None:
        """What may have come under the filter after its keys were listed; a removal by filter adds nothing. Writes that
        ended after it settle all their keys, because it was beside them."""
        if rivals is None:
            return None
        added: set[Key] = set()
        for rival in rivals:
            scope = self._reader.scope(rival)
            if scope.collection not in (None, collection) or rival.only_removes:
                continue
            if scope.keys is None:
                return None
            added |= scope.keys
        return frozenset(added)


def _states_of(write: Put | Remove) -> Mapping[Key, Point | None] | None:
    """None: the request does not hold the resulting states, or names a key twice."""
    if isinstance(write, Remove):
        return dict.fromkeys(write.keys)
    if not write.complete:
        return None
    states: dict[Key, Point | None] = {point.key: point for point in write.points}
    return states if len(states) == len(write.points) else None


def _why_not_direct(entry: Entry, rivals: list[Entry] | None) -> str:
    if entry.outcome is not Outcome.ACCEPTED:
        return "the primary's answer to a write is not known"
    if rivals is None:
        return "what was under way together with this write is not known any more"
    return "the request does not hold the resulting state"


def _drops(rival: Entry, collection: str) -> bool:
    """The write was accepted, so it came before the drop."""
    return isinstance(rival.write, DropCollection) and rival.write.collection == collection and rival.finished


def _diverts(rival: Entry, write: DataWrite) -> bool:
    """Whether the write may have meant other points, depending on which of the two was first."""
    match rival.write:
        case CreateIndex() | DropIndex() | SetLoaded() | DropPartition() | UpdateSettings() | AddVector():
            return False
        case CreatePartition():
            return isinstance(write, Remove)
        case _:
            return True
