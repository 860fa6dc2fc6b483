from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qdrant_client import grpc
from qdrant_schemas import dense, point, schema

from proxy.backends.qdrant.vectors import compile_query, compile_vectors, fill_vector, parse_vectors
from proxy.errors import Refused
from proxy.model.point import Sparse
from proxy.model.schema import DType, IdKind, Metric, Schema, VectorField, VectorKind

ROWS = np.array([[3, 4], [0, 0], [0.6, 0.8], [1e-30, 1e-30], [1e30, 0]], np.float32)


def stored(compiled: dict[str, Any]) -> grpc.VectorsOutput:
    """As a server that stores what it was given would say it."""
    found = grpc.VectorsOutput()
    for name, packed in compiled.items():
        fill_vector(found.vectors.vectors[name], packed)
    return found


def compiled_one(vector: Any, wanted: Schema) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a point with this vector: it by its name, and the lengths that are kept by theirs."""
    columns = compile_vectors([point(1, v=vector)], wanted)
    lengths = {column.name: column.lengths[0] for column in columns if column.lengths is not None}
    return {column.name: column.packed[0] for column in columns}, {k: v for k, v in lengths.items() if v is not None}


def round_trip(vector: Any, wanted: Schema) -> Any:
    compiled, lengths = compiled_one(vector, wanted)
    return parse_vectors(stored(compiled), lengths, wanted)["v"]


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.DOT, Metric.EUCLIDEAN, Metric.MANHATTAN, None])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_vectors_come_back_at_their_length(row: Any, metric: Metric | None) -> None:
    found = round_trip(row, schema(dense(metric)))

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, row, rtol=1e-6)


def test_cosine_vectors_are_sent_at_length_one_and_the_length_is_told() -> None:
    compiled, lengths = compiled_one(ROWS[0], schema())

    np.testing.assert_allclose(list(stored(compiled).vectors.vectors["v"].dense.data), [0.6, 0.8], rtol=1e-7)
    assert lengths == {"v": 5.0}


@pytest.mark.parametrize("row", ROWS[1:3], ids=["zero", "normalised"])
def test_what_the_engine_stores_untouched_needs_no_length(row: Any) -> None:
    _, lengths = compiled_one(row, schema())

    assert lengths == {}


def test_a_length_also_mends_what_the_engine_normalised_by_itself() -> None:
    """A collection whose index was dropped: the metric is no longer known, but Qdrant still has it."""
    unknown = schema(dense(None))
    _, lengths = compiled_one(ROWS[0], unknown)
    normalised = grpc.VectorsOutput()
    normalised.vectors.vectors["v"].dense.data.extend([0.6, 0.8])

    np.testing.assert_allclose(parse_vectors(normalised, lengths, unknown)["v"], ROWS[0], rtol=1e-6)


def test_a_collection_of_the_products_own_kind_keeps_no_lengths() -> None:
    _, lengths = compiled_one(ROWS[0], schema(id_kind=IdKind.UINT64_OR_UUID))

    assert lengths == {}


@pytest.mark.parametrize(
    ("dtype", "row"),
    [
        (DType.FLOAT16, np.array([1.5, -2.25], np.float16)),
        (DType.BFLOAT16, np.array([0x3FC0, 0xC010], np.uint16)),
        (DType.INT8, np.array([-128, 127], np.int8)),
        (DType.UINT8, np.array([0, 255], np.uint8)),
    ],
)
@pytest.mark.parametrize("metric", [Metric.DOT, Metric.COSINE])
def test_narrow_types_come_back_exactly(dtype: DType, row: Any, metric: Metric) -> None:
    found = round_trip(row, schema(dense(metric, dtype)))

    assert found.dtype == row.dtype
    np.testing.assert_array_equal(found, row)


def test_multivectors_keep_the_length_of_each_row() -> None:
    field = VectorField("v", VectorKind.MULTI, 2, Metric.COSINE)

    np.testing.assert_allclose(round_trip(ROWS[:3], schema(field)), ROWS[:3], rtol=1e-6)


def test_the_forms_of_older_servers_are_read() -> None:
    found = grpc.VectorsOutput()
    found.vectors.vectors["d"].data.extend([1, 2])
    found.vectors.vectors["m"].MergeFrom(grpc.VectorOutput(data=[1, 2, 3, 4], vectors_count=2))
    found.vectors.vectors["s"].MergeFrom(grpc.VectorOutput(data=[0.5], indices=grpc.SparseIndices(data=[7])))

    vectors = parse_vectors(found, {}, schema())

    np.testing.assert_array_equal(vectors["d"], [1, 2])
    np.testing.assert_array_equal(vectors["m"], [[1, 2], [3, 4]])
    sparse = vectors["s"]
    assert isinstance(sparse, Sparse)
    assert (sparse.indices.tolist(), sparse.values.tolist()) == ([7], [0.5])


def test_the_unnamed_vector_has_the_empty_name() -> None:
    found = grpc.VectorsOutput(vector=grpc.VectorOutput(dense=grpc.DenseVector(data=[1, 2])))

    assert parse_vectors(found, {}, schema(dense(name=""))).keys() == {""}


@pytest.mark.parametrize("bad", [np.array([np.nan, 1], np.float32), np.array([np.inf, 1], np.float32), np.ones(3, np.float32)])
def test_what_cannot_be_stored_is_refused(bad: Any) -> None:
    with pytest.raises(Refused, match="'v'"):
        compile_vectors([point(1, v=bad)], schema())


def test_a_kind_for_another_is_refused() -> None:
    sparse = Sparse(np.array([1], np.uint32), np.array([1], np.float32))
    with pytest.raises(Refused):
        compile_vectors([point(1, v=sparse)], schema())
    with pytest.raises(Refused):
        compile_query(ROWS[0], schema(VectorField("v", VectorKind.SPARSE, 0, Metric.DOT)), "v")
