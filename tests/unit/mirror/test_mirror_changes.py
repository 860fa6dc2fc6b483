"""What is believed of a change of collections that nobody answered for."""

from __future__ import annotations

import pytest

from proxy.mirror.changes import lane_of
from proxy.mirror.happened import Seen, happened, happened_of
from proxy.model.operation import (
    AddVector,
    ChangeAliases,
    CreateIndex,
    CreatePartition,
    DropAlias,
    DropIndex,
    DropPartition,
    DropVector,
    SchemaWrite,
    SetAlias,
    SetLoaded,
    UpdateSettings,
)
from proxy.model.schema import Field, FieldType, Metric, Schema, VectorField, VectorKind

NAMES = frozenset({"a", "b"}), frozenset({("x", "a")})
THERE, ABSENT = (VectorField(name, VectorKind.DENSE, 2, Metric.DOT) for name in ("v", "w"))
FIELDS = {name: Field(name, FieldType.INT64, index=index) for name, index in {"f": "INVERTED", "g": None}.items()}
SEEN = Seen(*NAMES, Schema("a", {"v": THERE}, FIELDS, partitions=("p",), native={"loaded": False}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (AddVector("a", THERE, {}), True),
        (AddVector("a", ABSENT, {}), False),
        (DropVector("a", "v", {}), False),
        (DropVector("a", "w", {}), True),
        (ChangeAliases((SetAlias("x", "a"), DropAlias("y"))), True),
        (ChangeAliases((SetAlias("x", "a"), SetAlias("y", "a"))), False),
        (UpdateSettings("a", {}, {}), True),
        (CreateIndex("a", "f", "f", {}), True),
        (DropIndex("a", "f", "f"), False),
        (CreateIndex("a", "g", "g", {}), False),
        (CreateIndex("a", "v", "v", {}), False),
        (DropIndex("a", "v", "v"), True),
        (CreateIndex("a", "dynamic", "d", {}), True),
        (CreatePartition("a", "p"), True),
        (DropPartition("a", "p"), False),
        (SetLoaded("a", loaded=True), False),
        (SetLoaded("a", loaded=False), True),
    ],
)
def test_what_the_primary_shows_tells_whether_a_change_took_effect(change: SchemaWrite, expected: bool) -> None:
    assert happened(change, SEEN, ("a",)) is expected


def test_what_nothing_tells_of_counts_as_done() -> None:
    untold = Seen(*NAMES)
    assert happened(DropIndex("a", "f", "f"), untold, ("a",))
    assert happened(SetLoaded("a", loaded=True), untold, ("a",))
    assert not happened(DropPartition("a", "p"), untold, ("a",))


def test_of_several_aliases_those_count_that_are_seen() -> None:
    done, not_done = SetAlias("x", "a"), SetAlias("y", "b")
    assert happened_of(ChangeAliases((DropAlias("z"), done, not_done)), SEEN, ()) == ChangeAliases((DropAlias("z"), done))
    assert happened_of(ChangeAliases((not_done,)), SEEN, ()) is None
    assert happened_of(DropVector("a", "v", {}), SEEN, ()) is None


def test_a_change_of_aliases_waits_for_all_collections() -> None:
    assert lane_of(ChangeAliases((SetAlias("x", "a"),))) is None
    assert lane_of(AddVector("a", THERE, {})) == "a"
