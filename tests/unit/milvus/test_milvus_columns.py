from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from proxy.errors import Refused
from proxy.milvus.columns import Nulls, fields_data, points_of
from proxy.milvus.schema import META, collection_schema, described, index_params, key_values, schema_of
from proxy.model.point import Key, Point, Sparse
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind


def field_schema(name: str, kind: int, dim: int = 0, **settings: Any) -> schema_pb2.FieldSchema:
    params = key_values({"dim": dim} if dim else {})
    return schema_pb2.FieldSchema(name=name, data_type=kind, type_params=params, **settings)


def schema_with(*fields: schema_pb2.FieldSchema) -> Schema:
    key = field_schema("id", schema_pb2.VarChar, is_primary_key=True)
    schema = schema_pb2.CollectionSchema(name="c", fields=[key, *fields], enable_dynamic_field=True)
    for number, each in enumerate(schema.fields, 100):
        each.fieldID = number
    return schema_of(milvus_pb2.DescribeCollectionResponse(schema=schema, collectionID=5, num_partitions=1))


def round_trip(schema: Schema, point: Point, nulls: Nulls = Nulls.OMITTED) -> Point:
    (back,) = points_of(schema, fields_data(schema, [point], None, nulls), 1, None)
    return back


@pytest.mark.parametrize(
    ("kind", "dim", "vector"),
    [
        (schema_pb2.FloatVector, 3, np.array([0.1, -2, 3e30], np.float32)),
        (schema_pb2.Float16Vector, 2, np.array([0.5, -2], np.float16)),
        (schema_pb2.BFloat16Vector, 2, np.array([0.5, -2], np.float32)),
        (schema_pb2.Int8Vector, 2, np.array([-128, 127], np.int8)),
        (schema_pb2.BinaryVector, 16, np.array([255, 1], np.uint8)),
    ],
)
def test_a_dense_vector_comes_back_bit_for_bit(kind: int, dim: int, vector: Any) -> None:
    schema = schema_with(field_schema("v", kind, dim))
    back = round_trip(schema, Point(Key("c", None, "a"), {"v": vector})).vectors["v"]
    assert isinstance(back, np.ndarray)
    assert (back.dtype, back.tobytes()) == (vector.dtype, vector.tobytes())


def test_a_sparse_vector_comes_back_in_order() -> None:
    schema = schema_with(field_schema("v", schema_pb2.SparseFloatVector))
    sparse = Sparse(np.array([3, 2**32 - 2], np.uint32), np.array([0.5, -1], np.float32))
    back = round_trip(schema, Point(Key("c", None, "a"), {"v": sparse})).vectors["v"]
    assert isinstance(back, Sparse)
    assert (back.indices.tolist(), back.values.tolist()) == ([3, 2**32 - 2], [0.5, -1.0])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (schema_pb2.Bool, True),
        (schema_pb2.Int8, -5),
        (schema_pb2.Int64, 2**63 - 1),
        (schema_pb2.Float, 0.5),
        (schema_pb2.Double, 0.1),
        (schema_pb2.VarChar, "é\0"),
        (schema_pb2.JSON, {"a": [1, None, {"b": "c"}]}),
        (schema_pb2.JSON, None),
    ],
)
def test_a_value_comes_back(kind: int, value: Any) -> None:
    schema = schema_with(field_schema("x", kind))
    assert round_trip(schema, Point(Key("c", None, "a"), {}, {"x": value})).payload == {"x": value}


@pytest.mark.parametrize(
    ("element", "values"),
    [(schema_pb2.Int16, [1, -2]), (schema_pb2.VarChar, ["a", ""]), (schema_pb2.Bool, [True]), (schema_pb2.Double, [])],
)
def test_an_array_comes_back(element: int, values: list[Any]) -> None:
    schema = schema_with(field_schema("x", schema_pb2.Array, element_type=element))
    assert round_trip(schema, Point(Key("c", None, "a"), {}, {"x": values})).payload == {"x": values}


