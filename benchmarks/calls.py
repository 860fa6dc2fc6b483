"""Milvus's calls as ready messages, so that what is measured is the way to the server and not the making of requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import grpc
import numpy as np
import numpy.typing as npt
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

Vectors: TypeAlias = npt.NDArray[np.float32]
DIM: Final = 128
BATCH: Final = 100
TOP: Final = 10
EVENTUALLY: Final = 1
"""The guarantee timestamp that waits for nothing."""


class Stub:
    """Milvus behind one connection."""

    def __init__(self, url: str) -> None:
        self._channel = grpc.insecure_channel(url.removeprefix("http://"), options=[("grpc.use_local_subchannel_pool", 1)])
        self._stub = milvus_pb2_grpc.MilvusServiceStub(self._channel)

    def search(self, request: milvus_pb2.SearchRequest) -> Any:
        reply = self._stub.Search(request)
        _check(reply.status)
        return reply

    def upsert(self, request: milvus_pb2.UpsertRequest) -> Any:
        reply = self._stub.Upsert(request)
        _check(reply.status)
        return reply

    def close(self) -> None:
        self._channel.close()


def _check(status: common_pb2.Status) -> None:
    if status.code or status.error_code:
        raise RuntimeError(f"Milvus refused a call: {status.reason}")


def vectors(count: int, seed: int = 1) -> Vectors:
    return np.random.default_rng(seed).random((count, DIM), dtype=np.float32)


def create(client: MilvusClient, name: str, count: int) -> None:
    """A collection with an HNSW index and `count` points in it."""
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("bucket", DataType.INT64)
    schema.add_field("name", DataType.VARCHAR, max_length=64)
    index = client.prepare_index_params()
    index.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 16, "efConstruction": 100})
    client.create_collection(name, schema=schema, index_params=index)
    for start in range(0, count, 1000):
        rows = vectors(min(1000, count - start), start)
        client.insert(name, [_row(start + number, row) for number, row in enumerate(rows)])
    client.flush(name)


def _row(number: int, vector: Vectors) -> dict[str, Any]:
    return {"id": number, "v": vector, "bucket": number % 10, "name": f"n{number}"}


def upsert(name: str, first: int) -> milvus_pb2.UpsertRequest:
    """BATCH points with the ids from `first` on."""
    ids = list(range(first, first + BATCH))
    return milvus_pb2.UpsertRequest(
        collection_name=name,
        num_rows=BATCH,
        hash_keys=ids,
        fields_data=[
            _scalars("id", schema_pb2.Int64, long_data=schema_pb2.LongArray(data=ids)),
            _vectors("v", vectors(BATCH, first)),
            _scalars("bucket", schema_pb2.Int64, long_data=schema_pb2.LongArray(data=[id % 10 for id in ids])),
            _scalars("name", schema_pb2.VarChar, string_data=schema_pb2.StringArray(data=[f"n{id}" for id in ids])),
        ],
    )


def _scalars(name: str, code: int, **values: Any) -> schema_pb2.FieldData:
    return schema_pb2.FieldData(type=code, field_name=name, scalars=schema_pb2.ScalarField(**values))


def _vectors(name: str, rows: Vectors) -> schema_pb2.FieldData:
    field = schema_pb2.VectorField(dim=DIM, float_vector=schema_pb2.FloatArray(data=rows.ravel()))
    return schema_pb2.FieldData(type=schema_pb2.FloatVector, field_name=name, vectors=field)


def search(name: str, vector: Vectors) -> milvus_pb2.SearchRequest:
    placeholder = common_pb2.PlaceholderValue(tag="$0", type=common_pb2.FloatVector, values=[vector.tobytes()])
    params = {
        "anns_field": "v",
        "topk": str(TOP),
        "metric_type": "L2",
        "round_decimal": "-1",
        "params": json.dumps({"ef": 64}),
    }
    return milvus_pb2.SearchRequest(
        collection_name=name,
        placeholder_group=common_pb2.PlaceholderGroup(placeholders=[placeholder]).SerializeToString(),
        dsl_type=common_pb2.BoolExprV1,
        output_fields=["bucket", "name"],
        search_params=[common_pb2.KeyValuePair(key=key, value=value) for key, value in params.items()],
        guarantee_timestamp=EVENTUALLY,
        nq=1,
    )


def searches(name: str, count: int) -> Sequence[milvus_pb2.SearchRequest]:
    return [search(name, row) for row in vectors(count, 7)]


def upserts(name: str, count: int) -> Sequence[milvus_pb2.UpsertRequest]:
    return [upsert(name, number * BATCH) for number in range(count)]
