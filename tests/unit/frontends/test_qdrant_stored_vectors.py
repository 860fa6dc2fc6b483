"""The vectors of many points, taken in one step or one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qdrant_client import models as m

from proxy.frontends.qdrant.decode_schema import created
from proxy.frontends.qdrant.vectors import stored_alike, stored_vectors
from proxy.model.point import Vector
from proxy.model.schema import Schema


def collection(distance: m.Distance = m.Distance.DOT, datatype: m.Datatype | None = None, **sizes: int) -> Schema:
    """A vector `_` is the unnamed one."""
    params = {name: m.VectorParams(size=size, distance=distance, datatype=datatype) for name, size in sizes.items()}
    return created("c", m.CreateCollection(vectors=params.get("_", params)))


def exactly(rows: list[dict[str, Vector]] | None) -> list[dict[str, Any]]:
    return [{name: (vector.dtype, vector.tobytes()) for name, vector in row.items()} for row in rows or ()]


@pytest.mark.parametrize("distance", [m.Distance.COSINE, m.Distance.EUCLID])
@pytest.mark.parametrize("datatype", [None, m.Datatype.FLOAT32, m.Datatype.FLOAT16, m.Datatype.UINT8])
def test_points_that_are_alike_become_in_one_step_what_they_become_one_by_one(distance, datatype):
    schema = collection(distance, datatype, a=131, b=3)
    rows = np.random.default_rng(1).normal(0, 100, (20, 134)).tolist()
    raws = [{"a": row[:131], "b": np.array(row[131:], np.float32)} for row in [*rows, [0.0] * 134]]
    alike = stored_alike(raws, schema)
    assert alike is not None
    assert exactly(alike) == exactly([stored_vectors(raw, schema) for raw in raws])


@pytest.mark.parametrize(
    "raws",
    [
        [[1.0, 2.0], [1.0]],
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
        [[[1.0, 2.0]], [[1.0, 2.0]]],
        [[1.0, 2.0], {}],
        [{}, {}],
        [None],
        [{"unknown": [1.0, 2.0]}],
        [m.SparseVector(indices=[1], values=[1.0])],
    ],
    ids=["lengths", "dimension", "rows of rows", "not all", "none", "nothing", "name", "sparse"],
)
def test_points_that_differ_or_are_not_plain_are_taken_one_by_one(raws):
    assert stored_alike(raws, collection(_=2)) is None


def test_what_is_beyond_float32_is_infinite_for_many_points_too():
    (row,) = stored_alike([[1e300, -1e300]], collection(_=2)) or ()
    assert row[""].tolist() == [np.inf, -np.inf]
