"""What a partial update makes of a payload, held against Qdrant's own engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import models as m

from proxy.errors import Refused
from proxy.frontends.qdrant.decode_schema import created
from proxy.frontends.qdrant.paths import place
from proxy.frontends.qdrant.vectors import stored_vectors
from proxy.model.edit import DropFields, DropVectors, MergePayload, ReplacePayload, edited
from proxy.model.point import Key, Point

NAMES = "abc"
KEY = Key("c", None, 1)
ROUNDS = 600


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[edge.EdgeShard]:
    opened = edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors={"v": edge.EdgeVectorParams(1, edge.Distance.Dot)}))
    yield opened
    opened.close()


def _value(chance: Random, depth: int = 0) -> Any:
    roll = chance.random()
    if depth < 3 and roll < 0.3:
        return {name: _value(chance, depth + 1) for name in NAMES if chance.random() < 0.6}
    if depth < 3 and roll < 0.55:
        return [_value(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    return chance.choice([None, 1, "x", True, 2.5])


def _path(chance: Random) -> str:
    steps = [chance.choice(NAMES)]
    while chance.random() < 0.6:
        steps.append(chance.choice([".a", ".b", ".c", "[0]", "[1]", "[]"]))
    return "".join(steps)


def _edit(chance: Random) -> tuple[Any, Any]:
    """The model's, and the engine's."""
    fields = {name: _value(chance, 1) for name in "abd" if chance.random() < 0.6}
    roll = chance.random()
    if roll < 0.1:
        return ReplacePayload(fields), edge.UpdateOperation.overwrite_payload([1], fields)
    if roll < 0.2:
        return MergePayload(fields), edge.UpdateOperation.set_payload([1], fields)
    if roll < 0.6:
        path = _path(chance)
        return MergePayload(fields, place(path)), edge.UpdateOperation.set_payload([1], fields, path)
    paths = [_path(chance) for _ in range(chance.randint(1, 2))]
    return DropFields(tuple(map(place, paths))), edge.UpdateOperation.delete_payload([1], paths)


def test_edits_of_payloads_do_what_qdrants_own_engine_does(shard: edge.EdgeShard) -> None:
    chance = Random(7)
    for number in range(ROUNDS):
        before = {name: _value(chance) for name in NAMES if chance.random() < 0.8}
        shard.update(edge.UpdateOperation.upsert_points([edge.Point(1, {"v": [1.0]}, before)]))
        change, operation = _edit(chance)
        shard.update(operation)
        expected = shard.retrieve([1], True, False)[0].payload or {}
        assert edited(Point(KEY, {}, before), change).payload == expected, (number, before, change)


def test_an_edit_leaves_the_point_that_it_was_given_alone() -> None:
    point = Point(KEY, {"v": np.zeros(1, np.float32)}, {"a": {"b": [1, {"c": 2}]}})
    for change in (MergePayload({"x": 1}, place("a.b[].c")), DropFields((place("a.b"),)), DropVectors(("v",))):
        edited(point, change)
    assert point.payload == {"a": {"b": [1, {"c": 2}]}}
    assert point.vectors.keys() == {"v"}


@pytest.mark.parametrize("key", ["", "a..b", "a[", "a[x]", ".a", 'a"b'])
def test_what_is_no_path_is_refused(key: str) -> None:
    with pytest.raises(Refused, match="invalid JSON path"):
        place(key)


# ---- vectors ----


DATATYPES = {
    m.Datatype.FLOAT32: edge.VectorStorageDatatype.Float32,
    m.Datatype.FLOAT16: edge.VectorStorageDatatype.Float16,
    m.Datatype.UINT8: edge.VectorStorageDatatype.Uint8,
}
DISTANCES = {
    m.Distance.COSINE: edge.Distance.Cosine,
    m.Distance.DOT: edge.Distance.Dot,
    m.Distance.EUCLID: edge.Distance.Euclid,
    m.Distance.MANHATTAN: edge.Distance.Manhattan,
}
DIM = 24


def _vectors(chance: np.random.Generator) -> list[list[float]]:
    plain = chance.normal(0, 1, (20, DIM)) * 10.0 ** chance.integers(-6, 6, (20, 1))
    unit = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    odd = np.zeros((6, DIM))
    odd[1, 0], odd[2, 0], odd[3, :2] = 3e-4, 3.5e-4, (300.7, -4.2)
    odd[4, 0], odd[5, :3] = 1 + 4e-7, (0.5, 255.5, 256)
    rows: list[list[float]] = np.concatenate([plain, unit, odd, np.abs(plain) % 255]).astype(np.float32).tolist()
    return rows


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_vectors_are_what_qdrants_own_engine_stores(tmp_path: Path, distance: m.Distance, datatype: m.Datatype) -> None:
    params = edge.EdgeVectorParams(DIM, DISTANCES[distance], datatype=DATATYPES[datatype])
    shard = edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors={"v": params}))
    schema = created("c", m.CreateCollection(vectors={"v": m.VectorParams(size=DIM, distance=distance, datatype=datatype)}))
    rows = _vectors(np.random.default_rng(3))
    shard.update(edge.UpdateOperation.upsert_points([edge.Point(n, {"v": row}, {}) for n, row in enumerate(rows)]))
    for n, found in enumerate(shard.retrieve(list(range(len(rows))), False, True)):
        ours = stored_vectors({"v": rows[n]}, schema)["v"]
        assert isinstance(ours, np.ndarray)
        # The engine adds up squares in float32: a unit in the last place, and where float16 rounds, of float16.
        unit = 2**-10 if datatype is m.Datatype.FLOAT16 and distance is m.Distance.COSINE else 3e-7
        np.testing.assert_allclose(ours, found.vector["v"], rtol=unit, atol=6e-8, err_msg=f"{n}: {rows[n]}")
    shard.close()