@pytest.mark.parametrize("nulls", Nulls)
@pytest.mark.parametrize("kind", [schema_pb2.Int64, schema_pb2.VarChar, schema_pb2.JSON])
def test_nulls_keep_their_rows(kind: int, nulls: Nulls) -> None:
    schema = schema_with(field_schema("x", kind, nullable=True))
    value = "v" if kind == schema_pb2.VarChar else 7
    points = [Point(Key("c", None, str(i)), {}, {"x": value if i % 2 else None}) for i in range(4)]
    columns = fields_data(schema, points, None, nulls)
    assert [point.payload["x"] for point in points_of(schema, columns, 4, None)] == [None, value, None, value]
    data = next(column for column in columns if column.field_name == "x").scalars
    sent = data.string_data.data or data.long_data.data or data.json_data.data
    assert len(sent) == (2 if nulls is Nulls.OMITTED else 4)


def test_dynamic_keys_are_told_from_declared_fields() -> None:
    schema = schema_with(field_schema("x", schema_pb2.Int64))
    point = Point(Key("c", None, "a"), {}, {"x": 1, "y": {"z": 2}, "none": None})
    columns = {column.field_name: column for column in fields_data(schema, [point])}
    assert columns[META].is_dynamic
    assert list(columns[META].scalars.json_data.data) == [b'{"y":{"z":2},"none":null}']
    assert round_trip(schema, point).payload == {"x": 1, "y": {"z": 2}, "none": None}


@pytest.mark.parametrize("value", ["text", 2**70, None])
def test_a_value_that_the_field_cannot_hold_is_refused(value: Any) -> None:
    schema = schema_with(field_schema("x", schema_pb2.Int64))
    with pytest.raises(Refused, match="x"):
        fields_data(schema, [Point(Key("c", None, "a"), {}, {"x": value})])


# ---- schemas ----


def test_a_collection_is_described_as_its_source_did() -> None:
    schema = schema_pb2.CollectionSchema(
        name="c", description="words", fields=[field_schema("id", schema_pb2.Int64, is_primary_key=True)]
    )
    said = milvus_pb2.DescribeCollectionResponse(
        schema=schema,
        collectionID=2**62,
        created_timestamp=2**63,
        shards_num=2,
        collection_name="c",
        db_name="default",
        num_partitions=1,
    )
    assert described(schema_of(said)) == said


def test_an_index_keeps_its_name_and_parameters() -> None:
    schema = schema_pb2.CollectionSchema(
        name="c",
        fields=[
            field_schema("id", schema_pb2.Int64, is_primary_key=True),
            field_schema("v", schema_pb2.FloatVector, 4),
            field_schema("t", schema_pb2.VarChar),
        ],
    )
    indexes = [
        milvus_pb2.IndexDescription(
            field_name="v", index_name="iv", indexID=7, params=key_values({"metric_type": "IP", "M": 8})
        ),
        milvus_pb2.IndexDescription(field_name="t", index_name="it", indexID=8, params=key_values({"index_type": "Trie"})),
    ]
    found = schema_of(milvus_pb2.DescribeCollectionResponse(schema=schema), indexes)
    assert (found.vectors["v"].metric, found.fields["t"].index) == (Metric.DOT, "Trie")
    assert index_params(found) == {
        "v": {"index_name": "iv", "metric_type": "IP", "M": "8"},
        "t": {"index_name": "it", "index_type": "Trie"},
    }


def test_a_collection_of_another_product_gets_milvus_s_types() -> None:
    schema = Schema(
        "team/c",
        vectors={"v": VectorField("v", VectorKind.DENSE, 4, Metric.COSINE, DType.FLOAT16)},
        fields={"tags": Field("tags", FieldType.ARRAY, FieldType.STRING, nullable=True)},
        id_kind=IdKind.UUID,
    )
    made = collection_schema(schema)
    assert [(field.name, field.data_type) for field in made.fields] == [
        ("id", schema_pb2.VarChar), ("v", schema_pb2.Float16Vector), ("tags", schema_pb2.Array),
    ]  # fmt: skip
    assert (described(schema).db_name, made.name) == ("team", "c")
    assert index_params(schema) == {"v": {"index_type": "AUTOINDEX", "metric_type": "COSINE"}}
