from __future__ import annotations

from typing import Any

import pytest
from milvus_requests import KEY, VECTOR, OneCatalog, collection, column, field_schema, frontend, reply, request
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from proxy.errors import NotFound, Refused
from proxy.model.filter import Equals
from proxy.model.operation import Opaque, Patch, Put, Remove, RemoveWhere
from proxy.model.point import Key
from proxy.model.schema import Schema

ROW = [column("id", schema_pb2.Int64, [1]), column("v", schema_pb2.FloatVector, [[1.0, 2.0]])]


def insert(schema: Schema, columns: list[Any], answer: Any = None, **fields: Any) -> Any:
    sent = request("Insert", milvus_pb2.InsertRequest(collection_name="c", fields_data=columns, num_rows=1, **fields))
    return frontend().decode(sent, OneCatalog(schema), None if answer is None else reply(answer))


def upsert(schema: Schema, columns: list[Any], answer: Any = None, **fields: Any) -> Any:
    sent = request("Upsert", milvus_pb2.UpsertRequest(collection_name="c", fields_data=columns, num_rows=1, **fields))
    return frontend().decode(sent, OneCatalog(schema), None if answer is None else reply(answer))


def delete(schema: Schema, text: str, **fields: Any) -> Any:
    sent = request("Delete", milvus_pb2.DeleteRequest(collection_name="c", expr=text, **fields))
    return frontend().decode(sent, OneCatalog(schema))


def test_an_insert_is_a_put_into_the_default_partition() -> None:
    put = insert(collection(KEY, VECTOR), ROW)
    assert isinstance(put, Put)
    assert (put.insert, put.complete, put.points[0].key) == (True, True, Key("c", None, 1))
    assert put.points[0].vectors["v"].tolist() == [1.0, 2.0]


def test_an_insert_goes_to_the_partition_that_it_names() -> None:
    schema = collection(KEY, VECTOR, partitions=("_default", "p"))
    assert insert(schema, ROW, partition_name="p").points[0].key.partition == "p"
    assert insert(schema, ROW, partition_name="_default").points[0].key.partition is None
    with pytest.raises(Refused, match="partition not found"):
        insert(schema, ROW, partition_name="q")


def test_a_partition_key_leaves_no_partition_in_the_identity() -> None:
    schema = collection(KEY, VECTOR, field_schema("t", schema_pb2.VarChar, is_partition_key=True), partitions=("_default_0",))
    assert schema.partitions == ()
    assert insert(schema, [*ROW, column("t", schema_pb2.VarChar, ["x"])]).points[0].key == Key("c", None, 1)


def test_ids_made_by_the_server_come_from_its_reply() -> None:
    schema = collection(field_schema("id", schema_pb2.Int64, is_primary_key=True, autoID=True), VECTOR)
    answer = milvus_pb2.MutationResult(IDs=schema_pb2.IDs(int_id=schema_pb2.LongArray(data=[77])))
    assert insert(schema, ROW[1:], answer).points[0].key.id == 77
    assert isinstance(insert(schema, ROW[1:]), Opaque)


def test_an_upsert_of_server_made_ids_touches_the_given_and_the_made() -> None:
    schema = collection(field_schema("id", schema_pb2.Int64, is_primary_key=True, autoID=True), VECTOR)
    answer = milvus_pb2.MutationResult(IDs=schema_pb2.IDs(int_id=schema_pb2.LongArray(data=[77])))
    put = upsert(schema, ROW, answer)
    assert ([point.key.id for point in put.points], put.complete) == ([1, 77], False)


def test_a_partial_upsert_is_a_patch_of_what_it_names() -> None:
    schema = collection(KEY, VECTOR, field_schema("n", schema_pb2.Int64))
    patch = upsert(schema, [ROW[0], column("n", schema_pb2.Int64, [5])], partial_update=True)
    assert isinstance(patch, Patch)
    assert (dict(patch.points[0].vectors), patch.points[0].payload) == ({}, {"n": 5})


def test_null_stays_null_and_a_default_takes_its_place() -> None:
    default = schema_pb2.ValueField(long_data=9)
    schema = collection(
        KEY,
        VECTOR,
        field_schema("a", schema_pb2.Int64, nullable=True),
        field_schema("b", schema_pb2.Int64, default_value=default),
    )
    columns = [*ROW, column("a", schema_pb2.Int64, [], [False]), column("b", schema_pb2.Int64, [], [False])]
    assert insert(schema, columns).points[0].payload == {"a": None, "b": 9}
    assert insert(schema, ROW).points[0].payload == {"a": None, "b": 9}


