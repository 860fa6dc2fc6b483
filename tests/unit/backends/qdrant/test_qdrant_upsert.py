from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import grpc
from qdrant_schemas import dense, point, schema

from proxy.backends.qdrant import upsert
from proxy.backends.qdrant.ids import mapped_id, point_id
from proxy.backends.qdrant.payload import compile_payload, fill
from proxy.backends.qdrant.vectors import compile_vectors, fill_vector
from proxy.errors import Refused
from proxy.model.point import Key, Point, Sparse
from proxy.model.schema import Metric, Schema, VectorField, VectorKind

SPARSE = VectorField("s", VectorKind.SPARSE, None, Metric.DOT)
MULTI = VectorField("m", VectorKind.MULTI, 2, Metric.DOT)


def sent(wanted: Schema, *points: Any) -> grpc.UpsertPoints:
    """As the server reads it."""
    return grpc.UpsertPoints.FromString(b"".join([upsert.beginning(wanted), *upsert.pieces(points, wanted)]))


def test_an_upsert_waits_and_goes_through_the_leader() -> None:
    found = sent(schema())

    assert (found.collection_name, found.wait, found.ordering.type) == ("c", True, grpc.WriteOrderingType.Strong)
    assert len(found.points) == 0


@pytest.mark.parametrize("dim", [1, 31, 32, 4096, 70_000])
def test_points_are_read_back_as_they_are_whatever_the_length_of_their_vectors(dim: int) -> None:
    wanted = schema(dense(Metric.DOT, dim=dim))
    vectors = np.random.default_rng(dim).random((3, dim), dtype=np.float32)
    found = sent(wanted, *(point(n, {"n": n}, v=row) for n, row in enumerate(vectors)))

    assert [each.id.num for each in found.points] == [0, 1, 2]
    assert [each.payload["n"].integer_value for each in found.points] == [0, 1, 2]
    for each, row in zip(found.points, vectors, strict=True):
        np.testing.assert_array_equal(np.array(each.vectors.vectors.vectors["v"].dense.data, np.float32), row)


def test_vectors_of_all_kinds_lie_beside_each_other_under_their_names() -> None:
    long = "ü" * 100
    wanted = schema(dense(Metric.DOT), dense(Metric.DOT, name=long), SPARSE, MULTI)
    sparse = Sparse(np.array([3, 9], np.uint32), np.array([0.5, 1], np.float32))
    multi = np.array([[1, 2], [3, 4]], np.float32)
    [found] = sent(wanted, point(1, v=np.array([1, 2]), s=sparse, m=multi, **{long: np.array([3, 4])})).points

    named = found.vectors.vectors.vectors
    assert set(named) == {"v", long, "s", "m"}
    assert (list(named["v"].dense.data), list(named[long].dense.data)) == ([1, 2], [3, 4])
    assert (list(named["s"].sparse.indices), list(named["s"].sparse.values)) == ([3, 9], [0.5, 1])
    assert [list(row.data) for row in named["m"].multi_dense.vectors] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("field", [dense(Metric.DOT, name=""), VectorField("", VectorKind.SPARSE, None, None)])
def test_the_unnamed_vector_has_no_name(field: VectorField) -> None:
    sparse = Sparse(np.array([1], np.uint32), np.array([2], np.float32))
    vector: Any = sparse if field.kind is VectorKind.SPARSE else np.array([3, 4])
    [found] = sent(schema(field), point(1, **{"": vector})).points

    assert found.vectors.WhichOneof("vectors_options") == "vector"
    assert found.vectors.vector.WhichOneof("vector") == field.kind.value


def test_points_with_and_without_vectors_keep_their_own() -> None:
    first, second, third = sent(schema(), point(1, v=np.array([1, 2])), point(2), point(UUID(int=7), v=np.array([3, 4]))).points

    assert not second.HasField("vectors")
    assert [first.id.num, second.id.num, third.id.uuid] == [1, 2, str(UUID(int=7))]
    assert third.vectors.vectors.vectors.keys() == {"v"}


def test_the_unnamed_vector_beside_a_named_one_has_the_empty_name() -> None:
    sparse = Sparse(np.array([1], np.uint32), np.array([2], np.float32))
    wanted = schema(dense(Metric.DOT, name=""), SPARSE)
    [found] = sent(wanted, point(1, **{"": np.array([3, 4])}, s=sparse)).points

    assert list(found.vectors.vectors.vectors[""].dense.data) == [3, 4]
    assert list(found.vectors.vectors.vectors["s"].sparse.indices) == [1]


IDS = st.integers(-(2**63), 2**63 - 1) | st.uuids() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=200)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
FLOATS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2)
VECTORS = st.dictionaries(st.sampled_from(["", "v", "w"]), FLOATS.map(lambda row: np.array(row, np.float32)), max_size=3)
POINTS = st.lists(st.tuples(IDS, st.dictionaries(st.text(), VALUES, max_size=4), VECTORS), max_size=4)


@settings(max_examples=200, deadline=None)
@given(POINTS, st.sampled_from([Metric.DOT, Metric.COSINE]))
def test_points_are_the_messages_that_the_sdk_would_make_of_their_parts(
    points: list[tuple[Any, dict[str, Any], dict[str, Any]]], metric: Metric
) -> None:
    wanted = schema(*(dense(metric, name=name) for name in ("", "v", "w")))
    made = [Point(Key("c", None, id), vectors, payload) for id, payload, vectors in points]
    try:
        expected = by_sdk(wanted, made)
    except (Refused, UnicodeEncodeError):
        with pytest.raises(Refused):
            sent(wanted, *made)
    else:
        assert sent(wanted, *made) == expected


def by_sdk(wanted: Schema, points: list[Point]) -> grpc.UpsertPoints:
    """Column by column, each value set in a message."""
    request = grpc.UpsertPoints.FromString(upsert.beginning(wanted))
    columns = compile_vectors(points, wanted)
    for n, each in enumerate(points):
        struct = request.points.add(id=point_id(mapped_id(each.key, wanted)))
        lengths = {column.name: column.lengths[n] for column in columns if column.lengths and column.lengths[n] is not None}
        for name, value in compile_payload(each.key, each.payload, lengths, wanted).items():
            fill(struct.payload[name], value)
        alone = each.vectors.keys() == {""}
        for column in columns:
            if (packed := column.packed[n]) is not None:
                fill_vector(struct.vectors.vector if alone else struct.vectors.vectors.vectors[column.name], packed)
    return request


def test_a_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(Refused, match="no Unicode"):
        upsert.pieces([point(1, {"text": "\ud800"})], schema())
