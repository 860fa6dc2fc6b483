"""What a payload selector shows, held against Qdrant's own engine."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import qdrant_edge as edge
from qdrant_client import models
from unit.frontends import qdrant_filters

from proxy.errors import Refused
from proxy.frontends.qdrant.selectors import fields_of, shown_payload, shows_whole_fields
from proxy.local.qdrant.collection import Collection

KEYS = ["a", "b", "c", "a.b", "a[].b", "a[0]", "a[1]", "b[]", "a.a.b", "a[].b[].a", "a[0].b", "b[].a.b", "a[]", "a[][]"]
POINTS = 200


def test_a_selector_shows_what_the_engine_shows(tmp_path: Path) -> None:
    chance = Random(3)
    payloads = [qdrant_filters.payload(chance) for _ in range(POINTS)]
    (tmp_path / "c").mkdir()
    wanted = models.CreateCollection(vectors={"v": models.VectorParams(size=1, distance=models.Distance.DOT)})
    collection = Collection.create("c", tmp_path / "c", wanted)
    collection.update(edge.UpdateOperation.upsert_points([edge.Point(n, {}, each) for n, each in enumerate(payloads)]))
    for _ in range(1500):
        keys, number = chance.sample(KEYS, chance.choice([1, 1, 2])), chance.randrange(POINTS)
        for theirs, ours in (
            (edge.PayloadSelector.Include(keys), models.PayloadSelectorInclude(include=keys)),
            (edge.PayloadSelector.Exclude(keys), models.PayloadSelectorExclude(exclude=keys)),
        ):
            (record,) = collection.retrieve([number], theirs, False)
            assert shown_payload(payloads[number], ours, default=True) == record.payload, (keys, payloads[number])


def test_only_the_fields_that_are_shown_are_read() -> None:
    assert fields_of(["a.b", "a[].c", "d"], default=False) == ("a", "d")
    assert fields_of(None, default=True) is None
    assert fields_of(None, default=False) == ()
    assert fields_of(models.PayloadSelectorExclude(exclude=["a"]), default=False) is None


def test_parts_of_fields_are_told_from_whole_ones() -> None:
    assert shows_whole_fields(["a", "b"], default=False)
    assert shows_whole_fields(True, default=False)
    assert not shows_whole_fields(["a", "b.c"], default=False)
    assert not shows_whole_fields(models.PayloadSelectorExclude(exclude=["a"]), default=True)


def test_a_selector_of_no_path_is_refused() -> None:
    with pytest.raises(Refused, match="invalid JSON path"):
        fields_of(["a..b"], default=True)