def test_dynamic_keys_lie_beside_the_declared_fields() -> None:
    schema = collection(KEY, VECTOR, field_schema("n", schema_pb2.Int64), enable_dynamic_field=True)
    unnamed = column("", schema_pb2.JSON, [b'{"n": 1, "x": {"y": null}}'])
    assert insert(schema, [*ROW, column("n", schema_pb2.Int64, [5]), unnamed]).points[0].payload == {"n": 5, "x": {"y": None}}


def test_vectors_that_the_server_makes_leave_the_put_incomplete() -> None:
    function = schema_pb2.FunctionSchema(type=schema_pb2.TextEmbedding, input_field_names=["t"], output_field_names=["v"])
    schema = collection(KEY, VECTOR, field_schema("t", schema_pb2.VarChar), functions=[function])
    assert not insert(schema, [ROW[0], column("t", schema_pb2.VarChar, ["x"])]).complete


def test_the_sparse_vectors_of_full_text_search_are_no_part_of_a_point() -> None:
    function = schema_pb2.FunctionSchema(type=schema_pb2.BM25, input_field_names=["t"], output_field_names=["sparse"])
    made = field_schema("sparse", schema_pb2.SparseFloatVector, is_function_output=True)
    schema = collection(KEY, VECTOR, field_schema("t", schema_pb2.VarChar), made, functions=[function])
    assert set(schema.vectors) == {"v"}
    assert insert(schema, [*ROW, column("t", schema_pb2.VarChar, ["x"])]).complete


@pytest.mark.parametrize("text", ["id in [1, 2]", "id in [2,1,]", "id == 1 or id == 2"])
def test_a_delete_by_ids_removes_them_from_every_partition(text: str) -> None:
    schema = collection(KEY, VECTOR, partitions=("_default", "p"))
    wanted = {Key("c", partition, id) for partition in (None, "p") for id in (1, 2)}
    match delete(schema, text):
        case Remove(keys=keys):
            assert keys == wanted
        case RemoveWhere():
            assert "or" in text


def test_a_delete_in_one_partition_leaves_the_others() -> None:
    schema = collection(KEY, VECTOR, partitions=("_default", "p"))
    assert delete(schema, "id == 1", partition_name="p") == Remove("c", frozenset({Key("c", "p", 1)}))


def test_any_other_delete_is_by_filter() -> None:
    schema = collection(KEY, VECTOR, field_schema("n", schema_pb2.Int64), partitions=("p",))
    assert delete(schema, "n == 5") == RemoveWhere("c", Equals(("n",), 5))
    assert delete(schema, "n == 5", partition_name="p") == RemoveWhere("c", Equals(("n",), 5), ("p",))
    assert delete(schema, " ") == Remove("c", frozenset())


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (ROW[:1], "no corresponding fieldData"),
        ([ROW[0], column("v", schema_pb2.FloatVector, [[1.0, 2.0, 3.0]])], "is not equal to schema dim"),
        ([*ROW, column("zz", schema_pb2.Int64, [1])], "zz"),
        ([column("id", schema_pb2.Int64, [1, 2]), ROW[1]], "2 rows, not 1"),
        (ROW[1:], "primary key"),
        ([*ROW, column("$meta", schema_pb2.JSON, [b"[1]"])], "JSON objects"),
        ([*ROW, column("$meta", schema_pb2.JSON, [b"{"])], "cannot be parsed"),
    ],
)
def test_what_milvus_would_not_take_is_refused(columns: list[Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        insert(collection(KEY, VECTOR, enable_dynamic_field=True), columns)


def test_an_unknown_collection_is_not_found() -> None:
    sent = request("Insert", milvus_pb2.InsertRequest(collection_name="other"))
    with pytest.raises(NotFound, match="collection not found"):
        frontend().decode(sent, OneCatalog(collection(KEY, VECTOR)))


def test_the_database_comes_from_the_metadata() -> None:
    sent = request("Insert", milvus_pb2.InsertRequest(collection_name="c"), ((b"dbname", b"team"),))
    assert frontend().collection(sent, OneCatalog(collection(KEY, VECTOR))) == "team/c"
